"""What people said, on the hits, in the measures and in evaluations."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from engine.evaluation.query_set import evaluate_query_set
from engine.index.build import build_index
from engine.ranking.comparer import Comparer
from engine.records import Verdict, Verdicts
from engine.workspace import Workspace
from workbench import saved


@pytest.fixture
def ws(tiny_workspace: Workspace) -> Workspace:
    build_index(tiny_workspace)
    return tiny_workspace


def say(ws: Workspace, *verdicts: Verdict) -> None:
    with Verdicts(ws.records_path) as records:
        records.add(list(verdicts), "ann")


def test_a_verdict_is_on_its_hit_on_both_sides_at_once(ws: Workspace) -> None:
    comparer = Comparer(ws)
    before = comparer.compare("red tent", "base", "bm25", k=220)
    assert {hit.verdict for hit in before.baseline.hits} == {""}
    flagged = next(hit.product_id for hit in before.candidate.hits if hit.grade == "E")
    graded = next(hit.product_id for hit in before.candidate.hits if hit.grade is None)
    say(ws, Verdict("Red  Tents", flagged, "I", True), Verdict("red tent", graded, "E"))
    after = comparer.compare("red tent", "base", "bm25", k=220)
    for side in (after.baseline, after.candidate):
        hits = {hit.product_id: hit for hit in side.hits}
        bad, good = hits[flagged], hits[graded]
        assert (bad.grade, bad.verdict, bad.overrules) == ("I", "flagged", True)
        assert (good.grade, good.verdict, good.overrules) == ("E", "graded", False)
    assert after.judged == before.judged + 1 and after.shared_from == ("Red Tents",)
    assert after.candidate.measures["ndcg@10"] != before.candidate.measures["ndcg@10"]
    assert comparer.words("red tents")[flagged].overrules
    with Verdicts(ws.records_path) as records:
        records.undo("ann")
    again = comparer.compare("red tent", "base", "bm25", k=220)
    assert again.baseline.hits == before.baseline.hits and again.shared_from == ()


def test_a_query_that_only_verdicts_know_is_found_and_in_no_evaluation(ws: Workspace) -> None:
    say(ws, Verdict("umbrella", "p000", "I", True))
    comparer = Comparer(ws)
    found = comparer.find_query("umbrellas")
    assert found is not None and not found.imported and found.grades == {"p000": "I"}
    assert found not in comparer.judged_queries()
    compared = comparer.compare("umbrella", "base", "bm25")
    assert compared.judged == 1 and compared.split is None


def test_an_evaluation_counts_verdicts_unless_it_is_told_not_to(ws: Workspace) -> None:
    comparer = Comparer(ws)
    before = evaluate_query_set(comparer, "base", "bm25", split="all", resamples=100)
    exact = comparer.find_query("red tent").positives()  # type: ignore[union-attr]
    say(ws, *(Verdict("red tent", product, "I", True) for product in exact[:2]))
    after = evaluate_query_set(comparer, "base", "bm25", split="all", resamples=100)
    alone = evaluate_query_set(comparer, "base", "bm25", split="all", verdicts=False, resamples=100)
    assert alone.baseline.means == before.baseline.means
    assert alone.inputs == before.inputs
    assert after.baseline.means != before.baseline.means
    assert after.inputs["judgments"] != before.inputs["judgments"]


def test_the_fingerprint_of_a_side_is_its_encoders(ws: Workspace, tmp_path: Path) -> None:
    comparer = Comparer(ws)
    mark = comparer.fingerprint("base")
    assert mark and comparer.fingerprint("hybrid:base") == mark
    found = comparer.compare("tent", "hybrid:base", "bm25")
    assert (found.baseline.fingerprint, found.candidate.fingerprint) == (mark, "")
    run = tmp_path / "prod.run"
    run.write_text("q00 Q0 p002 1 9 x\n")
    names = ("hybrid:base", "bm25", f"run:{run}", "nosuch")
    assert [comparer.fingerprint(name) for name in names] == [mark, "", "", ""]


def test_a_saved_comparison_keeps_what_people_said(ws: Workspace, tmp_path: Path) -> None:
    exact = Comparer(ws).find_query("red tent").positives()[0]  # type: ignore[union-attr]
    say(ws, Verdict("red tents", exact, "I", True))
    found = Comparer(ws).compare("red tent", "base", "bm25")
    saved.store(tmp_path, found)
    loaded = saved.load(tmp_path)
    assert loaded is not None and loaded.shared_from == ("red tents",)
    assert loaded.candidate == found.candidate and loaded.baseline.fingerprint
    # One written before there were verdicts.
    data = json.loads((tmp_path / saved.FILE_NAME).read_text())
    del data["comparison"]["shared_from"], data["comparison"]["baseline"]["fingerprint"]
    for hit in data["comparison"]["baseline"]["hits"]:
        del hit["verdict"], hit["overrules"]
    (tmp_path / saved.FILE_NAME).write_text(json.dumps(data))
    older = saved.load(tmp_path)
    assert older is not None and {hit.verdict for hit in older.baseline.hits} == {""}


def test_a_look_at_the_records_costs_next_to_nothing(ws: Workspace) -> None:
    say(ws, *(Verdict(f"query {n}", "p000", "I", True) for n in range(2000)))
    comparer = Comparer(ws)
    comparer.find_query("red tent")
    started = time.perf_counter()
    for _ in range(200):
        comparer.words("red tent")
    assert (time.perf_counter() - started) / 200 < 0.0005
