"""`rankbench train`: start a training job and watch it."""

from __future__ import annotations

from typing import Any

import click

from engine.workspace import Workspace
from workbench.commands.following import follow
from workbench.commands.hints import hint
from workbench.commands.options import json_option, with_workspace
from workbench.commands.output import emit_json, number, safe

KEYS = ("encoder", "beats_base", "note", "measure", "base_score", "tuned_score", "rows", "seconds")


@click.command("train")
@click.option("--recipe", required=True, metavar="R", help="`rankbench recipes` lists them.")
@click.option("--name", metavar="N", help="The new encoder's name; default: recipe and a number.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A recipe's setting.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Random seed.")
@click.option("--detach", is_flag=True, help="Start it and return at once.")
@json_option
@with_workspace
def command(
    workspace: Workspace,
    recipe: str,
    name: str | None,
    settings: tuple[str, ...],
    seed: int,
    detach: bool,
    as_json: bool,
) -> None:
    """Fine-tune an encoder from the judgments' train split, in a process of its own.

    Ctrl-C stops watching, not training.
    """

    from engine import supervise
    from engine.jobs.train import check

    params = {"recipe": recipe, "name": name or "", "set": list(settings), "seed": seed}
    check(workspace, params)  # a wrong name or setting is told here, not by a job that failed
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


def show(end: dict[str, Any]) -> None:
    """Print what a finished training made."""
    click.echo(f"encoder  {end['encoder']}  ({end['rows']:,} rows, {end['seconds']:.0f} s)")
    if end.get("tuned_score") is not None:
        scores = f"{number(end['base_score'])} -> {number(end['tuned_score'])}"
        click.echo(f"dev      {scores}  {end['measure']}")
    if end.get("note"):
        click.echo(f"note     {safe(str(end['note']))}")
    hint(f"Next: `rankbench eval --candidate {end['encoder']}`")
