"""`rankbench eval`: the query set through both sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.workspace import Workspace
from workbench.commands.options import json_option, with_workspace
from workbench.commands.output import cut, emit_json, number, progress_bar, safe, say, table

if TYPE_CHECKING:
    from engine.evaluation.evaluate import Evaluation, Summary
    from engine.evaluation.intervals import Delta

PRIMARY = "ndcg@10"


@click.command("eval")
@click.option("--baseline", metavar="SIDE", help="base, bm25, hybrid:NAME, run:FILE, an encoder.")
@click.option("--candidate", metavar="SIDE", help="The side to compare with it.")
@click.option(
    "--split",
    type=click.Choice(["train", "dev", "test", "unseen", "all"]),
    default="unseen",
    show_default=True,
    help="Which queries; unseen: those neither side was trained on.",
)
@click.option(
    "--candidates",
    type=click.Choice(["judged", "catalog"]),
    default="catalog",
    show_default=True,
    help="Rank only the judged products of a query, or retrieve from everything.",
)
@click.option(
    "--runs",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write baseline.run, candidate.run and qrels.txt in TREC form.",
)
@click.option("--per-query", is_flag=True, help="Add a row for every query, worst first.")
@click.option("--by", metavar="COLUMN", help="The same numbers for each value of a query column.")
@click.option("--cosines", is_flag=True, help="Add cosines of queries with titles, descriptions.")
@json_option
@with_workspace
def command(
    workspace: Workspace,
    baseline: str | None,
    candidate: str | None,
    split: str,
    candidates: str,
    runs: Path | None,
    per_query: bool,
    by: str | None,
    cosines: bool,
    as_json: bool,
) -> None:
    """Measure both sides over the judged queries; every delta with n and a 95 % interval."""
    from engine.evaluation.evaluate import breakdown
    from engine.evaluation.query_set import evaluate_query_set
    from engine.evaluation.runs import write_runs
    from engine.ranking.comparer import Comparer

    comparer = Comparer(workspace)
    try:
        with progress_bar("Evaluating", "queries") as report:
            result = evaluate_query_set(
                comparer,
                baseline or workspace.settings.baseline,
                candidate or "",
                candidates,
                split,
                report,
            )
        groups = breakdown(result, by) if by else {}
        if runs is not None:
            paths = write_runs(runs, result, workspace.settings.gains)
            say(f"Wrote {', '.join(str(path) for path in paths)}.")
        extra = field_cosines(workspace, result) if cosines else {}
    finally:
        comparer.close()
    if as_json:
        emit_json(to_json(result, per_query, by, groups, extra))
        return
    show(result, extra)
    if by:
        show_groups(by, groups)
    if per_query:
        show_queries(result)
