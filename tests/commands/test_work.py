"""`index`, `train`, `jobs`, `encoders`, `recipes`, `demo`: what makes things."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine import supervise
from engine.workspace import open_workspace

ROOT = Path(__file__).parents[2]
QUICK = ["--set", "epochs=1", "--set", "max_per_query=2"]


def test_index_encodes_only_what_changed(workspace: Path, tmp_path: Path, rankbench: Any) -> None:
    assert rankbench("index", "-w", workspace, "--json").json["encoded"] == 0
    catalog = tmp_path / "p.csv"
    text = "sku,name,brand,colour\np01,Canopy tent 3x3 m,Halden,white\np02,Other tent,Halden,blue\n"
    catalog.write_text(text)
    assert rankbench("init", workspace, "--catalog", catalog, "--force").code == 0
    assert rankbench("index", "-w", workspace, "--json").json["encoded"] == 1
    catalog.write_text(text + "p03,New lamp,,\n")  # the file itself grew: read again
    report = rankbench("index", "-w", workspace, "--json").json
    assert (report["encoded"], report["rows"]) == (1, 3)


def test_index_of_an_unknown_encoder_is_one_error(made: Path, rankbench: Any) -> None:
    rankbench("index", "-w", made, "--encoder", "nosuch").assert_error(1, "nosuch")


def test_training_makes_an_encoder_that_is_a_side(workspace: Path, rankbench: Any) -> None:
    options = ["--recipe", "adapter", "--name", "mine", "--set", "epochs=2", "--json"]
    result = rankbench("train", "-w", workspace, *options)
    assert result.code == 0, result.err
    assert result.json["encoder"] == "mine"
    assert set(result.json["chosen"]) == {"epoch", "alpha"}
    names = [row["name"] for row in rankbench("encoders", "-w", workspace, "--json").json]
    assert names == ["base", "mine"]
    table = rankbench("encoders", "-w", workspace)
    assert "mine" in table.out and "dev" in table.out
    found = rankbench("search", "trainers", "-w", workspace, "--json").json
    assert found["candidate"]["encoder"] == "mine"
    jobs = rankbench("jobs", "-w", workspace, "--json").json
    assert [(job["kind"], job["state"], job["encoder"]) for job in jobs] == [
        ("train", "done", "mine")
    ]
    keys = {"id", "kind", "state", "step", "steps", "eta_s", "encoder"}
    assert set(jobs[0]) == keys | {"started", "ended", "error"}
    assert "mine" in rankbench("jobs", "-w", workspace).out
    assert rankbench("jobs", jobs[0]["id"], "--log", "-w", workspace).code == 0
    again = rankbench("train", "-w", workspace, *options)
    again.assert_error(1, "mine", "already")
    more = rankbench("train", "-w", workspace, *options[:2], "--set", "epochs=1")
    assert "adapter-01, as the newest, is the right-hand side now, against base." in more.err
    assert "stays the default" not in more.out + more.err
    assert rankbench("encoders", "-w", workspace, "--remove", "adapter-01").code == 0
    assert rankbench("encoders", "-w", workspace, "--remove", "mine").code == 0
    assert len(rankbench("encoders", "-w", workspace, "--json").json) == 1


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        (["--recipe", "nosuch"], 2, "nosuch"),
        (["--recipe", "adapter", "--set", "epochs"], 2, "key=value"),
        (["--recipe", "adapter", "--set", "colour=red"], 2, "colour"),
        (["--recipe", "adapter", "--set", "epochs=nan"], 2, "epochs"),
        (["--recipe", "adapter", "--name", "../up"], 2, "name"),
        (["--recipe", "adapter", "--name", "base"], 2, "base"),
        (["--set", "batch_size=8", "--set", "batch_size=16"], 2, "as 8 and as 16"),
        (["--set", "seed=3", "--seed", "4"], 2, "seed once"),
        (["--recipe", "infonce", "--set", "mini_batch=32"], 2, "batch_size = 16"),
        (["--recipe", "infonce", "--set", "lora=1000"], 2, "wide"),
        (["--recipe", "infonce", "--set", "alphas=0"], 2, "above 0"),
    ],
)
def test_bad_training_is_told_before_a_job_starts(
    options: list[str], code: int, word: str, workspace: Path, rankbench: Any
) -> None:
    rankbench("train", "-w", workspace, *options).assert_error(code, word)
    assert rankbench("jobs", "-w", workspace, "--json").json == []


def test_a_detached_job_can_be_found_and_cancelled(workspace: Path, rankbench: Any) -> None:
    options = ["--recipe", "infonce", "--set", "epochs=1000", "--detach"]
    started = rankbench("train", "-w", workspace, *options)
    assert started.code == 0, started.err
    job = started.out.strip()
    ended = rankbench("jobs", job, "--cancel", "-w", workspace, "--json").json
    assert [row["state"] for row in ended] == ["cancelled"]
    assert len(rankbench("encoders", "-w", workspace, "--json").json) == 1


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        (["--cancel"], 1, "no job runs"),
        (["0999"], 1, "0999"),
        (["0999", "--log", "--cancel"], 2, "together"),
    ],
)
def test_wrong_jobs_are_one_error(
    options: list[str], code: int, word: str, made: Path, rankbench: Any
) -> None:
    rankbench("jobs", *options, "-w", made).assert_error(code, word)


def test_encoders_are_added_from_a_directory(
    workspace: Path, tiny_encoder_dir: Path, rankbench: Any
) -> None:
    options = ["-w", workspace, "--add", tiny_encoder_dir, "--name", "twin", "--json"]
    rows = rankbench("encoders", *options).json
    assert [row["name"] for row in rows] == ["base", "twin"]
    assert rows[0]["fingerprint"] == rows[1]["fingerprint"]
    assert rows[1]["build"] is None
    assert rankbench("index", "-w", workspace, "--encoder", "twin").code == 0


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        (["--add", "no/such-model"], 1, "no/such-model"),
        (["--remove", "nosuch"], 1, "nosuch"),
        (["--remove", "base"], 1, "base"),
        (["--name", "x"], 2, "--add"),
        (["--add", "x", "--remove", "y"], 2, "together"),
    ],
)
def test_wrong_encoders_are_one_error(
    options: list[str],
    code: int,
    word: str,
    workspace: Path,
    rankbench: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    result = rankbench("encoders", "-w", workspace, *options)
    assert result.code == code, result.err
    assert word in result.err
    assert not list((workspace / "encoders").glob(".*partial"))


def test_recipes_are_listed_and_explained(rankbench: Any) -> None:
    names = [row["name"] for row in rankbench("recipes", "--json").json]
    assert {"infonce", "adapter"} <= set(names)
    for name in names:
        assert name in rankbench("recipes").out
        assert rankbench("recipes", name, "--json").json["parameters"]
        assert "epochs" in rankbench("recipes", name).out
    rankbench("recipes", "nosuch").assert_error(2, "nosuch")


@pytest.mark.parametrize(
    ("options", "recipe"),
    [([], "hard-negatives"), (["--source", "flags"], "flags"), (["--source", "log"], "distill")],
)
def test_a_run_without_a_recipe_takes_the_default(
    options: list[str], recipe: str, workspace: Path, rankbench: Any
) -> None:
    listed = next(line for line in rankbench("recipes").out.splitlines() if recipe in line.split())
    assert (options[-1] if options else "judgments") in listed
    refused = rankbench("train", "-w", workspace, *options, "--set", "nosuch=1")
    refused.assert_error(2, f"Recipe {recipe} has no parameter 'nosuch'")


def test_every_recipe_says_what_it_would_train_on(workspace: Path, rankbench: Any) -> None:
    for row in rankbench("recipes", "--json").json:
        if row["loss"] in ("flags", "distill"):
            continue
        found = rankbench("train", "-w", workspace, "--recipe", row["name"], "--dry-run", "--json")
        assert found.json["judged"] > 0, row["name"]


@pytest.fixture
def small_demo(shop: Path, tiny_encoder_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo over the little shop, with the tiny encoder for the packaged one."""
    lines = ["query_id,query,split,stratum"]
    judged = (shop / "judgments.csv").read_text().splitlines()[1:]
    texts = dict(line.split(",")[:2] for line in judged)
    splits = ("train", "train", "dev", "test")
    lines += [f"{qid},{text},{splits[at % 4]},met" for at, (qid, text) in enumerate(texts.items())]
    (shop / "queries.csv").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr("workbench.commands.demo.shipped_files", lambda: shop)
    monkeypatch.setattr("engine.encoders.registry.packaged_model_dir", lambda: tiny_encoder_dir)
    monkeypatch.setattr("engine.encoders.registry.check_packaged", lambda _: None)


