"""`rankbench export`: verdicts, judgments, encoders and their vectors as files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.workspace import Workspace
from workbench.commands.hints import hint
from workbench.commands.options import with_workspace, workspace_option
from workbench.commands.output import count, progress_bar, say

if TYPE_CHECKING:
    from engine.catalog.queries import JudgedQuery


_Command = Callable[..., Any]

form_option = click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "quepid", "trec", "opensearch"]),
    help="csv carries everything; the others what they can. Default: by FILE's ending, else csv.",
)
_ENDINGS = {".json": "opensearch", ".trec": "trec", ".qrels": "trec"}
file_argument = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


def _one_encoder(what: str, path: str) -> Callable[[_Command], _Command]:
    """NAME of an encoder, where to, and --force."""

    def wrap(function: _Command) -> _Command:
        function = click.option("--force", is_flag=True, help=f"Replace {what} that is there.")(
            function
        )
        function = click.argument("target", metavar=path, type=click.Path(path_type=Path))(function)
        return click.argument("name")(function)

    return wrap


@click.group("export")
@workspace_option
def command() -> None:
    """Write verdicts, judgments, an encoder or its vectors.

    For example `rankbench export flags flags.csv`, `rankbench export encoder flags-01 DIR`,
    `rankbench export vectors flags-01 vectors.parquet`.
    """


@command.command("flags", short_help="The verdicts that stand.")
@file_argument
@form_option
@with_workspace
def flags(workspace: Workspace, file: Path, form: str | None) -> None:
    """Write the verdicts that stand to FILE, in the place of what it held.

    Sorted and stable, one line each: two exports differ where the verdicts do.
    """
    export_flags(workspace, file, form_of(file, form))


@command.command("judgments", short_help="The judgments as they count.")
@file_argument
@form_option
@click.option(
    "--judgments",
    "which",
    type=click.Choice(["all", "imported"]),
    default="all",
    show_default=True,
    help="With people's verdicts applied, or as imported.",
)
@with_workspace
def judgments(workspace: Workspace, file: Path, form: str | None, which: str) -> None:
    """Write the judgments as they count to FILE, in the place of what it held.

    Sorted and stable, one line each: two exports differ where the judgments do.
    """
    from engine.formats.exporting import not_carried, write_judged
    from engine.records import Records, Verdicts, merge

    form = form_of(file, form)
    with Records(workspace.records_path) as records:
        # Without the counts of a log: read again, they would be the file's own weights for good.
        queries: Sequence[JudgedQuery] = records.judged_queries(logged=False)
    if which != "imported":
        with Verdicts(workspace.records_path) as verdicts:
            queries = merge(queries, verdicts.standing(), verdicts.separated()).queries
    paths = write_judged(file, queries, form)
    grades = count(sum(len(query.grades) for query in queries), "judgment")
    _say_written(f"{grades} over {count(len(queries), 'query', 'queries')}", paths)
    _say_lost(not_carried(queries, form), form, "rankbench export judgments FILE.csv")


@command.command("encoder", short_help="A sentence-transformers directory.")
@_one_encoder("an encoder", "DIR")
@with_workspace
def encoder(workspace: Workspace, name: str, target: Path, force: bool) -> None:
    """Write the encoder NAME to DIR, for production.

    DIR is then a plain sentence-transformers model: `SentenceTransformer("DIR")` loads it. Its
    card.json says what it was trained on; `rankbench train --from-card DIR` does so again.
    """
    from engine.encoders.export import export_encoder

    with progress_bar(f"Copying {name}", "bytes") as report:
        path = export_encoder(workspace, name, target, report, replace=force)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    _say_written(f"{name} ({size / 1e6:,.1f} MB)", (path,))


@command.command("vectors", short_help="Its product vectors, as Parquet.")
@_one_encoder("a file", "FILE")
@with_workspace
def vectors(workspace: Workspace, name: str, target: Path, force: bool) -> None:
    """Write the product vectors of the encoder NAME to the Parquet FILE, for production.

    Columns: product_id, text_hash (of the text that was encoded), vector (float32, unit length).
    The file's metadata names the encoder, its fingerprint and the text template.
    """
    from engine.index.export import export_vectors

    with progress_bar(f"Writing the vectors of {name}") as report:
        done = export_vectors(workspace, name, target, report, replace=force)
    _say_written(f"{count(done.rows, 'vector')} of {done.dim} dimensions", (target,))
    for note in done.notes:
        hint(note)


def form_of(file: Path, asked: str | None) -> str:
    """The format that was asked for, else what the file's ending says."""
    return asked or _ENDINGS.get(file.suffix.lower(), "csv")


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
        standing, separated = verdicts.standing(), verdicts.separated()
    what = count(len(standing), "verdict")
    if separated:
        alone = count(len(separated), "query stands", "queries stand")
        say(f"{alone} alone by `rankbench separate`: no file carries that.")
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
    _say_lost(lost, form, "rankbench export flags FILE.csv")


def _say_written(what: str, paths: Sequence[Path]) -> None:
    say(f"Wrote {what} to {' and '.join(str(path) for path in paths)}.")


def _say_lost(lost: Sequence[str], form: str, instead: str) -> None:
    if lost:
        hint(f"Not in {form}: {', '.join(lost)}. `{instead}` writes a CSV with everything.")
