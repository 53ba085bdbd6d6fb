"""`rankbench export`: verdicts and judgments as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.errors import UsageError
from engine.workspace import Workspace
from workbench.commands.hints import hint
from workbench.commands.options import with_workspace
from workbench.commands.output import count, say

if TYPE_CHECKING:
    from engine.catalog.queries import JudgedQuery


@click.command("export")
@click.argument("kind", type=click.Choice(["flags", "judgments"]))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "quepid", "trec", "opensearch"]),
    default="csv",
    show_default=True,
    help="csv carries everything; the others what they can.",
)
@click.option(
    "--judgments",
    "which",
    type=click.Choice(["all", "imported"]),
    help="Of judgments: with people's verdicts applied (all, the default), or as imported.",
)
@with_workspace
def command(workspace: Workspace, kind: str, file: Path, form: str, which: str | None) -> None:
    """Write the standing verdicts, or the judgments as they count, to FILE.

    Sorted and stable, one line each: two exports differ where the judgments do.
    """
    if kind == "flags":
        if which is not None:
            raise UsageError("--judgments goes with `export judgments`.", "Leave it out.")
        export_flags(workspace, file, form)
        return
    from engine.formats.exporting import not_carried, write_judged
    from engine.records import Records, Verdicts, merge

    with Records(workspace.records_path) as records:
        queries: Sequence[JudgedQuery] = records.judged_queries()
    if which != "imported":
        with Verdicts(workspace.records_path) as verdicts:
            queries = merge(queries, verdicts.standing(), verdicts.separated()).queries
    paths = write_judged(file, queries, form)
    grades = count(sum(len(query.grades) for query in queries), "judgment")
    _say_written(f"{grades} over {count(len(queries), 'query', 'queries')}", paths)
    _say_lost(not_carried(queries, form), form, "rankbench export judgments FILE")


def export_flags(workspace: Workspace, file: Path, form: str) -> None:
    """Write the standing verdicts, and say what the format cannot carry."""
    from engine.formats.exporting import (
        as_judged,
        not_carried,
        verdicts_not_carried,
        write_judged,
    )
    from engine.formats.verdicts import write_verdicts
    from engine.records import Records, Verdicts

    with Verdicts(workspace.records_path) as verdicts:
        standing = verdicts.standing()
    what = count(len(standing), "verdict")
    if form == "csv":
        write_verdicts(file, standing)
        _say_written(what, (file,))
        return
    with Records(workspace.records_path) as records:
        queries = as_judged(standing, records.judged_queries())
    paths = write_judged(file, queries, form)
    grades = count(sum(len(query.grades) for query in queries), "grade")
    _say_written(f"{grades} of {what}", paths)
    lost = verdicts_not_carried(standing) + not_carried(queries, form) if standing else []
    _say_lost(lost, form, "rankbench export flags FILE")


def _say_written(what: str, paths: Sequence[Path]) -> None:
    say(f"Wrote {what} to {' and '.join(str(path) for path in paths)}.")


def _say_lost(lost: Sequence[str], form: str, instead: str) -> None:
    if lost:
        hint(f"Not in {form}: {', '.join(lost)}. `{instead}` writes a CSV with everything.")
