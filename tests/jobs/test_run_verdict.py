"""The page after a run: drawn by the job, kept in the card, told by `encoders NAME`."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import engine.jobs.verdict
from engine import supervise
from engine.encoders.card import Card, read_card, write_card
from engine.encoders.fingerprint import fingerprint
from engine.encoders.registry import resolve
from engine.errors import RankbenchError
from engine.evaluation.run_verdict import DO_NOT, NOT_SHOWN, SAFE, RunVerdict
from engine.index.build import build_index
from engine.jobs.context import Context, Events
from engine.jobs.material import read_basket, read_merged
from engine.jobs.verdict import FLAGGED, _flagged, draw_verdict, keep_flagged
from engine.ranking.comparer import Comparer
from engine.records import Records, Verdict, Verdicts
from engine.workspace import Workspace
from workbench.cli import cli
from workbench.commands.hints import Place

QUICK = ["max_steps=6", "lr=1e-3", "dev_products=80", "replay=40", "push=20"]


@pytest.fixture
def flagged(tiny_workspace: Workspace) -> tuple[Workspace, str, str]:
    """The workspace, a train query, and a product in the base's top 10 that a person flagged.

    The imported judgments call it Exact, and another one too.
    """
    list(supervise.follow(supervise.start(tiny_workspace, "index", {"encoder": "base"}, threads=1)))
    comparer = Comparer(tiny_workspace)
    query, bad = next(
        (query.query, product)
        for query in comparer.imported_queries()
        if query.split == "train" and len(query.positives()) > 1
        for product in comparer.side("base").rank(query.query).product_ids[:10]
        if query.grades.get(product) == "E"
    )
    comparer.close()
    with Verdicts(tiny_workspace.records_path) as verdicts:
        verdicts.add([Verdict(query, bad, "I", bad=True, side="base", rank=1)], "ann")
    return tiny_workspace, query, bad


def finished(ws: Workspace, **params: object) -> dict[str, object]:
    job = supervise.start(ws, "train", {"set": QUICK, **params}, threads=1)
    last = list(supervise.follow(job))[-1]
    assert last["event"] == "done", (job.path / "log").read_text()
    return last


def encoders(ws: Workspace, *arguments: str) -> str:
    result = CliRunner().invoke(cli, ["-w", str(ws.root), "encoders", *arguments], obj=Place())
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_run_from_flags_is_judged_before_and_after_them(
    flagged: tuple[Workspace, str, str],
) -> None:
    ws, query, bad = flagged
    last = finished(ws, recipe="flags")
    card = read_card(ws.encoders_dir / "flags-01")
    assert card is not None
    verdict = card.verdict
    assert verdict["call"] == last["call"] and verdict["call"] in (SAFE, NOT_SHOWN, DO_NOT)
    (one,) = verdict["flagged"]
    assert one["query"] == query
    assert [row["product_id"] for row in one["moved"] if row["wanted"] == "fall"] == [bad]
    assert bad not in [row["product_id"] for row in one["moved"] if row["wanted"] == "rise"]
    # The flag is against an Exact result: the same ranking scores otherwise with it.
    assert one["imported"][0] != one["merged"][0]
    assert verdict["seconds"] == card.seconds > 0
    # Of 12 test queries and none that the replay holds; the training took the others.
    assert verdict["unseen"]["n"] == len(unseen_queries(ws, card.seen_queries()))

    page = encoders(ws, "flags-01")
    assert verdict["call"] in page and verdict["why"] in page
    assert f"n {verdict['unseen']['n']}" in page and bad in page
    assert "by the judgments before the flags" in page and "by the judgments with the flags" in page
    told = json.loads(encoders(ws, "flags-01", "--json"))
    assert told["verdict"] == json.loads(json.dumps(verdict))
    assert verdict["call"] in encoders(ws)


def test_verdicts_given_while_it_trains_are_not_held_against_it(tiny_workspace: Workspace) -> None:
    ws, query = tiny_workspace, "red sneaker"
    with Records(ws.records_path) as records:
        records.assign_missing_splits()
        imported = next(q.grades for q in records.judged_queries() if q.query == query)
    here = SimpleNamespace(ws=ws, directory=ws.root)
    with Verdicts(ws.records_path) as verdicts:
        verdicts.add([Verdict(query, "p100", "I", bad=True)], "ann")
        merged = read_merged(ws)
        params = {"include_test": True}
        keep_flagged(here, read_basket(ws, params, merged, top=lambda side, q: ()), merged)
        verdicts.add([Verdict(query, p, "I", bad=True) for p in ("p101", "p102")], "ann")
    (kept,) = _flagged(here)
    assert kept.before == imported and kept.after == {**imported, "p100": "I"}
    assert kept.fall == ("p100",)


def test_a_near_repeat_of_a_held_out_query_makes_that_one_seen(tiny_workspace: Workspace) -> None:
    ws = tiny_workspace
    with Records(ws.records_path) as records:
        queries = records.judged_queries()
    test, dev = (next(q.query for q in queries if q.split == split) for split in ("test", "dev"))
    turned = {query: " ".join(reversed(query.split())) for query in (test, dev)}
    list(supervise.follow(supervise.start(ws, "index", {"encoder": "base"}, threads=1)))
    with Verdicts(ws.records_path) as verdicts:
        for query in turned.values():
            verdicts.add([Verdict(query, p, g) for p, g in (("p100", "I"), ("p101", "E"))], "ann")
    finished(ws, recipe="flags", include_test=True)
    card = read_card(ws.encoders_dir / "flags-01")
    assert card is not None
    assert {test, dev, *turned.values()} <= set(card.trained_queries)
    assert set(card.scores["held_out_trained"]) == {test, dev}
    assert "trained on 2 queries of the dev and test splits" in card.note
    assert dev not in card.selection_queries and card.selection_queries
    assert card.verdict["unseen"]["n"] == len(unseen_queries(ws, card.seen_queries()))


def test_a_run_from_judgments_is_judged_too(tiny_workspace: Workspace) -> None:
    finished(tiny_workspace, recipe="infonce", set=QUICK[:3])
    card = read_card(tiny_workspace.encoders_dir / "infonce-01")
    assert card is not None and card.verdict["flagged"] == [] and card.verdict["unseen"]["n"] > 0
    page = encoders(tiny_workspace, "infonce-01")
    assert card.verdict["call"] in page and "flagged" not in page


def drawn(ws: Workspace) -> tuple[RunVerdict | None, list[dict[str, object]]]:
    """The verdict on a copy of the base, drawn as a job does, and the job's events."""
    base = resolve(ws, "base").path
    copy = ws.encoders_dir / "copy"
    if not copy.exists():
        shutil.copytree(base, copy)
        write_card(copy, Card("copy", "base", fingerprint(base), {"name": "flags"}))
        for name in ("base", "copy"):
            build_index(ws, name)
    log = ws.root / "events.jsonl"
    context = Context(ws, "0001", ws.root, {}, Events(log))
    verdict = draw_verdict(context, "copy")
    return verdict, [json.loads(line) for line in log.read_text().splitlines()]


