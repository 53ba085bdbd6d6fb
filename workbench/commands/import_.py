"""`rankbench import`: judgments into a workspace."""

from __future__ import annotations

from pathlib import Path

import click

from engine.making.make import add_judgments
from engine.workspace import Workspace
from workbench.commands import findings
from workbench.commands.options import json_option, with_workspace
from workbench.commands.output import emit_json


@click.command("import")
@click.argument("kind", type=click.Choice(["judgments"]))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--queries", metavar="FILE", type=click.Path(path_type=Path), help="Query texts.")
@click.option("--scale", metavar="S", help="The scale, where it cannot be told from the values.")
@json_option
@with_workspace
def command(
    workspace: Workspace,
    kind: str,
    file: Path,
    queries: Path | None,
    scale: str | None,
    as_json: bool,
) -> None:
    """Read FILE into the workspace. A run needs no import: name it as the side run:FILE."""
    found = add_judgments(workspace, file, queries, scale)
    if as_json:
        emit_json(found.to_json())
    else:
        findings.show_judgments(found)
