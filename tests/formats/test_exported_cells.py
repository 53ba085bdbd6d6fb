"""No cell of a CSV that we write is a formula, and reading gives back what was written."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.catalog.queries import JudgedQuery
from engine.evaluation.pair_cosines import Pair
from engine.experiments.store import Store
from engine.formats.exporting import not_carried, write_judged
from engine.formats.judgments import read_judgments
from engine.formats.verdicts import read_verdicts, write_verdicts
from engine.formats.writing import inert_cell
from engine.records import Verdict

TEXTS = (
    '=HYPERLINK("http://x") kettle', "+49", "-5 jacket", "@home", "＝1+1", "'=quoted", "''-twice",
    "'plain", "a=b", "\\x3d",
)  # fmt: skip
Trip = Callable[[Path], tuple[list[tuple[str, ...]], list[tuple[str, ...]]]]


def verdicts(path: Path) -> Any:
    said = [Verdict(t, t, "E", False, t, t, None, t, t, 1.0) for t in TEXTS]
    write_verdicts(path, said)
    found = read_verdicts(path).verdicts
    return (
        *(
            [(v.query, v.product_id, v.note, v.side, v.encoder, v.judge) for v in each]
            for each in (said, found)
        ),
    )


def judgments(path: Path, form: str) -> Any:
    queries = [JudgedQuery(t, t, t, {t: "E"}, {"season": t}) for t in TEXTS]
    write_judged(path, queries, form)
    read = read_judgments(path, scale="0-3" if form == "quepid" else None)
    rows = read.frame.select("query", "product_id")
    written = [(t, t) for t in TEXTS]
    if form == "csv":
        rows = rows.hstack(read.queries.select("query_id", "split", "season"))
        written = [(t,) * 5 for t in TEXTS]
    return written, rows.rows()


def pairs(path: Path) -> Any:
    written = [Pair(t, t, "title", "E", -0.25) for t in TEXTS]
    store = Store(path.parent, {})
    store.write_pairs("fold0-seed0", written)
    path.write_bytes((path.parent / "fold0-seed0.cosines.csv").read_bytes())
    return written, store.read_pairs("fold0-seed0")


@pytest.mark.parametrize(
    "trip",
    [
        verdicts,
        lambda path: judgments(path, "csv"),
        lambda path: judgments(path, "quepid"),
        pairs,
    ],
    ids=["flags", "judgments", "quepid", "cosines"],
)
def test_no_cell_is_a_formula_and_none_is_changed_by_a_round_trip(
    trip: Trip, tmp_path: Path
) -> None:
    path = tmp_path / "written.csv"
    written, read = trip(path)
    assert sorted(map(repr, read)) == sorted(map(repr, written))
    with path.open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    risky = [cell for cell in cells if cell.startswith(tuple("=+-@＝"))]
    assert set(risky) <= {"-0.25"}  # a number of ours
    assert any("HYPERLINK" in cell for cell in cells)


def test_what_quepid_would_see_otherwise_is_told() -> None:
    queries = [JudgedQuery("1", "-5 jacket", "", {"p": "E"})]
    assert any("formula" in lost for lost in not_carried(queries, "quepid"))
    assert not_carried(queries, "csv") == []
    assert inert_cell("-5 jacket") == "'-5 jacket"
