"""`rankbench train`: start a training job and watch it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from engine.errors import UsageError
from engine.workspace import Workspace
from workbench.commands.following import follow
from workbench.commands.hints import hint
from workbench.commands.options import json_option, with_workspace
from workbench.commands.output import cut, emit_json, number, safe, say, table

if TYPE_CHECKING:
    from engine.training.basket import Basket

KEYS = ("encoder", "beats_base", "note", "measure", "base_score", "tuned_score", "rows", "seconds")


@click.command("train")
@click.option("--recipe", metavar="R", help="`rankbench recipes` lists them; flags by default.")
@click.option(
    "--source",
    type=click.Choice(["judgments", "flags", "both"]),
    help="What to train on; default: judgments, and for the recipe flags, flags.",
)
@click.option("--name", metavar="N", help="The new encoder's name; default: recipe and a number.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A recipe's setting.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Random seed.")
@click.option("--include-test", is_flag=True, help="Train on flags of dev and test queries too.")
@click.option("--dry-run", is_flag=True, help="Show what the flags would become; start nothing.")
@click.option("--detach", is_flag=True, help="Start it and return at once.")
@json_option
@with_workspace
def command(
    workspace: Workspace,
    recipe: str | None,
    source: str | None,
    name: str | None,
    settings: tuple[str, ...],
    seed: int,
    include_test: bool,
    dry_run: bool,
    detach: bool,
    as_json: bool,
) -> None:
    """Fine-tune an encoder from judgments or flags, in a process of its own.

    Ctrl-C stops watching, not training.
    """

    from engine import supervise
    from engine.jobs.material import read_basket, source_of
    from engine.jobs.train import check
    from engine.training.recipe import load_recipe

    if recipe is None and source != "flags":
        raise UsageError("Which recipe?", "Give --recipe R; `rankbench recipes` lists them.")
    recipe = recipe or "flags"
    params = {"recipe": recipe, "name": name or "", "set": list(settings), "seed": seed}
    params |= {"source": source or "", "include_test": include_test}
    chosen = load_recipe(recipe).with_set(list(settings))
    if dry_run:
        show_basket(read_basket(workspace, params), as_json)
        return
    # A wrong name, setting or basket is told here, not by a job that failed.
    check(workspace, params)
    if source_of(chosen, params) != "judgments":
        read_basket(workspace, params).check()
    job = supervise.start(workspace, "train", params)
    if detach:
        hint(f"Job {job.id} trains in the background; `rankbench jobs {job.id}` shows how it goes.")
        if as_json:
            emit_json(job.to_json())
        else:
            click.echo(job.id)
        return
    end = follow(job)
    if as_json:
        emit_json({"job": job.id, **{key: end.get(key) for key in KEYS}})
    else:
        show(end)


def show_basket(basket: Basket, as_json: bool) -> None:
    """Print what each verdict would become."""
    if as_json:
        emit_json(asdict(basket))
        return
    for group in basket.groups:
        click.echo(safe(f"{group.query}  ({group.split or 'not judged before'})"))
        table(
            ["  product", "grade", "text", "becomes"],
            [
                [
                    f"  {safe(row.product_id)}",
                    f"{row.grade}{' flag' if row.bad else ''}{' *' if row.disputed else ''}",
                    cut(row.text, 48),
                    row.becomes,
                ]
                for row in group.rows
            ],
            left=4,
        )
        if group.note:
            click.echo(f"  {safe(group.note)}")
    click.echo(
        f"{basket.pairs:,} pairs of {basket.negatives:,} negatives and {basket.positives:,} "
        f"positives, {basket.judged:,} rows from judgments, {basket.replay:,} replay rows"
    )
    for note in basket.notes:
        say(note)
    if any(row.disputed for group in basket.groups for row in group.rows):
        say("* judges disagree")
    if basket.refusal:
        hint(f"No run can start: {basket.refusal} {basket.todo}")


def show(end: dict[str, Any]) -> None:
    """Print what a finished training made."""
    click.echo(f"encoder  {end['encoder']}  ({end['rows'] or 0:,} rows, {end['seconds']:.0f} s)")
    if end.get("tuned_score") is not None:
        scores = f"{number(end['base_score'])} -> {number(end['tuned_score'])}"
        click.echo(f"dev      {scores}  {end['measure']}")
    if end.get("note"):
        click.echo(f"note     {safe(str(end['note']))}")
    hint(f"Next: `rankbench eval --candidate {end['encoder']}`")
