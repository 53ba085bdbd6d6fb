"""`rankbench doubtful`: judgments that somebody should look at again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from engine.workspace import Workspace
from workbench.commands.hints import hint
from workbench.commands.options import json_option, with_workspace
from workbench.commands.output import count, cut, emit_json, progress_bar, safe, say, table

if TYPE_CHECKING:
    from engine.evaluation.doubtful import Doubt, Doubtful

_HEADS = {
    "contradictory": "sources that grade one query and product differently",
    "duplicate": "pairs that stand twice, or products of one text graded differently",
    "suspicious": "grades that every side disagrees with, and no person has confirmed",
}


@click.command("doubtful")
@click.option(
    "-k", default=20, show_default=True, type=click.IntRange(1), help="Rows of each kind."
)
@json_option
@with_workspace
def command(workspace: Workspace, k: int, as_json: bool) -> None:
    """List contradictory, duplicate and suspicious judgments, the strongest of each kind first.

    Contradictory: one query (or spelling of it) and product, graded differently by two files or
    judges. Duplicate: a pair that counts twice, or two products of the same text with different
    grades. Suspicious: an Exact that every indexed encoder and bm25 rank past 100, or an Irrelevant
    that all of them put in the first 3. Nothing is changed.
    """
    from engine.evaluation.doubtful import find_doubtful
    from engine.ranking.comparer import Comparer

    comparer = Comparer(workspace)
    try:
        with progress_bar("Ranking", "queries") as report:
            found = find_doubtful(comparer, progress=report)
        titles = comparer.titles()
    finally:
        comparer.close()
    if as_json:
        emit_json(
            {
                "queries": found.queries,
                "judgments": found.judgments,
                "sides": found.sides,
                **{
                    kind: [
                        {**doubt.to_json(), "title": titles.get(doubt.product_id)}
                        for doubt in found.of(kind)[:k]
                    ]
                    for kind in _HEADS
                },
                "counts": {kind: len(found.of(kind)) for kind in _HEADS},
            }
        )
    else:
        show(found, titles, k)


def show(found: Doubtful, titles: Mapping[str, str], k: int) -> None:
    """Print each kind under a line that says what it is and how many there are."""
    click.echo(
        f"{count(found.judgments, 'judgment')} of {count(found.queries, 'query', 'queries')}"
    )
    for kind, what in _HEADS.items():
        doubts = found.of(kind)
        click.echo(f"\n{kind}: {len(doubts):,} ({what})")
        if doubts:
            headers = ["query", "product", "title", "grade", "evidence"]
            table(headers, [_cells(doubt, titles) for doubt in doubts[:k]], left=5)
        if len(doubts) > k:
            say(f"The first {k:,} of {len(doubts):,}; -k shows more.")
    if len(found.sides) < 2:
        say("Suspicion takes two sides at least: index an encoder with `rankbench index`.")
    else:
        say(f"Ranks by {', '.join(cut(name, 24) for name in found.sides)}; – is past 1,000.")
    hint("Nothing was changed. Your own grade counts: `rankbench flag QUERY PRODUCT_ID GRADE`.")


def _cells(doubt: Doubt, titles: Mapping[str, str]) -> list[str]:
    said = ", ".join(
        f"{cut(name, 24)} {'–' if value is None else value}"
        for name, value in doubt.evidence.items()
    )
    return [
        cut(doubt.query, 30),
        safe(doubt.product_id),
        cut(titles.get(doubt.product_id, "not in the catalog"), 40),
        doubt.grade,
        said,
    ]
