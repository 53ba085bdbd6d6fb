"""`rankbench present`: the app, open on its queries for a room of people."""

from __future__ import annotations

from pathlib import Path

import click

from engine.workspace import Workspace
from workbench.commands.open_app import open_app
from workbench.commands.options import with_workspace


@click.command("present")
@click.option(
    "--queries",
    "path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="One query a line; edits in the app are kept there. Default: present.txt.",
)
@with_workspace
def command(workspace: Workspace, path: Path | None) -> None:
    """Open the app on Present: a list of queries, one fact at a time.

    Without a list of its own the workspace presents the best wins and worst harms of its judged
    queries that no training has seen, as many of the one as of the other.
    """
    if path is not None:
        from engine.formats.query_list import read_lines

        read_lines(path)  # what is wrong with it is told here, not over an open app
    from workbench.presenting import FILE_NAME

    open_app(workspace, (path or workspace.root / FILE_NAME).absolute())
