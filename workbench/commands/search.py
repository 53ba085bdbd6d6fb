"""`rankbench search`: one query on both sides."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import click

from engine.errors import UsageError
from engine.workspace import Workspace
from workbench.commands.options import json_option, with_workspace
from workbench.commands.output import cut, emit_json, number, safe, say, table

if TYPE_CHECKING:
    from engine.ranking.comparison import Comparison, Hit


@click.command("search")
@click.argument("query", nargs=-1, required=True)
@click.option("--baseline", metavar="SIDE", help="base, bm25, hybrid:NAME, run:FILE, an encoder.")
@click.option("--candidate", metavar="SIDE", help="The side to compare with it.")
@click.option("-k", default=10, show_default=True, type=click.IntRange(1, 1000), help="Hits shown.")
@json_option
@with_workspace
def command(
    workspace: Workspace,
    query: tuple[str, ...],
    baseline: str | None,
    candidate: str | None,
    k: int,
    as_json: bool,
) -> None:
    """Rank QUERY on both sides and show what differs. `-` reads the query from stdin."""
    from engine.ranking.comparer import Comparer

    text = sys.stdin.read() if query == ("-",) else " ".join(query)
    if not text.strip():
        raise UsageError("The query is empty.", 'Give some words: rankbench search "tent pegs".')
    comparer = Comparer(workspace)
    try:
        result = comparer.compare(text, baseline or workspace.settings.baseline, candidate or "", k)
    finally:
        comparer.close()
    if as_json:
        emit_json(result.to_json())
        return
    show(result)


def show(result: Comparison) -> None:
    """Print a comparison: a line about the query, the two lists, the measures."""
    notes = [f"{result.catalog_rows:,} products", f"{result.elapsed_ms:.0f} ms"]
    if result.query_id is not None:
        notes.insert(0, f"{result.judged} judged products")
        notes.insert(0, result.split or "no split")
    if result.seen:
        notes.append("seen in training")
    click.echo(f"{cut(result.query, 60)}  ({', '.join(notes)})")
    sides = (result.baseline, result.candidate)
    width = max((shutil.get_terminal_size((120, 24)).columns - 36) // 2, 20)
    rows = []
    for at in range(max(len(side.hits) for side in sides)):
        cells = [str(at + 1)]
        for side in sides:
            cells += _cells(side.hits[at], width) if at < len(side.hits) else ["", "", ""]
        rows.append(cells)
    names = [cut(side.encoder, width) for side in sides]
    if rows:
        table(["#", "", "", names[0], "", "", names[1]], rows, left=7)
    else:
        say("No product matches on either side.")
    click.echo()
    measures = [
        [
            name,
            number(result.baseline.measures.get(name)),
            number(result.candidate.measures.get(name)),
            number(result.delta.get(name), sign=True),
        ]
        for name in result.baseline.measures
        if result.query_id is not None
    ]
    if measures:
        table(["measure", *names, "delta"], measures)
    else:
        say("The query is not judged: no measures.")
    click.echo(f"rbo between the sides  {number(result.rbo)}")


def _cells(hit: Hit, width: int) -> list[str]:
    grade = hit.grade or "·"
    if hit.movement is None:
        moved = "new"
    else:
        moved = (
            "=" if hit.movement == 0 else f"{'▲' if hit.movement > 0 else '▼'}{abs(hit.movement)}"
        )
    return [grade, moved, cut(hit.title, width) or safe(hit.product_id)]
