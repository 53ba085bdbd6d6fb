"""The names of sides: taken apart, and the default one found, without opening anything."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from engine.errors import UsageError


@dataclass(frozen=True, slots=True)
class SideName:
    """A parsed side name; kind is "encoder", "bm25", "hybrid" or "run"."""

    kind: str
    argument: str
    text: str

    @property
    def encoder(self) -> str:
        """The encoder that answers or helps to; "" for bm25 and a run."""
        return self.argument if self.kind in ("encoder", "hybrid") else ""


def parse_side(text: str) -> SideName:
    """Parse a side's name.

    Raises:
        UsageError: an empty name, or a prefix without its argument.
    """
    name = text.strip()
    prefix, colon, argument = name.partition(":")
    if colon and prefix in ("hybrid", "run"):
        if not argument:
            what = "an encoder" if prefix == "hybrid" else "a file"
            raise UsageError(f"The side {name!r} names no {what[2:].strip()}.", f"Add {what}.")
        return SideName(prefix, argument, name)
    if not name:
        raise UsageError("A side has no name.", "Try base, bm25, hybrid:base or run:FILE.")
    return SideName("bm25" if name == "bm25" else "encoder", name, name)


class Listed(Protocol):
    """A side in a list of sides; `tuned` is true of an encoder that a recipe made."""

    @property
    def name(self) -> str: ...
    @property
    def tuned(self) -> bool: ...


def newest_tuned(sides: Iterable[Listed]) -> str:
    """The name of the last tuned encoder among `sides`, which stand by age; "" without one.

    Which sides may answer is the caller's to say: a command's must be ready, the app also waits
    for one that is loading.
    """
    return next((side.name for side in reversed(list(sides)) if side.tuned), "")
