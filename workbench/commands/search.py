"""`rankbench search`: one query on both sides."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from engine.errors import UsageError
from engine.workspace import Workspace
from workbench.commands.hints import hint
from workbench.commands.options import json_option, with_workspace
from workbench.commands.output import count, cut, emit_json, number, safe, say, table

if TYPE_CHECKING:
    from engine.ranking.comparer import Comparer
    from engine.ranking.comparison import Comparison, Hit, SideResult

_TITLE, _NARROWEST, _ID = 20, 8, 24
"""Cells of a title, of one beside ids that were asked for, and of an id at most."""
FLOORED = ("ndcg", "ndcg@10", "rbo_ideal")
_MARKS = {"": "", "graded": "*", "flagged": "x"}
Floors = Mapping[str, float | None]
"""Measure -> what a random ranking scores."""


@click.command("search")
@click.argument("query", nargs=-1, required=True)
@click.option("--baseline", metavar="SIDE", help="base, bm25, hybrid:NAME, run:FILE, an encoder.")
@click.option("--candidate", metavar="SIDE", help="The side to compare with it.")
@click.option("-k", default=10, show_default=True, type=click.IntRange(1, 1000), help="Hits shown.")
@click.option("--ids", is_flag=True, help="Product ids, however narrow the terminal is.")
@json_option
@with_workspace
def command(
    workspace: Workspace,
    query: tuple[str, ...],
    baseline: str | None,
    candidate: str | None,
    k: int,
    ids: bool,
    as_json: bool,
) -> None:
    """Rank QUERY on both sides and show what differs. `-` reads the query from stdin."""
    from engine.ranking.comparer import Comparer

    text = sys.stdin.read() if query == ("-",) else " ".join(query)
    if not text.strip():
        raise UsageError("The query is empty.", 'Give some words: `rankbench search "tent pegs"`.')
    comparer = Comparer(workspace)
    try:
        result = comparer.compare(text, baseline or workspace.settings.baseline, candidate or "", k)
        floor = floors(comparer, text)
    finally:
        comparer.close()
    if as_json:
        emit_json(to_json(result, floor))
        return
    show(result, floor, ids=ids)


def floors(comparer: Comparer, query: str) -> Floors:
    """What a random ranking scores for a judged query; empty for another."""
    from engine.catalog.normalise import clean_query
    from engine.measures.floor import search_floors

    judged = comparer.find_query(clean_query(query))
    if judged is None:
        return {}
    titles, settings = comparer.titles(), comparer.ws.settings
    gains = [settings.gains[grade] for p, grade in judged.grades.items() if p in titles]
    return search_floors(gains, len(titles), settings.rbo_p)


def to_json(result: Comparison, floor: Floors) -> dict[str, Any]:
    """The `search` contract, with the random floor of the measures that have one."""
    data = result.to_json()
    names = [name for name in result.baseline.measures if name in FLOORED]
    return {**data, "floor": {name: floor.get(name) for name in names}}


def show(result: Comparison, floor: Floors, *, ids: bool = False) -> None:
    """Print a comparison: a line about the query, the two lists, the measures.

    The lists have the product ids where there is room for them, or where `ids` are asked for.
    """
    from engine.ranking.comparison import OVER_JUDGED

    notes = [count(result.catalog_rows, "product"), f"{result.elapsed_ms:.0f} ms"]
    if result.query_id is not None:
        notes.insert(0, count(result.judged, "judged product"))
        notes.insert(0, result.split or "no split")
    if result.seen:
        notes.append("a side was trained or chosen on it")
    click.echo(f"{cut(result.query, 60)}  ({', '.join(notes)})")
    sides = (result.baseline, result.candidate)
    from rich.cells import cell_len

    columns = shutil.get_terminal_size((120, 24)).columns - 36
    longest = max((cell_len(_id(hit)) for side in sides for hit in side.hits), default=0)
    ids = ids or columns // 2 - longest - 2 >= _TITLE
    width = max(columns // 2 - (longest + 2 if ids else 0), _NARROWEST if ids else _TITLE)
    rows = []
    for at in range(max(len(side.hits) for side in sides)):
        cells = [str(at + 1)]
        for side in sides:
            found = _cells(side.hits[at], width, ids) if at < len(side.hits) else []
            cells += found or [""] * (4 if ids else 3)
        rows.append(cells)
    names = [cut(side.encoder, max(width, _TITLE)) for side in sides]
    if rows:
        gap = ["", "", "id"] if ids else ["", ""]
        table(["#", *gap, names[0], *gap, names[1]], rows, left=9)
    _say_verdicts(result)
    for side in sides:
        if not side.hits:
            say(_nothing(side))
    click.echo()
    measures = [
        [
            name,
            number(result.baseline.own.get(name)),
            number(result.candidate.own.get(name)),
            number(result.own_delta(name), sign=True),
            number(floor[name]) if name in floor else "",
        ]
        for name in result.baseline.measures
        if result.query_id is not None
    ]
    if lost := [name for name, side in zip(names, sides, strict=True) if side.found_none]:
        what = " or ".join(OVER_JUDGED)
        say(f"{' and '.join(lost)}: none of the judged products found, so no {what} of its own.")
    if measures:
        table(["measure", *names, "delta", "random"], measures)
    else:
        say("The query is not judged: no measures.")
    silent = [name for name, side in zip(names, sides, strict=True) if not side.hits]
    why = f"  ({' and '.join(silent)}: nothing to compare)" if silent else ""
    click.echo(f"rbo between the sides  {'—' if silent else number(result.rbo)}{why}")


def _say_verdicts(result: Comparison) -> None:
    """What the marks of people's verdicts mean, and which spellings share them."""
    hits = [hit for side in (result.baseline, result.candidate) for hit in side.hits]
    against = len({hit.product_id for hit in hits if hit.overrules})
    if any(hit.verdict for hit in hits):
        also = f"; {against} of them against an imported judgment" if against else ""
        say(f"x: flagged, *: graded by a person{also}.")
    if result.shared_from:
        shared = ", ".join(cut(text, 40) for text in result.shared_from[:5])
        hint(f"Verdicts on {shared} hold here too; `rankbench separate QUERY` parts them.")


def _nothing(side: SideResult) -> str:
    """Why a side's list is empty."""
    name = cut(side.encoder, 60)
    if not side.unanswered:
        return f"{name}: no product matches."
    if not side.encoder.startswith("run:"):
        return f"{name}: it has no answer to this query; its measures are 0."
    return f"{name}: the run has no such query, or none of its products is in the catalog."


def _id(hit: Hit) -> str:
    return cut(hit.product_id, _ID)


def _cells(hit: Hit, width: int, ids: bool) -> list[str]:
    grade = (hit.grade or "·") + _MARKS[hit.verdict]
    if hit.movement is None:
        moved = "new"
    else:
        moved = (
            "=" if hit.movement == 0 else f"{'▲' if hit.movement > 0 else '▼'}{abs(hit.movement)}"
        )
    shown = [_id(hit)] if ids else []
    return [grade, moved, *shown, cut(hit.title, width) or safe(hit.product_id)]
