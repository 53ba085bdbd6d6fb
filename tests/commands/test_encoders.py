"""`rankbench encoders`: the registry, one encoder's page, latency on request."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from engine.encoders.card import Card, write_card
from engine.encoders.fingerprint import fingerprint
from engine.workspace import open_workspace
from tests.commands.conftest import Rankbench


def test_the_registry_says_where_an_encoder_is_used(
    workspace: Path, tiny_encoder_dir: Path, rankbench: Rankbench
) -> None:
    rankbench("encoders", "--add", tiny_encoder_dir, "--name", "other", "-w", workspace)
    found = rankbench("encoders", "other", "-w", workspace, "--json").json
    assert found["used"] == []
    by_name = {row["name"]: row for row in rankbench("encoders", "-w", workspace, "--json").json}
    assert by_name["base"]["used"] == ["baseline"]
    rankbench("index", "--encoder", "other", "-w", workspace)
    made = open_workspace(workspace)
    made.save(replace(made.settings, candidate="hybrid:other"))
    used = [line.split()[-1] for line in rankbench("encoders", "-w", workspace).out.splitlines()]
    assert used[-2:] == ["baseline", "candidate"]
    page = rankbench("encoders", "other", "-w", workspace).out
    assert "used            candidate" in page


def test_one_encoder_says_where_it_comes_from(
    workspace: Path, tiny_encoder_dir: Path, rankbench: Rankbench
) -> None:
    rankbench("encoders", "--add", tiny_encoder_dir, "--name", "other", "-w", workspace)
    found = rankbench("encoders", "other", "-w", workspace, "--json").json
    assert found["name"] == "other" and found["build"] is None and found["latency"] is None
    assert [step["name"] for step in found["lineage"]] == ["other"]
    page = rankbench("encoders", "other", "-w", workspace).out
    assert "fingerprint" in page and "not indexed" in page


def test_the_page_of_a_trained_one_tells_its_settings(
    workspace: Path, tiny_encoder_dir: Path, rankbench: Rankbench
) -> None:
    directory = open_workspace(workspace).encoders_dir / "tuned-01"
    shutil.copytree(tiny_encoder_dir, directory)
    settings = {"alphas": [0.5, 1.0], "epochs": 2, "lr": 2e-5, "seed": 7}
    recipe = {"name": "infonce", "loss": "infonce", "parameters": settings}
    scores = {"chosen": {"epoch": 2, "alpha": 1.0}}
    write_card(directory, Card("tuned-01", "base", "f", recipe=recipe, scores=scores))
    page = rankbench("encoders", "tuned-01", "-w", workspace).out
    assert "infonce: alphas 0.5 1, epochs 2, lr 2e-05, seed 7; kept epoch 2, alpha 1" in page


def test_latency_is_timed_only_when_asked(made: Path, rankbench: Rankbench) -> None:
    (quiet,) = rankbench("encoders", "-w", made, "--json").json
    assert quiet["latency"] is None
    (timed,) = rankbench("encoders", "-w", made, "--latency", "--json").json
    assert 0 < timed["latency"]["p50_ms"] <= timed["latency"]["p95_ms"]
    assert "p50 / p95" in rankbench("encoders", "-w", made, "--latency").out


def test_an_encoder_that_is_not_there_names_those_that_are(
    made: Path, rankbench: Rankbench
) -> None:
    rankbench("encoders", "nothing", "-w", made).assert_error(1, "no encoder called", "base")


def test_the_newest_evaluation_on_unseen_queries_is_the_encoders_figure(
    workspace: Path, tiny_encoder_dir: Path, rankbench: Rankbench
) -> None:
    rankbench("encoders", "--add", tiny_encoder_dir, "--name", "other", "-w", workspace)
    rankbench("index", "--encoder", "other", "-w", workspace)

    def listed() -> dict[str, object]:
        rows = rankbench("encoders", "-w", workspace, "--json").json
        return {row["name"]: row["unseen"] for row in rows}

    assert listed() == {"base": None, "other": None}
    asked = ("eval", "-w", workspace, "--baseline", "bm25", "--candidate", "other")
    for elsewhere in (("--split", "all"), ("--split", "test"), ("--candidates", "judged")):
        rankbench(*asked, *elsewhere)
    assert listed()["other"] is None
    delta = rankbench(*asked, "--json").json["delta"]["ndcg@10"]
    found = listed()
    assert found["base"] is None
    assert found["other"] == {**delta, "base": "bm25", "run": 4}
    told = f"{delta['mean']:+.3f} ({delta['low']:+.3f} to {delta['high']:+.3f}, n 12)"
    [line] = [
        line for line in rankbench("encoders", "-w", workspace).out.splitlines() if "other" in line
    ]
    assert f"{told} against bm25, run 4" in line
    assert told in rankbench("encoders", "other", "-w", workspace).out
    # Against itself it says nothing of itself.
    assert rankbench("eval", "-w", workspace, "--baseline", "base", "--candidate", "base").code == 0
    assert listed()["base"] is None
    [line] = [
        line
        for line in rankbench("encoders", "-w", workspace).out.splitlines()
        if line.startswith("base ")
    ]
    assert "—" in line and "run 5" not in line
    # Other weights under the name were never measured.
    weights = fingerprint(workspace / "encoders" / "other")
    kept = workspace / "reports" / "runs.jsonl"
    kept.write_text(kept.read_text().replace(weights, "f" * 16))
    assert listed()["other"] is None
