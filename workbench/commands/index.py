"""`rankbench index`: encode what changed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from engine.making.refresh import refresh_items
from engine.workspace import Workspace
from workbench.commands.findings import empty
from workbench.commands.hints import hint
from workbench.commands.options import json_option, with_workspace
from workbench.commands.output import count, emit_json, progress_bar, say

if TYPE_CHECKING:
    from engine.index.build import BuildReport


@click.command("index")
@click.option("--encoder", default="base", show_default=True, metavar="NAME", help="Which encoder.")
@click.option("--rebuild", is_flag=True, help="Throw the encoder's vectors away first.")
@json_option
@with_workspace
def command(workspace: Workspace, encoder: str, rebuild: bool, as_json: bool) -> None:
    """Encode the products whose text changed and make the build active.

    The catalog file is read again where it, or the workspace's settings, changed.
    """
    from engine.index.store import empty_texts

    note = refresh_items(workspace)
    if note:
        say(note)
    report = build(workspace, encoder, rebuild)
    nothing = empty_texts(workspace)
    if nothing:
        say(f"{empty(nothing)}.")
    if as_json:
        rate = report.encoded / report.seconds if report.seconds else None
        emit_json(
            {
                **asdict(report.build),
                "encoded": report.encoded,
                "seconds": report.seconds,
                "rows_per_s": rate,
                "empty_texts": nothing,
            }
        )
    else:
        click.echo(summary(report))
        hint("Next: `rankbench search QUERY`, or `rankbench` to open the app.")


def build(workspace: Workspace, encoder: str = "base", rebuild: bool = False) -> BuildReport:
    """Index `encoder` with a bar on stderr."""
    from engine.index.build import build_index

    with progress_bar(f"Indexing {encoder}") as report:
        return build_index(workspace, encoder, report, rebuild=rebuild)


def summary(report: BuildReport) -> str:
    """What one run did, in a line."""
    build = report.build
    rate = f", {report.encoded / report.seconds:,.0f}/s" if report.encoded else ""
    return (
        f"{build.encoder}: {count(build.rows, 'product')}, {report.encoded:,} encoded in "
        f"{report.seconds:.1f} s{rate} (build {build.build}, {build.dim} dimensions)"
    )