def test_while_the_verdict_is_drawn_the_job_says_so(tiny_workspace: Workspace) -> None:
    verdict, events = drawn(tiny_workspace)
    assert verdict is not None and verdict.unseen is not None
    told = [event for event in events if event["event"] == "progress"]
    assert {event["phase"] for event in told} == {"verdict"}
    assert told[-1]["step"] == told[-1]["steps"] > 0 and not any("eta_s" in e for e in told)


def test_what_cannot_be_measured_is_no_lack_of_queries(
    tiny_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*arguments: object, **options: object) -> None:
        raise RankbenchError("The index of copy cannot be read.", "Index it again.")

    monkeypatch.setattr(engine.jobs.verdict, "evaluate_query_set", damaged)
    verdict, events = drawn(tiny_workspace)
    assert verdict is None
    assert "The index of copy cannot be read" in str(events[-1]["message"])
    card = read_card(tiny_workspace.encoders_dir / "copy")
    assert card is not None and not card.verdict


def test_a_run_on_grades_alone_flags_nothing(tiny_workspace: Workspace) -> None:
    ws = tiny_workspace
    kept = [{"query": "red sneaker", "before": {}, "after": {"p100": "E"}, "fall": []}]
    (ws.root / FLAGGED).write_text(json.dumps([{**kept[0], "rise": ["p100"]}]))
    verdict, _ = drawn(ws)
    assert verdict is not None and verdict.mean_ranks("rise") is not None
    page = encoders(ws, "copy")
    assert "with verdicts: 1 query" in page and "flagged:" not in page
    assert "tuned rank" not in page  # no table of nothing


def unseen_queries(ws: Workspace, seen: tuple[str, ...]) -> list[str]:
    from engine.catalog.normalise import normalise_query

    with Records(ws.records_path) as records:
        return [
            query.query
            for query in records.judged_queries()
            if normalise_query(query.query) not in seen
        ]
