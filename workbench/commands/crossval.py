"""`rankbench crossval`: out-of-fold scores of a recipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.errors import UsageError
from engine.workspace import Workspace
from workbench.commands.findings import NARROWED
from workbench.commands.following import painter
from workbench.commands.interrupt import interruptible
from workbench.commands.options import check_settings, json_option, with_workspace
from workbench.commands.output import (
    count,
    emit_json,
    interval,
    note_small,
    number,
    p_value,
    progress_bar,
    safe,
    say,
    table,
)

if TYPE_CHECKING:
    from engine.experiments.results import CrossvalResult, Row
    from engine.training.outcome import ShouldStop
    from engine.training.recipe import Recipe

PRIMARY = "ndcg@10"
PUBLISHED = ("ndcg", "rbo_ideal", "rbo_ideal_strict", "title_cosine", "description_cosine")
PUBLISHED += ("title_margin", "description_margin")


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
@click.option(
    "--devices",
    metavar="D,D",
    help="Run as many folds at once, for example cuda:0,cuda:1; default: the best there is, one.",
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
    devices: str | None,
    fresh: bool,
    as_json: bool,
) -> None:
    """Score every judged query by an encoder that never saw it.

    Stopped with Ctrl-C or otherwise, the same command goes on with the next fold.
    """
    from engine.experiments.store import directory_of
    from engine.training.recipe import load_recipe

    check_settings(settings)
    chosen = load_recipe(recipe).with_set(settings)
    if chosen.loss == "flags":
        raise UsageError(
            f"Recipe {chosen.name} cannot be cross-validated: held-out queries, which nobody "
            "flagged, show what flags cost and not what they mend.",
            "Cross-validate another; `rankbench recipes` lists them.",
        )
    _check_columns(workspace, by)
    place = directory_of(workspace, chosen, folds)
    asked = Asked(chosen, folds, range(seeds), by or ("stratum",), _devices(devices), fresh)
    kept = "Stopped; the folds that had ended are kept, and the same command goes on from there."
    with interruptible(kept) as should_stop:
        result = run(workspace, asked, place, should_stop)
    if as_json:
        emit_json({**result.to_json(), "directory": str(place)})
        return
    show(result)
    say(f"Scores and run files of every fold: {place}")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options ask for."""

    recipe: Recipe
    folds: int
    seeds: Sequence[int]
    by: Sequence[str]
    devices: Sequence[str | None]
    fresh: bool


def _check_columns(workspace: Workspace, by: Sequence[str]) -> None:
    """Raise UsageError for a column of `--by` that no judged query has."""
    if not by:
        return
    from engine.records import Records

    with Records(workspace.records_path) as records:
        known = {column for query in records.judged_queries() for column in query.columns}
    for column in by:
        if column not in known:
            raise UsageError(
                f"No judged query has a column {safe(column)!r}.",
                f"There are: {', '.join(map(safe, sorted(known)))}."
                if known
                else "The query file brought no further column: leave --by out.",
            )


def _devices(text: str | None) -> list[str | None]:
    """Device names of `--devices`; torch's own choice without it.

    Raises:
        UsageError: torch knows no such device, or this machine has none.
    """
    if text is None:
        return [None]
    from engine.encoders.load import check_device

    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        check_device(name)
    return list(names) or [None]


def run(workspace: Workspace, asked: Asked, place: Path, should_stop: ShouldStop) -> CrossvalResult:
    """Bring the base's index up to date and cross-validate."""
    from engine.encoders.registry import BASE, resolve
    from engine.evaluation.cosines import field_texts
    from engine.experiments.crossval import crossval
    from engine.experiments.store import clear
    from engine.index.build import build_index, load_matrix
    from engine.index.store import read_items
    from engine.jobs.material import read_products
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
    if asked.fresh:
        clear(place)
    with painter() as paint:
        return crossval(
            asked.recipe,
            resolve(workspace, BASE).path,
            texts,
            queries,
            place,
            folds=asked.folds,
            seeds=list(asked.seeds),
            bm25=lambda query: full_text.rank(query, len(texts)).product_ids,
            base_vectors=(matrix.ids, matrix.vectors),
            gains=workspace.settings.gains,
            unchanged=workspace.settings.unchanged,
            rbo_p=workspace.settings.rbo_p,
            by=asked.by,
            fields=field_texts(workspace),
            products=read_products(workspace, asked.recipe),
            progress=paint,
            devices=asked.devices,
            should_stop=should_stop,
        )


