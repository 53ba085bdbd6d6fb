"""Odd sets of flags: the run does what its basket said, or refuses with the basket's reason."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from engine.errors import RankbenchError
from engine.index.build import build_index
from engine.jobs.context import Context, Events
from engine.jobs.material import read_basket, sides_top
from engine.jobs.train import run
from engine.records import Verdict, Verdicts
from engine.training.basket import Basket
from engine.workspace import Workspace

QUICK = ["max_steps=3", "lr=1e-3", "dev_products=80", "replay=30", "batch_size=8"]


def say(ws: Workspace, *verdicts: tuple[str, str, str, str]) -> None:
    """(query, product, grade, judge) each."""
    with Verdicts(ws.records_path) as records:
        said = [Verdict(q, p, g, g == "I", side="base", judge=j) for q, p, g, j in verdicts]
        records.add(said, "ann")


def agreed(ws: Workspace, **params: Any) -> tuple[Basket, dict[str, Any]]:
    """The basket, and what a job with the same params did; they must agree on the rows."""
    params = {"recipe": "flags", "set": QUICK, **params}
    build_index(ws)
    found = read_basket(ws, params)
    directory = ws.jobs_dir / "0001"
    directory.mkdir(parents=True, exist_ok=True)
    context = Context(ws, "0001", directory, params, Events(directory / "events.jsonl"))
    if found.refusal:
        with pytest.raises(RankbenchError) as caught:
            run(context)
        assert (caught.value.what, caught.value.todo) == (found.refusal, found.todo)
        assert [path.name for path in ws.encoders_dir.iterdir()] == ["base"]
        return found, {}
    done = run(context)
    assert done["rows"] == found.pairs + found.judged + found.replay
    log = (directory / "events.jsonl").read_text()
    for note in found.notes:
        assert note in log.replace("\\u2019", "’")
    return found, done


def test_one_flag(tiny_workspace: Workspace) -> None:
    say(tiny_workspace, ("red sneaker", "p100", "I", "ann"))
    found, _ = agreed(tiny_workspace)
    assert (found.negatives, found.replay) == (1, 30)
    assert "flags of one query only: expect little beyond it" in found.notes


def test_three_flags_without_a_right_result(tiny_workspace: Workspace) -> None:
    say(tiny_workspace, *(("odd umbrella", p, "I", "ann") for p in ("p100", "p101", "p102")))
    found, _ = agreed(tiny_workspace)
    assert found.negatives == 3 and found.positives == 1
    assert found.notes[0].startswith("1 query has no Exact result: the best of the agreed top")


def test_a_base_that_cannot_be_asked_is_said(tiny_workspace: Workspace) -> None:
    say(tiny_workspace, ("odd umbrella", "p100", "I", "ann"))
    with pytest.raises(RankbenchError, match="base is not indexed") as caught:
        read_basket(tiny_workspace, {})
    assert "rankbench index" in caught.value.todo


def test_a_query_of_which_every_top_result_is_flagged_refuses(tiny_workspace: Workspace) -> None:
    ws = tiny_workspace
    build_index(ws)
    with sides_top(ws, "base") as ask:
        top = ask("base", "odd umbrella")[:10]
    say(ws, *(("odd umbrella", product, "I", "ann") for product in top))
    found, _ = agreed(ws)
    assert "their queries have no Exact result" in found.refusal
    assert found.todo == "Grade a right result E first."


def test_what_the_basket_opens_to_ask_is_closed(
    tiny_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.ranking.comparer import Comparer

    ws, closed = tiny_workspace, []
    build_index(ws)
    say(ws, ("odd umbrella", "p100", "I", "ann"))
    close = Comparer.close
    monkeypatch.setattr(Comparer, "close", lambda self: (closed.append(self), close(self)))
    assert read_basket(ws, {}).pairs and len(closed) == 1


def test_five_hundred_contradictory_flags(tiny_workspace: Workspace) -> None:
    queries = [f"{colour} sneaker" for colour in ("red", "blue", "green", "black", "white")]
    said = [
        (queries[n % 5], f"p{n // 5:03d}", grade, judge)
        for n in range(250)
        for judge, grade in (("ann", "E"), ("bob", "I"))
    ]
    say(tiny_workspace, *said)
    found, _ = agreed(tiny_workspace)
    # Judges are even: the newest word, bob's, counts, and it is said.
    assert {row.grade for group in found.groups for row in group.rows} == {"I"}
    assert any("judges disagree on 250 results" in note for note in found.notes)
    assert any("dev and test splits are left out" in note for note in found.notes)


def test_flags_on_one_query_only(tiny_workspace: Workspace) -> None:
    say(tiny_workspace, *(("red lamp", f"p{n}", "I", "ann") for n in range(100, 140)))
    found, done = agreed(tiny_workspace)
    # The little catalog has no more replay to give, which is said.
    assert len(found.trained) == 1 and done["rows"] < 4 * found.pairs
    assert any("flags are more than a quarter of the rows" in note for note in found.notes)
    assert "flags of one query only: expect little beyond it" in found.notes


def test_ten_thousand_flags_of_a_file(tiny_workspace: Workspace, tmp_path: Path) -> None:
    from engine.formats.verdicts import read_verdicts
    from engine.records.importing import import_verdicts

    ws, path = tiny_workspace, tmp_path / "flags.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["query", "product_id", "grade", "bad"])
        for n in range(10_000):
            grade = "E" if n % 10 == 0 else "I"
            writer.writerow([f"thing number {n // 10}", f"p{n % 210:03d}", grade, grade == "I"])
    assert (
        len(import_verdicts(ws.records_path, read_verdicts(path).verdicts, "ann").added) == 10_000
    )
    found, _ = agreed(ws)
    assert found.pairs == 2000 and any("max_rows" in note for note in found.notes)
    assert any("more than a quarter" in note for note in found.notes) == (found.replay < 6000)


def test_flags_of_products_that_are_gone(tiny_workspace: Workspace) -> None:
    say(tiny_workspace, *(("red lamp", f"gone{n}", "I", "ann") for n in range(3)))
    found, _ = agreed(tiny_workspace)
    assert "None of the 3 verdicts can be trained on: not in the catalog" in found.refusal


def test_flags_of_test_queries(tiny_workspace: Workspace, tiny_queries: list) -> None:
    held = next(query for query in tiny_queries if query.split == "test")
    say(tiny_workspace, *((held.query, f"p{n}", "I", "ann") for n in (100, 101)))
    found, _ = agreed(tiny_workspace)
    assert "dev and test splits" in found.refusal and "--include-test" in found.todo
    found, done = agreed(tiny_workspace, include_test=True)
    assert "1 query of the dev and test splits is trained on" in found.notes
    assert "trained on 1 query of the dev and test splits" in done["note"]


@pytest.mark.parametrize("seed", [0, 7])
def test_flags_beside_judgments(tiny_workspace: Workspace, seed: int) -> None:
    say(tiny_workspace, ("red lamp", "p100", "I", "ann"))
    found, _ = agreed(tiny_workspace, source="both", seed=seed)
    assert found.judged > 0 and found.pairs > 0


@pytest.mark.parametrize("recipe", ["flags", "infonce"])
def test_judgments_alone_are_told_too(tiny_workspace: Workspace, recipe: str) -> None:
    say(tiny_workspace, ("red lamp", "p100", "I", "ann"))
    settings = QUICK if recipe == "flags" else QUICK[:3]
    found, _ = agreed(tiny_workspace, recipe=recipe, source="judgments", set=settings)
    assert found.judged > 0 and not found.groups and bool(found.replay) == (recipe == "flags")
