"""`rankbench report`: one page that a room can read and a sceptic can check."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import click

from engine.errors import UsageError
from engine.workspace import Workspace
from workbench.commands.evaluate import encoding, keep_run
from workbench.commands.options import asked_options, with_workspace
from workbench.commands.output import cut, progress_bar, say

FORMATS = ("html", "md", "csv")
_SUFFIXES = {"htm": "html", "markdown": "md"}


@click.command("report")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where to write it; default: the workspace's reports/.",
)
@asked_options("candidates")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="A page, Markdown, or a CSV of every query; default: by FILE's suffix, else html.",
)
@click.option(
    "--examples",
    type=click.IntRange(0, 100),
    default=5,
    show_default=True,
    help="Wins shown with both lists, and as many harms.",
)
@click.option(
    "--cosines/--no-cosines",
    default=True,
    show_default=True,
    help="Compare queries with titles and descriptions too (slow the first time).",
)
@with_workspace
def command(
    workspace: Workspace,
    output: Path | None,
    baseline: str | None,
    candidate: str | None,
    split: str,
    query_set: str,
    judgments: str,
    form: str | None,
    examples: int,
    cosines: bool,
) -> None:
    """Write what both sides do to the judged queries: one file, with the harm beside the gain.

    The page needs no network and prints. The CSV has a row for every query.
    """
    from engine.formats.writing import check_place, write_lines
    from engine.ranking.comparer import Comparer
    from engine.report.rendering import render
    from engine.report.report import report_query_set

    form = form or _by_suffix(output)
    if output is not None:
        check_place(output)
    comparer = Comparer(workspace)
    try:
        with progress_bar("Evaluating", "queries") as progress:
            report = report_query_set(
                comparer,
                baseline or workspace.settings.baseline,
                candidate or "",
                split,
                query_set=query_set,
                most_examples=examples,
                cosines=cosines and form != "csv",
                verdicts=judgments == "all",
                progress=progress,
                starting=lambda encoder: progress.stage(encoding(encoder), "texts"),
            )
    finally:
        comparer.close()
    evaluation = report.evaluation
    keep_run(workspace, evaluation, "report")
    sides = (evaluation.candidate.encoder, evaluation.baseline.encoder)
    path = output or workspace.reports_dir / _file_name(*sides, split, form)
    write_lines(path, [render(report, form)])
    say(cut(report.headline.title, 200))
    say(cut(report.headline.finding, 400))
    say(f"Wrote {path} ({path.stat().st_size / 1024:,.0f} KiB).")


def _by_suffix(path: Path | None) -> str:
    if path is None:
        return "html"
    suffix = path.suffix.lower().lstrip(".")
    form = _SUFFIXES.get(suffix, suffix)
    if form not in FORMATS:
        raise UsageError(
            f"{path.name} does not say what to write.",
            "End it in .html, .md or .csv, or add --format.",
        )
    return form


def _file_name(candidate: str, baseline: str, split: str, form: str) -> str:
    """`infonce-01-against-base-unseen-2026-11-21.html`."""
    names = (re.sub(r"[^\w.-]+", "-", Path(name).name)[:60] for name in (candidate, baseline))
    today = datetime.now(UTC).date().isoformat()
    return f"{'-against-'.join(names)}-{split}-{today}.{form}"
