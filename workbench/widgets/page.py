"""A page of painted lines to scroll."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.strip import Strip

from workbench.widgets.painted import Painted, Piece, spread

Lines = Sequence[Sequence[Piece]]


class Page(Painted, can_focus=True):
    """Lines under a head that stays, which also says where one is where not all fit."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown,space", "page(1)", "Page down", show=False),
        Binding("home", "move(-1000000)", "Start", show=False),
        Binding("end", "move(1000000)", "End", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.top = 0
        self._head: Sequence[Piece] = ()
        self._made: Callable[[int], Lines] = lambda width: ()
        self._lines: Lines = ()

    def show(self, head: Sequence[Piece], made: Callable[[int], Lines]) -> None:
        """Show `head` and the lines that `made` makes for a width."""
        self._head, self._made = head, made
        self._lay()

    def _lay(self) -> None:
        self._lines = self._made(self.size.width) if self.size.width else ()
        self._to(self.top)

    @property
    def rows(self) -> int:
        return max(1, self.size.height - 1)

    def _to(self, top: int) -> None:
        self.top = max(0, min(top, len(self._lines) - self.rows))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y:
            at = self.top + y - 1
            return self.line(self._lines[at] if at < len(self._lines) else (), width)
        shown = (self.top + 1, min(self.top + self.rows, len(self._lines)))
        place = f"{shown[0]}–{shown[1]} of {len(self._lines)} "
        fits = len(self._lines) <= self.rows
        return self.line(spread(self._head, () if fits else (("faint", place),), width), width)

    def action_move(self, step: int) -> None:
        self._to(self.top + step)

    def action_page(self, pages: int) -> None:
        self._to(self.top + pages * max(1, self.rows - 1))

    def on_resize(self, event: events.Resize) -> None:
        self._lay()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._to(self.top + 3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._to(self.top - 3)
