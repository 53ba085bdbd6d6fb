"""The two lines at the foot: what goes on, and the keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len
from textual import events
from textual.strip import Strip

from workbench.widgets.painted import Painted, Piece, joined


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the key line.

    Attributes:
        shown: the key as it is written.
        says: what it does; `brief` where the line is too narrow for all keys.
        action: what a click runs; "" for nothing.
    """

    shown: str
    says: str
    action: str = ""
    brief: str = ""


class StatusLine(Painted):
    """One line about the workspace, or about what goes on in the background."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.groups: list[Sequence[Piece]] = []

    def show(self, groups: list[Sequence[Piece]]) -> None:
        if groups != self.groups:
            self.groups = groups
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        return self.line((("plain", " "), *joined(self.groups, width - 2)), width)


class KeyLine(Painted):
    """Keys and what they do, each of which a click presses.

    Where not all fit, their words become brief, then those before the last key go, the nearest to
    it first: the last is the palette, which finds the others, or the way back.
    """

    def __init__(self, keys: Sequence[Key], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.keys = keys

    def show(self, keys: Sequence[Key]) -> None:
        if keys != self.keys:
            self.keys = keys
            self.refresh()

    def _fitting(self) -> Sequence[Key]:
        room = self.size.width - 1
        if _width(self.keys) <= room:
            return self.keys
        keys = [replace(key, says=key.brief or key.says) for key in self.keys]
        while len(keys) > 1 and _width(keys) > room:
            del keys[-2]
        return keys

    def render_line(self, y: int) -> Strip:
        pieces: list[Piece] = []
        for key in self._fitting():
            pieces += [("plain", "  " if pieces else " "), ("key", key.shown)]
            pieces.append(("faint", f" {key.says}"))
        return self.line(pieces, self.size.width)

    async def on_click(self, event: events.Click) -> None:
        start = 1
        for key in self._fitting():
            end = start + _width([key])
            if key.action and start <= event.x < end:
                await self.run_action(key.action)
            start = end + 2


def _width(keys: Sequence[Key]) -> int:
    """Cells of the keys side by side."""
    return sum(cell_len(key.shown) + cell_len(key.says) + 3 for key in keys) - 2
