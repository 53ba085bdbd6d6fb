"""Commands that a person is told to type: they must work as they are printed.

Every hint names its command between backticks, `rankbench index --encoder x`, wherever it is
written, in the engine too, which knows no command line. Here the workspace is put into it.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import click

from workbench.commands.output import say

_COMMAND = re.compile(r"`rankbench( [^`]*)?`")
# They take no workspace, or their own directory.
_WITHOUT = ("init", "demo", "recipes")


@dataclass(slots=True)
class Place:
    """Which workspace a command is about: what `-w` or DIR names, or the demo's by default.

    None is the current directory. Filled in while the command line is read. `read_only` and `judge`
    are of the app's session.
    """

    given: Path | None = None
    read_only: bool = False
    judge: str | None = None


def place_of(ctx: click.Context) -> Place:
    """The place of the running command line."""
    root = ctx.find_root()
    if not isinstance(root.obj, Place):
        root.obj = Place()
    return root.obj


def hint(text: str) -> None:
    """Talk, one line on stderr, with the commands in it made to work for this workspace."""
    say(copyable(text, place_of(click.get_current_context())))


def copyable(text: str, place: Place) -> str:
    """`text` with `-w DIR` in every backticked command that needs it to mean this workspace."""
    directory = shlex.quote(str(place.given)) if place.given is not None else "."
    elsewhere = place.given is not None and place.given.resolve() != Path.cwd()

    def named(found: re.Match[str]) -> str:
        name, _, rest = (found[1] or "").strip().partition(" ")
        again = name == "init" and "--force" in rest and "DIR" not in rest
        if " -w " in found[0] or not (again or (elsewhere and _takes_workspace(name))):
            return found[0]
        return "`" + " ".join(filter(None, ["rankbench", name, rest, "-w", directory])) + "`"

    return _COMMAND.sub(named, text)


def _takes_workspace(name: str) -> bool:
    return not name.startswith("-") and name not in _WITHOUT
