"""Options that several commands share: which workspace, and JSON."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from engine.errors import UsageError
from engine.workspace import Workspace, is_workspace, open_workspace
from workbench.commands.hints import Place, place_of
from workbench.commands.output import say

Function = Callable[..., Any]


class Finite(click.FloatRange):
    """A range of numbers: click's own lets NaN through, which lies in none."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a number that can be used.", param, ctx)
        return number


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")


_ASKED = {
    "baseline": click.option(
        "--baseline", metavar="SIDE", help="base, bm25, hybrid:NAME, run:FILE, an encoder."
    ),
    "candidate": click.option("--candidate", metavar="SIDE", help="The side to compare with it."),
    "split": click.option(
        "--split",
        type=click.Choice(["train", "dev", "test", "unseen", "all"]),
        default="unseen",
        show_default=True,
        help="Which queries; unseen: those neither side was trained or chosen on.",
    ),
    "set": click.option(
        "--set", "query_set", metavar="NAME", default="", help="Only this query set."
    ),
    "candidates": click.option(
        "--candidates",
        type=click.Choice(["judged", "catalog"]),
        default="catalog",
        show_default=True,
        help="Rank only the judged products of a query, or retrieve from everything.",
    ),
    "judgments": click.option(
        "--judgments",
        type=click.Choice(["all", "imported"]),
        default="all",
        show_default=True,
        help="Judge by people's verdicts too, or by the imported judgments alone.",
    ),
}


def asked_options(*left_out: str) -> Callable[[Function], Function]:
    """Add the options of an evaluation, in one order: what is compared, over what, judged how."""

    def add(function: Function) -> Function:
        for name in reversed([name for name in _ASKED if name not in left_out]):
            function = _ASKED[name](function)
        return function

    return add


def _remember(ctx: click.Context, parameter: click.Parameter, values: tuple[Path, ...]) -> None:
    place = place_of(ctx)
    for value in values:
        if place.given is not None and place.given.resolve() != value.resolve():
            raise UsageError(
                f"Two workspaces given: -w {place.given} and -w {value}.", "Name only one."
            )
        place.given = value


def workspace_option(function: Function) -> Function:
    """Add `-w DIR`, which works before or after the command's name."""
    return click.option(
        "-w",
        "--workspace",
        type=click.Path(path_type=Path, file_okay=True),
        metavar="DIR",
        # Several are taken so that two that differ can be refused.
        multiple=True,
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

    That it is the demo's by default is told in one line on stderr.

    Raises:
        RankbenchError: there is none, or it cannot be read.
    """
    place = place_of(ctx)
    if place.given is not None:
        return open_workspace(place.given)
    here = Path.cwd()
    if is_workspace(here) or not is_workspace(demo_root()):
        return open_workspace(here)
    place.given = demo_root()
    say(f"The demo's workspace ({place.given}); `-w DIR` names another.")
    return open_workspace(place.given)


def new_root(ctx: click.Context, directory: Path | None) -> Path | None:
    """Where a command that makes a workspace should make it: DIR or `-w DIR`, never two places."""
    place: Place = place_of(ctx)
    if directory is not None and place.given is not None and directory != place.given:
        raise UsageError(
            f"Two directories given: {directory} and -w {place.given}.", "Name only one."
        )
    place.given = place.given if directory is None else directory
    return place.given


def demo_root() -> Path:
    """Where the demo's workspace lives unless a directory is named."""
    import platformdirs

    return platformdirs.user_data_path("rankbench") / "demo"


def check_settings(settings: tuple[str, ...], seed: int | None = None) -> None:
    """Raise UsageError where two `--set`, or one and `--seed`, contradict each other."""
    given = {} if seed is None else {"seed": str(seed)}
    for text in settings:
        key, _, value = (part.strip() for part in text.partition("="))
        if given.setdefault(key, value) != value:
            raise UsageError(
                f"{key} is given twice, as {given[key]} and as {value}.", f"Give {key} once."
            )


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
