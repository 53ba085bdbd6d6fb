"""One page in the middle of the screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.strip import Strip

from workbench.widgets.painted import Painted, Piece, spread

Lines = Sequence[Sequence[Piece]]
_MARGIN = 20


class Stage(Painted):
    """Lines in the middle of its height, a margin at their left and right.

    `made` makes them for the width and height they have.
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._made: Callable[[int, int], Lines] = lambda width, height: ()
        self._lines: Lines = ()

    def show(self, made: Callable[[int, int], Lines]) -> None:
        self._made = made
        self._lay()

    def _lay(self) -> None:
        width, height = self.size
        self._lines = self._made(max(1, width - 2 * self.margin_cells), height) if width else ()
        self.refresh()

    @property
    def margin_cells(self) -> int:
        return max(2, self.size.width // _MARGIN)

    def on_resize(self) -> None:
        self._lay()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        # Above the middle, where eyes look first; a page that is too tall keeps its head.
        row = y - max(0, (self.size.height - len(self._lines)) * 2 // 5)
        pieces = self._lines[row] if 0 <= row < len(self._lines) else ()
        return self.line((("plain", " " * self.margin_cells), *pieces), width)


class Foot(Painted):
    """One line: where one is at the left, the clock at the right."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.shown: tuple[str, str] = ("", "")

    def show(self, left: str, right: str) -> None:
        if (left, right) != self.shown:
            self.shown = (left, right)
            self.refresh()

    def render_line(self, y: int) -> Strip:
        left, right = self.shown
        width = self.size.width
        return self.line(spread((("faint", f" {left}"),), (("faint", f"{right} "),), width), width)
