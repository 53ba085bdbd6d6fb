"""`rankbench runs`: what training runs made, and the verdict on each."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any

import click

from engine.errors import RankbenchError
from engine.workspace import Workspace
from workbench.commands.hints import hint
from workbench.commands.options import json_option, with_workspace
from workbench.commands.output import cut, emit_json, number, p_value, say, table

_FLAGGED_SHOWN = 20


@click.command("runs")
@click.argument("name", required=False)
@json_option
@with_workspace
def command(workspace: Workspace, name: str | None, as_json: bool) -> None:
    """List the trained encoders with the verdict on each; with NAME, the whole page of one.

    The verdict is on queries that no training has seen, by imported judgments.
    """
    from engine.encoders.registry import list_encoders, resolve

    if name is not None:
        card = resolve(workspace, name).card
        if card is None or not card.verdict:
            raise RankbenchError(
                f"{name} has no verdict: no run here made it, or it ended before one was drawn.",
                "`rankbench eval --candidate NAME` compares any encoder that is indexed.",
            )
        if as_json:
            emit_json(card.verdict)
        else:
            show_page(card.verdict)
        return
    cards = [info.card for info in list_encoders(workspace) if info.card and info.tuned]
    if as_json:
        emit_json(
            [{"encoder": c.name, "created": c.created, "verdict": c.verdict or None} for c in cards]
        )
    elif not cards:
        say("No run has made an encoder yet.")
        hint("Start one: `rankbench train --recipe infonce`")
    else:
        table(
            ["encoder", "recipe", "made", "unseen ndcg@10", "verdict"],
            [_row(card) for card in cards],
            left=3,
        )


def show_page(verdict: Mapping[str, Any]) -> None:
    """Print the page of one run."""
    click.echo(f"{verdict['encoder']} against {verdict['base']}: {verdict['call']}")
    click.echo(verdict["why"])
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
    before, after = verdict["mean_ranks"] or (None, None)
    ranks = f"mean rank {number(before, 1)} -> {number(after, 1)}"
    click.echo(
        f"flagged: {len(flagged)} queries; results that should fall: {ranks}, "
        f"{verdict['left_top_ten']} of {verdict['in_top_ten']} left the top 10"
    )
    for judged, words in (("imported", "before the flags"), ("merged", "with the flags")):
        pairs = [query[judged] for query in flagged if None not in query[judged]]
        if pairs:
            means = [fmean(pair[side] for pair in pairs) for side in (0, 1)]
            told = " -> ".join(number(mean) for mean in means)
            click.echo(f"ndcg@10 by the judgments {words}: {told} (n {len(pairs)})")
    rows = [
        [cut(query["query"], 40), moved["wanted"], cut(moved["product_id"], 16), *_ranks(moved)]
        for query in flagged
        for moved in query["moved"]
        if moved["wanted"] == "fall"
    ]
    click.echo()
    shown = rows[:_FLAGGED_SHOWN]
    table(["query", "should", "product", "base rank", "tuned rank"], shown, left=3)
    if len(rows) > len(shown):
        say(f"and {len(rows) - len(shown):,} more: `--json` has all.")


def _ranks(moved: Mapping[str, Any]) -> list[str]:
    return [str(moved[side] or "past 1,000") for side in ("base", "tuned")]


def _before_after(pair: tuple[float, float]) -> list[str]:
    before, after = pair
    return [number(before), number(after), number(after - before, sign=True)]


def _row(card: Any) -> list[str]:
    unseen = card.verdict.get("unseen") if card.verdict else None
    told = ""
    if unseen:
        told = (
            f"{number(unseen['mean'], 3, sign=True)} "
            f"({number(unseen['low'], 3, sign=True)} to {number(unseen['high'], 3, sign=True)}, "
            f"n {unseen['n']})"
        )
    return [
        card.name,
        str(card.recipe["name"]) if card.recipe else "",
        card.created[:16].replace("T", " "),
        told,
        card.verdict.get("call", "") if card.verdict else "",
    ]
