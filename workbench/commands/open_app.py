"""`rankbench` without a command: open the app."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import click

from engine.errors import RankbenchError
from engine.workspace import Workspace
from workbench.commands.hints import Place, place_of
from workbench.commands.options import current_workspace


def run(ctx: click.Context) -> None:
    """Open the app on the workspace that `-w` or the current directory names."""
    open_app(current_workspace(ctx))


def open_app(workspace: Workspace, presenting: Path | None = None) -> None:
    """Run the app until it is closed, in Present where `presenting` names a list of queries.

    Raises:
        RankbenchError: there is no terminal to draw on, or a read-only session would have to
            upgrade the workspace first.
    """
    ctx = click.get_current_context(silent=True)
    place = Place() if ctx is None else place_of(ctx)
    if place.read_only:
        from workbench.read_only import check_current

        check_current(workspace)
    check_terminal()
    from workbench.app import RankbenchApp
    from workbench.text import count

    workspace = replace(workspace, judge=place.judge)
    app = RankbenchApp(workspace, read_only=place.read_only, presenting=presenting)
    app.run()
    if app.unkept:
        were = "was" if app.unkept == 1 else "were"
        what = f"{count(app.unkept, 'verdict')} {were} not kept"
        why = f"{workspace.records_path.name} was in use, or the disk refused."
        click.echo(f"{what}: {why}", err=True)


def check_terminal() -> None:
    """Raise a RankbenchError where input or output is not a terminal, nor a browser's."""
    if os.environ.get("TEXTUAL_DRIVER"):
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise RankbenchError(
            "The app needs a terminal.",
            "Run it in one, or use `rankbench search` and `rankbench demo --headless`.",
        )