@pytest.mark.usefixtures("small_demo")
def test_the_demo_compares_and_a_second_run_redoes_nothing(tmp_path: Path, rankbench: Any) -> None:
    root = tmp_path / "demo"
    first = rankbench("demo", root, "--headless", "--json")
    assert first.code == 0, first.err
    assert len(first.json) == 3
    assert {row["split"] for row in first.json} == {"test"}
    assert first.json[0]["candidate"]["encoder"] == "bm25"
    assert "Making" in first.err
    again = rankbench("demo", root, "--headless")
    assert again.code == 0, again.err
    assert "ndcg@10" in again.out
    assert "Making" not in again.err and "encoded" not in again.err


@pytest.mark.usefixtures("small_demo")
def test_the_demo_starts_what_is_missing_once(tmp_path: Path) -> None:
    from engine import supervise
    from workbench.commands.demo import ready, start_jobs

    workspace = ready(tmp_path / "demo")
    started = start_jobs(workspace)
    try:
        assert [job.kind for job in started] == ["index", "train"]
        assert start_jobs(workspace) == []
    finally:
        for job in supervise.find(workspace):
            supervise.cancel(job)
    assert start_jobs(workspace) == []  # a person who cancelled is not overruled


@pytest.mark.usefixtures("small_demo")
def test_the_demo_indexes_an_encoder_whose_job_was_killed_before_its_index(
    tmp_path: Path, tiny_encoder_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine import supervise
    from engine.encoders.card import Card, write_card
    from workbench.commands.demo import ready, start_jobs

    asked: list[tuple[str, str]] = []

    def start(ws: Any, kind: str, params: Any) -> Any:
        asked.append((kind, params.get("encoder", "")))

    monkeypatch.setattr(supervise, "start", start)
    workspace = ready(tmp_path / "demo")
    added = shutil.copytree(tiny_encoder_dir, workspace.encoders_dir / "added")
    write_card(added, Card("added", base="tiny"))
    start_jobs(workspace)
    assert asked == [("index", "base"), ("index", "added"), ("train", "")]
    tuned = shutil.copytree(tiny_encoder_dir, workspace.encoders_dir / "infonce-01")
    write_card(tuned, Card("infonce-01", base="base", recipe={"name": "infonce"}))
    asked.clear()
    start_jobs(workspace)
    assert asked == [("index", "base"), ("index", "added"), ("index", "infonce-01")]


def test_the_demo_without_a_terminal_makes_nothing(tmp_path: Path, rankbench_process: Any) -> None:
    result = rankbench_process("demo", tmp_path / "demo", stdin=subprocess.DEVNULL)
    result.assert_error(1, "terminal", "--headless")
    assert not (tmp_path / "demo").exists()


def test_the_shipped_demo_is_whole() -> None:
    from workbench.commands.demo import shipped_files

    names = {path.name for path in shipped_files().iterdir()}
    assert {"products.csv", "judgments.csv", "queries.csv"} <= names


def test_ctrl_c_leaves_the_job_at_work(workspace: Path) -> None:
    import signal
    import time

    options = ["--recipe", "infonce", "--set", "epochs=1000", "-w", str(workspace)]
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench", "train", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    from engine import supervise
    from engine.workspace import open_workspace

    opened = open_workspace(workspace)
    until = time.monotonic() + 60
    while not supervise.find(opened) and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    try:
        assert process.returncode == 130
        assert "goes on in the background" in said and "Traceback" not in said
        assert supervise.find(opened)[0].state in ("queued", "running")
    finally:
        supervise.cancel(supervise.find(opened)[0])


def test_a_cancel_without_a_checkpoint_offers_none_to_discard(workspace: Path) -> None:
    import time

    from filelock import FileLock

    from engine.jobs.queue import LOCK

    opened = open_workspace(workspace)
    command = [sys.executable, "-m", "workbench", "train", "--recipe", "adapter", "-w", workspace]
    opened.jobs_dir.mkdir(exist_ok=True)
    with FileLock(opened.jobs_dir / LOCK):
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )
        until = time.monotonic() + 60
        while not supervise.find(opened) and time.monotonic() < until:
            time.sleep(0.1)
        supervise.cancel(supervise.find(opened)[0])
        _, said = process.communicate(timeout=30)
    assert process.returncode == 1 and "was cancelled" in said
    assert "--resume" in said and "--discard" not in said


