"""The two lines at the foot: what goes on, and the keys."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual import events
from textual.strip import Strip

from workbench.widgets.painted import Painted, Piece, joined


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
    """Keys and what they do, each of which a click presses."""

    def __init__(self, keys: Sequence[tuple[str, str, str]], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.keys = keys
        """(shown key, what it does, action to run or nothing)"""

    def show(self, keys: Sequence[tuple[str, str, str]]) -> None:
        if keys != self.keys:
            self.keys = keys
            self.refresh()

    def _placed(self) -> list[tuple[int, int, str, str, str]]:
        placed: list[tuple[int, int, str, str, str]] = []
        start = 1
        for key, says, action in self.keys:
            end = start + cell_len(key) + 1 + cell_len(says)
            if end > self.size.width:
                break
            placed.append((start, end, key, says, action))
            start = end + 2
        return placed

    def render_line(self, y: int) -> Strip:
        pieces: list[Piece] = [("plain", " ")]
        for place, (_, _, key, says, _) in enumerate(self._placed()):
            if place:
                pieces.append(("plain", "  "))
            pieces += [("key", key), ("faint", f" {says}")]
        return self.line(pieces, self.size.width)

    async def on_click(self, event: events.Click) -> None:
        for start, end, _, _, action in self._placed():
            if action and start <= event.x < end:
                await self.run_action(action)
