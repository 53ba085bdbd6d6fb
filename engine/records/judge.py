"""Under which name a person's verdicts are kept, and taken back."""

from __future__ import annotations

import getpass
import os

from engine.errors import UsageError
from engine.workspace import Settings

VARIABLE = "RANKBENCH_JUDGE"
_LONGEST = 80


def judge_name(settings: Settings, asked: str | None = None) -> str:
    """`asked`, else the workspace's `judge`, else `RANKBENCH_JUDGE`, else the login name.

    Never empty, and on one line of at most 80 characters.

    Raises:
        UsageError: `asked` holds nothing that can be read.
    """
    if asked is not None:
        if name := _one_line(asked):
            return name
        raise UsageError(f"{asked!r} names no judge.", "Give a name, such as --judge ann.")
    for given in (settings.judge, os.environ.get(VARIABLE, ""), _login()):
        if name := _one_line(given):
            return name
    return "somebody"


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        # A container's user may have a number and no name.
        return f"user {os.getuid()}" if hasattr(os, "getuid") else ""


def _one_line(text: str) -> str:
    # A broken byte of the environment arrives as a lone surrogate, which no database takes.
    whole = text.encode("utf-8", "replace").decode()
    return " ".join("".join(c if c.isprintable() else " " for c in whole).split())[:_LONGEST]
