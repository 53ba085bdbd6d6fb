"""The verdict on a training run as the command line prints it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from engine.evaluation.moved import median_ranks
from engine.measures import CATALOG_DEPTH
from workbench.commands.output import count, cut, ends, number, p_value, say, table

_FLAGGED_SHOWN = 20


def unseen_delta(verdict: Mapping[str, Any]) -> str:
    """The delta of catalog NDCG@10 on unseen queries, with interval and n; "" without one."""
    unseen = verdict.get("unseen")
    if not unseen or unseen["mean"] is None:
        return ""
    n = unseen["n"]
    span = ends(unseen["low"], unseen["high"], n, 3)
    return f"{number(unseen['mean'], 3, sign=True)} ({span}, n {n})"


def show_page(verdict: Mapping[str, Any]) -> None:
    """Print the page of one run, the base it is set against named."""
    click.echo(f"against {verdict['base']}: {verdict['call']}")
    click.echo(verdict["why"])
    if verdict.get("caution"):  # a card from before judged@10 was kept has none
        click.echo(verdict["caution"])
    if unseen := verdict["unseen"]:
        counts = f"{unseen['improved']} improved, {unseen['unchanged']} unchanged, "
        click.echo(f"{counts}{unseen['harmed']} harmed; p {p_value(unseen['p'])}")
    if verdict["rbo"] is not None:
        click.echo(f"rbo to {verdict['base']} {verdict['rbo']:.3f} on them")
    click.echo(f"trained in {verdict['seconds']:.0f} s")
    if verdict["worst"]:
        click.echo()
        rows = [
            [cut(row["query"], 48), *_before_after((row["base"], row["tuned"]))]
            for row in verdict["worst"]
        ]
        table(["worst on unseen queries, ndcg@10", "base", "tuned", "delta"], rows, left=1)
    if verdict["flagged"]:
        _show_flagged(verdict)


def _show_flagged(verdict: Mapping[str, Any]) -> None:
    flagged = verdict["flagged"]
    click.echo()
    click.echo(f"with verdicts: {count(len(flagged), 'query', 'queries')}")
    for wanted in ("fall", "rise"):
        if ranks := median_ranks(verdict, wanted):
            before, after = (_rank(rank, 1) for rank in ranks[:2])
            told = f"results that should {wanted} (n {ranks[2]}): median rank {before} -> {after}"
            if wanted == "fall":
                left = f"{verdict['left_top_ten']} of {verdict['in_top_ten']}"
                told += f", {left} left the top 10"
            click.echo(told)
    for judged, words in (("imported", "before the flags"), ("merged", "with the flags")):
        if found := verdict["ndcg"][judged]:
            before, after, n = found
            told = f"{number(before)} -> {number(after)} (n {n})"
            click.echo(f"ndcg@10 by the judgments {words}: {told}")
    rows = [
        [cut(query["query"], 40), moved["wanted"], cut(moved["product_id"], 16), *_ranks(moved)]
        for query in flagged
        for moved in query["moved"]
        if moved["wanted"] == "fall"
    ]
    if not rows:  # graded E alone: nothing should fall
        return
    click.echo()
    shown = rows[:_FLAGGED_SHOWN]
    table(["query", "should", "product", "base rank", "tuned rank"], shown, left=3)
    if len(rows) > len(shown):
        say(f"and {len(rows) - len(shown):,} more: `--json` has all.")


def _ranks(moved: Mapping[str, Any]) -> list[str]:
    return [_rank(moved[side]) for side in ("base", "tuned")]


def _rank(rank: float | None, digits: int = 0) -> str:
    return f"{rank:,.{digits}f}" if rank else f"past {CATALOG_DEPTH:,}"


def _before_after(pair: tuple[float, float]) -> list[str]:
    before, after = pair
    return [number(before), number(after), number(after - before, sign=True)]
