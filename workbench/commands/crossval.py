"""`rankbench crossval`: out-of-fold scores of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.workspace import Workspace
from workbench.commands.findings import NARROWED
from workbench.commands.following import painter
from workbench.commands.options import json_option, with_workspace
from workbench.commands.output import (
    emit_json,
    note_small,
    number,
    p_value,
    progress_bar,
    safe,
    say,
    table,
)

if TYPE_CHECKING:
    from engine.evaluation.intervals import Delta
    from engine.experiments.results import CrossvalResult, Row
    from engine.training.recipe import Recipe

PRIMARY = "ndcg@10"


@click.command("crossval")
@click.option("--recipe", required=True, metavar="R", help="`rankbench recipes` lists them.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A recipe's setting.")
@click.option("--folds", default=5, show_default=True, type=click.IntRange(2, 100), help="Folds.")
@click.option(
    "--seeds",
    default=3,
    show_default=True,
    type=click.IntRange(1, 100),
    help="Runs of every fold; a query's score is its mean over them.",
)
@click.option(
    "--by", multiple=True, metavar="COLUMN", help="Report a query column's values apart: stratum."
)
@click.option("--fresh", is_flag=True, help="Forget the folds that an earlier run finished.")
@json_option
@with_workspace
def command(
    workspace: Workspace,
    recipe: str,
    settings: tuple[str, ...],
    folds: int,
    seeds: int,
    by: tuple[str, ...],
    fresh: bool,
    as_json: bool,
) -> None:
    """Score every judged query by an encoder that never saw it.

    Stopped with Ctrl-C or otherwise, the same command goes on with the next fold.
    """
    from engine.experiments.store import directory_of
    from engine.training.recipe import load_recipe

    chosen = load_recipe(recipe).with_set(settings)
    place = directory_of(workspace, chosen, folds)
    try:
        result = run(workspace, chosen, place, folds, range(seeds), by or ("stratum",), fresh)
    except KeyboardInterrupt:
        say()
        say("Stopped; the folds that had ended are kept, and the same command goes on from there.")
        raise
    if as_json:
        emit_json({**result.to_json(), "directory": str(place)})
        return
    show(result)
    say(f"Scores and run files of every fold: {place}")


def run(
    workspace: Workspace,
    recipe: Recipe,
    place: Path,
    folds: int,
    seeds: Sequence[int],
    by: Sequence[str],
    fresh: bool,
) -> CrossvalResult:
    """Bring the base's index up to date and cross-validate."""
    from engine.encoders.registry import BASE, resolve
    from engine.experiments.crossval import crossval
    from engine.experiments.store import clear
    from engine.index.build import build_index, load_matrix
    from engine.index.store import read_items
    from engine.ranking.sides import open_full_text_side
    from engine.records import Records

    with progress_bar("Indexing base") as report:
        build_index(workspace, BASE, report)
    matrix = load_matrix(workspace, BASE)
    items = read_items(workspace, ["product_id", "text"])
    texts = dict(zip(items["product_id"].to_list(), items["text"].to_list(), strict=True))
    with Records(workspace.records_path) as records:
        queries = records.judged_queries()
    full_text = open_full_text_side(workspace)
    if fresh:
        clear(place)
    with painter() as paint:
        return crossval(
            recipe,
            resolve(workspace, BASE).path,
            texts,
            queries,
            place,
            folds=folds,
            seeds=list(seeds),
            bm25=lambda query: full_text.rank(query, len(texts)).product_ids,
            base_vectors=(matrix.ids, matrix.vectors),
            gains=workspace.settings.gains,
            unchanged=workspace.settings.unchanged,
            rbo_p=workspace.settings.rbo_p,
            by=by,
            progress=paint,
        )


def show(result: CrossvalResult) -> None:
    """Print each system's means and the tuned side's deltas with intervals and n."""
    seeds = f"{len(result.seeds)} seed{'s' if len(result.seeds) > 1 else ''}"
    click.echo(
        f"{result.recipe['name']}, out of fold: {result.queries} queries, {result.folds} folds, "
        f"mean of {seeds} a query ({result.excluded} queries left out)"
    )
    if result.linked_by in NARROWED:
        click.echo(f"linked: {NARROWED[result.linked_by]}")
    rows = [(row.measure, row) for row in result.table]
    strata = [
        (f"{PRIMARY} {name}", row)
        for name, group in result.strata.items()
        for row in group
        if row.measure == PRIMARY
    ]
    for other in ("base", "bm25"):
        if any(other in row.deltas for row in result.table):
            _table(other, rows, result.unchanged)
            if strata:
                click.echo()
                _table(other, strata, result.unchanged)
            click.echo()
    note_small(delta for _, row in rows + strata for delta in row.deltas.values())


def _table(other: str, rows: Sequence[tuple[str, Row]], unchanged: float) -> None:
    """The tuned side against `other`, one named row a line."""
    headers = ["measure", other, "tuned", f"tuned - {other}", "95 % interval", "p"]
    headers += [f"+/=/- at {unchanged:g}", "n", "random"]
    table(headers, [_cells(safe(name), other, row) for name, row in rows])


def _cells(name: str, other: str, row: Row) -> list[str]:
    delta = row.deltas.get(other)
    counts = f"{delta.improved}/{delta.unchanged}/{delta.harmed}" if delta else ""
    return [
        name,
        number(row.means.get(other)),
        number(row.means.get("tuned")),
        number(delta.mean if delta else None, sign=True),
        _interval(delta),
        p_value(delta.p if delta else None),
        counts,
        str(delta.n) if delta else "0",
        number(row.floor) if row.floor is not None else "",
    ]


def _interval(delta: Delta | None) -> str:
    if delta is None or delta.low is None or delta.high is None:
        return "—"
    return f"{number(delta.low, sign=True)} to {number(delta.high, sign=True)}"
