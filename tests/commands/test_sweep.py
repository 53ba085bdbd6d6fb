"""`sweep` as it is typed: what it prints, its JSON, its errors, and the command it ends with."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from engine.jobs import train
from engine.jobs.context import Context, Events
from engine.workspace import Workspace

QUICK = ["--set", "epochs=3", "--set", "dev_products=100", "--set", "max_per_query=4"]
SEARCH = ["--param", "lr=1e-6..1e-2:log", "--set", "alphas=1", "--set", "alpha=1"]


@pytest.fixture
def place(tiny_workspace: Workspace) -> Path:
    return tiny_workspace.root


def test_a_sweep_is_told_shown_and_gone_on_with(place: Path, rankbench: Any) -> None:
    options = ["sweep", "--recipe", "adapter", *QUICK, *SEARCH, "-w", place]
    done = rankbench(*options, "--trials", 3, "--name", "rates")
    assert done.code == 0, done.err
    assert "trial 1/3: the recipe's own, lr=0.0005\n" in done.err
    assert "trial 3/3 (0:0" in done.err and "best" in done.err
    assert "partly by luck" in done.err or "No trial of 3 trials beat" in done.err
    assert "Importances need 6" in done.err
    assert "dev catalog NDCG@10 (reduced to 160 products), n 8 queries" in done.out
    assert (place / "sweeps" / "rates" / "study.db").is_file()
    assert not list((place / "encoders").glob("adapter*"))

    found = rankbench(*options, "--trials", 4, "--name", "rates", "--json").json
    assert [trial["number"] for trial in found["trials"]] == [1, 2, 3, 4]
    assert found["name"] == "rates" and found["queries"] == 8
    assert found["best"]["score"] == max(
        trial["score"] for trial in found["trials"] if trial["state"] == "complete"
    )
    assert found["best_minus_base"]["n"] == 8 and found["importances"] is None
    refused = rankbench(*options, "--seed", 1, "--name", "rates")
    refused.assert_error(1, "another sweep: seed was 0, now 1", "--name")

    assert found["command"] in rankbench(*options, "--trials", 4, "--name", "rates").out


def test_another_base_is_swept_and_the_line_it_ends_with_trains_just_that(
    tiny_workspace: Workspace, place: Path, rankbench: Any
) -> None:
    options = ["--recipe", "adapter", *QUICK, "-w", place]
    params = {"recipe": "adapter", "set": [*QUICK[1::2], "lr=1e-2"], "name": "first"}
    directory = tiny_workspace.jobs_dir / "0001"
    directory.mkdir()
    events = Events(directory / "events.jsonl")
    first = train.run(Context(tiny_workspace, "0001", directory, params, events))
    told = rankbench(
        "sweep", *options, *SEARCH, "--trials", 1, "--base", "first", "--seed", 2, "--json"
    )
    assert "8 of 8 dev queries trained or chose first already" in told.err
    found = told.json
    assert found["base"] == pytest.approx(first["tuned_score"], abs=0.02)
    assert found["name"].startswith("adapter-")
    assert "--base first --seed 2" in found["command"]
    again = rankbench(*shlex.split(found["command"])[1:], "--json").json
    assert again["tuned_score"] == pytest.approx(found["best"]["score"], abs=1e-5)
    assert again["base_score"] == pytest.approx(found["base"], abs=1e-5)
    rankbench("sweep", *options, "--base", "nosuch").assert_error(1, "nosuch")


def test_what_cannot_be_swept_is_refused(place: Path, rankbench: Any) -> None:
    def refused(code: int, options: list[str], *words: str) -> None:
        rankbench("sweep", "-w", place, *options).assert_error(code, *words)

    refused(2, ["--recipe", "flags"], "cannot be swept", "adapter")
    refused(2, ["--recipe", "nosuch"], "no recipe")
    refused(2, ["--recipe", "adapter", "--param", "lr=0..1"], "1e-08 to 1")
    refused(2, ["--recipe", "adapter", "--param", "freeze=0,1"], "It accepts", "identity")
    refused(2, ["--recipe", "adapter", "--trials", "0"], "--trials")
    refused(2, ["--recipe", "adapter", "--minutes", "0"], "--minutes")
    refused(2, ["--recipe", "adapter", "--name", "../x"], "sweep's name")
    assert not (place / "sweeps").exists()


def test_the_space_of_a_recipe_is_told(rankbench: Any) -> None:
    assert "5e-6..1e-4:log" in rankbench("recipes", "infonce").out
    assert rankbench("recipes", "infonce", "--json").json["sweep"]["epochs"] == "1..4"
    assert rankbench("recipes", "flags", "--json").json["sweep"] == {}


def test_ctrl_c_keeps_the_trials_that_ended(place: Path, rankbench: Any) -> None:
    options = ["--recipe", "adapter", *QUICK, *SEARCH, "--name", "s", "-w", str(place)]
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench", "sweep", *options, "--trials", "500"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    told = ""
    for line in process.stderr:
        told += line
        if line.startswith("trial 3/"):
            break
    time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    out, rest = process.communicate(timeout=60)
    assert process.returncode == 130 and out == "", told + rest
    assert "the same command goes on" in rest and "Traceback" not in rest
    found = rankbench("sweep", *options, "--trials", "1", "--json").json
    assert len(found["trials"]) >= 2
