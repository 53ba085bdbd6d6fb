"""Options that several commands share: which workspace, and JSON."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from engine.errors import UsageError
from engine.workspace import Workspace, is_workspace, open_workspace

Function = Callable[..., Any]

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")


def _remember(ctx: click.Context, parameter: click.Parameter, value: Path | None) -> None:
    if value is not None:
        ctx.find_root().obj = value


def workspace_option(function: Function) -> Function:
    """Add `-w DIR`, which works before or after the command's name."""
    return click.option(
        "-w",
        "--workspace",
        type=click.Path(path_type=Path, file_okay=True),
        metavar="DIR",
        expose_value=False,
        callback=_remember,
        help="The workspace; default: this directory if it is one, else the demo's.",
    )(function)


def with_workspace(function: Function) -> Function:
    """Add `-w DIR` and hand the opened workspace to the command as its first argument."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(current_workspace(click.get_current_context()), *args, **kwargs)

    return workspace_option(wrapper)


def current_workspace(ctx: click.Context) -> Workspace:
    """Open what `-w` names, else the current directory if it is a workspace, else the demo's.

    Raises:
        RankbenchError: there is none, or it cannot be read.
    """
    chosen: Path | None = ctx.find_root().obj
    if chosen is not None:
        return open_workspace(chosen)
    here = Path.cwd()
    if is_workspace(here) or not is_workspace(demo_root()):
        return open_workspace(here)
    return open_workspace(demo_root())


def new_root(ctx: click.Context, directory: Path | None) -> Path | None:
    """Where a command that makes a workspace should make it: DIR or `-w DIR`, never two places."""
    chosen: Path | None = ctx.find_root().obj
    if directory is not None and chosen is not None and directory != chosen:
        raise UsageError(f"Two directories given: {directory} and -w {chosen}.", "Name only one.")
    return directory if directory is not None else chosen


def demo_root() -> Path:
    """Where the demo's workspace lives unless a directory is named."""
    import platformdirs

    return platformdirs.user_data_path("rankbench") / "demo"


def parse_pairs(texts: tuple[str, ...], option: str) -> dict[str, str]:
    """Read repeated `key=value` options.

    Raises:
        UsageError: a text without `=`, or an empty key.
    """
    pairs: dict[str, str] = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            raise UsageError(f"{option} {text!r} is not KEY=VALUE.", f"Write {option} key=value.")
        pairs[key.strip()] = value.strip()
    return pairs