@pytest.mark.parametrize("judged", [None, "tent,p01,S\nhose,p09,S\nlamp,p02,I\n"])
def test_training_without_anything_to_train_on_is_refused_at_once(
    judged: str | None, shop: Path, tmp_path: Path, rankbench: Any
) -> None:
    root = tmp_path / "w"
    init = ["init", root, "--catalog", shop / "products.csv"]
    if judged is not None:
        (tmp_path / "j.csv").write_text("query,product_id,label\n" + judged)
        init += ["--judgments", tmp_path / "j.csv"]
    assert rankbench(*init).code == 0
    result = rankbench("train", "-w", root, "--recipe", "adapter")
    result.assert_error(1, "import judgments", "queries")
    assert rankbench("jobs", "-w", root, "--json").json == []


def test_how_a_job_failed_is_told_once_and_an_empty_log_says_so(
    workspace: Path, tmp_path: Path, rankbench: Any
) -> None:
    catalog = tmp_path / "other.csv"
    catalog.write_text("sku,name\nz1,Lamp\nz2,Kettle\n")
    assert rankbench("init", workspace, "--catalog", catalog, "--force").code == 0
    refused = rankbench("train", "-w", workspace, "--recipe", "adapter")
    refused.assert_error(1, "No training query has an Exact product")
    assert rankbench("jobs", "-w", workspace, "--json").json == []
    # What is looked at before a job starts may be otherwise once it runs.
    job = supervise.start(open_workspace(workspace), "train", {"recipe": "adapter"})
    said = list(supervise.follow(job))[-1]["message"]
    assert said.count("No training query has an Exact product") == 1
    log = rankbench("jobs", job.id, "--log", "-w", workspace)
    assert log.code == 0 and "failed  No training query" in log.out


def test_products_with_nothing_to_encode_are_counted(tmp_path: Path, rankbench: Any) -> None:
    (tmp_path / "p.csv").write_text("id,title,brand\na,Tent,x\nb,,y\nc,,z\n")
    root = tmp_path / "w"
    shown = rankbench("init", root, "--catalog", tmp_path / "p.csv")
    assert "empty text" in shown.out and "2 products have nothing" in shown.out
    (tmp_path / "p.csv").write_text("id,title,brand\na,Tent,x\nb,,y\nc,Lamp,z\n")
    told = rankbench("index", "-w", root)
    assert told.code == 0 and "1 product has nothing in the encoded text: an encoder ranks it" in (
        told.err
    )
    assert rankbench("index", "-w", root, "--json").json["empty_texts"] == 1