def show(result: CrossvalResult) -> None:
    """Print each system's means and the tuned side's deltas with intervals and n."""
    seeds = count(len(result.seeds), "seed")
    click.echo(
        f"{result.recipe['name']}, out of fold: {result.queries} queries, {result.folds} folds, "
        f"mean of {seeds} a query ({count(result.excluded, 'query', 'queries')} left out)"
    )
    if result.linked_by in NARROWED:
        click.echo(f"linked: {NARROWED[result.linked_by]}")
    rows = [(_named(row), row) for row in in_order(result)]
    strata = [
        (f"{_named(row)} {name}", row)
        for name, group in result.strata.items()
        for row in group
        if row.measure == PRIMARY
    ]
    for other in ("base", "bm25"):
        if any(other in row.deltas for row in result.table):
            _table(other, [pair for pair in rows if other in pair[1].deltas], result.unchanged)
            if strata:
                click.echo()
                _table(other, strata, result.unchanged)
            click.echo()
    _show_folds(result)
    note_small(delta for _, row in rows + strata for delta in row.deltas.values())


def in_order(result: CrossvalResult) -> list[Row]:
    """The published table's measures first (judged lists, cosines), then the catalog's."""
    rows = {row.measure: row for row in (*result.table, *result.cosines)}
    return [rows.pop(name) for name in PUBLISHED if name in rows] + list(rows.values())


def _named(row: Row) -> str:
    """A measure with what it is over: the judged products, the whole catalog, or pairs."""
    if row.measure.partition("_")[2] in ("cosine", "margin"):
        return row.measure
    over = "judged" if row.measure in ("ndcg", "rbo_ideal", "rbo_ideal_strict") else "catalog"
    return f"{row.measure}, {over}"


def _table(other: str, rows: Sequence[tuple[str, Row]], unchanged: float) -> None:
    """The tuned side against `other`, one named row a line."""
    headers = ["measure", other, "tuned", f"tuned - {other}", "relative", "95 % interval", "p"]
    headers += [f"+/=/- at {unchanged:g}", "n", "random"]
    table(headers, [_cells(safe(name), other, row) for name, row in rows])


def _cells(name: str, other: str, row: Row) -> list[str]:
    delta = row.deltas.get(other)
    # What a query adds to a mean over pairs is no improvement or harm of its ranking.
    counted = delta and not row.measure.endswith(("_cosine", "_margin"))
    counts = f"{delta.improved}/{delta.unchanged}/{delta.harmed}" if delta and counted else ""
    relative = row.relative(other)
    return [
        name,
        number(row.means.get(other)),
        number(row.means.get("tuned")),
        number(delta.mean if delta else None, sign=True),
        "—" if relative is None else f"{relative:+.1%}",
        interval(delta),
        p_value(delta.p if delta else None),
        counts,
        str(delta.n) if delta else "0",
        number(row.floor) if row.floor is not None else "",
    ]


def _show_folds(result: CrossvalResult) -> None:
    """The primary measure of each fold, and every measure's mean over the folds."""
    by_fold = result.row(PRIMARY).by_fold
    sizes = Counter(item["fold"] for item in result.per_query)
    lines = [
        [str(fold), *(number(values[fold]) for values in by_fold.values()), str(sizes[fold])]
        for fold in range(result.folds)
    ]
    table([f"{PRIMARY} by fold", *by_fold, "n"], lines)
    click.echo()
    means = [(_named(row), row.over_folds()) for row in in_order(result)]
    rows = [
        [name, *(number(mean.get(system)) if system in mean else "" for system in by_fold)]
        for name, mean in means
    ]
    table([f"mean over {result.folds} folds", *by_fold], rows)
