"""`rankbench holes`: what is unjudged in the first tens, and what it leaves open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.workspace import Workspace
from workbench.commands.hints import hint
from workbench.commands.options import asked_options, json_option, with_workspace
from workbench.commands.output import count, cut, emit_json, number, progress_bar, safe, say, table

if TYPE_CHECKING:
    from engine.evaluation.holes import Hole, Holes


@click.command("holes")
@asked_options("candidates", "judgments")
@click.option("-k", default=20, show_default=True, type=click.IntRange(1), help="Holes shown.")
@json_option
@with_workspace
def command(
    workspace: Workspace,
    baseline: str | None,
    candidate: str | None,
    split: str,
    query_set: str,
    k: int,
    as_json: bool,
) -> None:
    """List the unjudged products of the first tens, those that would move the verdict most first.

    The swing is what the mean delta of ndcg@10 would gain or lose if the product turned out Exact
    instead of Irrelevant, the ideal made anew and the other holes at 0. Grade one with
    `rankbench flag QUERY PRODUCT_ID GRADE`, or in the app: F2, then h.
    """
    from engine.evaluation.query_set import holes_of, top_tens
    from engine.ranking.comparer import Comparer

    comparer = Comparer(workspace)
    try:
        with progress_bar("Ranking", "queries") as report:
            tops = top_tens(
                comparer,
                baseline or workspace.settings.baseline,
                candidate or "",
                split,
                progress=report,
                query_set=query_set,
            )
        found = holes_of(comparer, tops)
    finally:
        comparer.close()
    if as_json:
        emit_json(found.to_json(k))
    else:
        show(found, k)


def show(found: Holes, k: int) -> None:
    """Print both sides' judged@10, the bounds, what settles the sign, and the first `k` holes."""
    names = [cut(side.encoder, 24) for side in (found.baseline, found.candidate)]
    queries = count(found.queries, "query", "queries")
    click.echo(f"{names[1]} against {names[0]}, {queries} ({safe(found.chosen)})")
    if found.excluded:
        left_out = count(found.excluded, "query", "queries")
        say(f"{left_out} without a positive grade in the catalog left out.")
    if found.bounds is None:
        say("No query is left: nothing to fill.")
        return
    shares = [number(side.judged) for side in (found.baseline, found.candidate)]
    low, high = (number(value, sign=True) for value in found.bounds)
    click.echo(f"judged@10      {shares[0]} {names[0]}, {shares[1]} {names[1]}, n {found.queries}")
    click.echo(
        f"ndcg@10 delta  {number(found.delta, sign=True)}; with every hole judged {low} to {high}, "
        f"n {found.queries}"
    )
    click.echo(f"holes          {len(found.queue):,}. {settled(found)}")
    if found.queue:
        click.echo()
        headers = ["query", "product", "title", *names, "swing"]
        table(headers, [_cells(hole) for hole in found.queue[:k]], left=3)
        if len(found.queue) > k:
            say(f"The first {k:,} of {len(found.queue):,}; -k shows more.")
        say("swing: what the mean delta moves by if the product is Exact and not Irrelevant.")
        hint("Grade one: `rankbench flag QUERY PRODUCT_ID GRADE`, or F2 and h in the app.")


def settled(found: Holes) -> str:
    """When the sign of the mean delta could no longer change, in one honest sentence."""
    if not found.queue:
        return "Every hit is judged: nothing is left open."
    if found.settled_after is None:
        return "The sides are even now: no number of Irrelevant holes gives the delta a sign."
    if found.settled_after == 0:
        return "Whatever they are, the sign of the delta stays."
    return (
        f"The sign is settled after the first {found.settled_after:,} if these turn out "
        "Irrelevant, as they count now; with other grades it may take fewer or more."
    )


def _cells(hole: Hole) -> list[str]:
    return [
        cut(hole.query, 34),
        safe(hole.product_id),
        cut(hole.title, 44),
        *("—" if rank is None else str(rank) for rank in (hole.baseline, hole.candidate)),
        number(hole.swing, sign=True),
    ]
