"""`rankbench redo`: what the last undo took back, given again."""

from __future__ import annotations

import click

from engine.workspace import Workspace
from workbench.commands.options import json_option, with_workspace
from workbench.commands.undo import turn


@click.command("redo")
@json_option
@with_workspace
def command(workspace: Workspace, as_json: bool) -> None:
    """Give again what your last undo took back, unless you judged something since."""
    turn(workspace, "redo", as_json)
