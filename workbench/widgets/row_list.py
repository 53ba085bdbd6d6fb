"""A list of rows with a cursor: only the rows in sight are ever rendered."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from workbench.messages import Trouble
from workbench.text import printable
from workbench.widgets.painted import Painted, Piece


class RowList(Painted, can_focus=True):
    """Rows under `HEADER` fixed lines, scrolled by whole rows.

    A subclass says how many rows there are (`row_count`) and paints them (`row_pieces`,
    `header_pieces`). Where there are none, `notice` is shown instead.
    """

    HEADER = 0
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Row up", show=False, id="list.up"),
        Binding("down", "move(1)", "Row down", show=False, id="list.down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="list.page-up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="list.page-down"),
        Binding("home", "to(0)", "First row", show=False, id="list.first"),
        Binding("end", "to(-1)", "Last row", show=False, id="list.last"),
        Binding("enter", "choose", "Open", show=False, id="list.open"),
    ]

    class Moved(Message):
        """The cursor stands on another row."""

        def __init__(self, rows: RowList) -> None:
            super().__init__()
            self.rows = rows

        @property
        def control(self) -> RowList:
            return self.rows

    class Chosen(Message):
        """Enter, or a second click, on the row under the cursor."""

        def __init__(self, rows: RowList) -> None:
            super().__init__()
            self.rows = rows

        @property
        def control(self) -> RowList:
            return self.rows

    class LeftUpwards(Message):
        """Up was pressed on the first row."""

        def __init__(self, rows: RowList) -> None:
            super().__init__()
            self.rows = rows

        @property
        def control(self) -> RowList:
            return self.rows

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.cursor = 0
        self.top = 0
        self.notice: tuple[Piece, ...] = ()
        self._strips: dict[tuple[int, int, str], Strip] = {}

    # What a subclass says

    def row_count(self) -> int:
        return 0

    def header_pieces(self, line: int, width: int) -> Sequence[Piece]:
        return ()

    def row_pieces(self, row: int, width: int) -> Sequence[Piece]:
        return ()

    def row_ground(self, row: int) -> str:
        """The ink whose background lies under `row`."""
        if row != self.cursor:
            return ""
        return "cursor" if self.has_focus else "cursor-idle"

    def pointer(self, row: int) -> str:
        """The mark before `row`: of several lists only the one that keys go to has one."""
        return "›" if row == self.cursor and self.has_focus else " "

    # Painting

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y < self.HEADER:
            return self.line(self.header_pieces(y, width), width)
        if not self.row_count():
            return self._notice_line(y - self.HEADER, width)
        row = self.top + y - self.HEADER
        if row >= self.row_count():
            return self.line((), width)
        key = (row, width, self.row_ground(row))
        strip = self._strips.get(key)
        if strip is None:
            strip = self._strips[key] = self.line(self.row_pieces(row, width), width, key[2])
        return strip

    def repaint(self) -> None:
        """Forget what was painted and paint again; never lays out."""
        self._strips.clear()
        self.refresh()

    def show_trouble(self, trouble: Trouble) -> None:
        """Say what happened, and what to do, where the rows would be."""
        self.notice = (("error", printable(trouble.what)), ("plain", printable(trouble.todo)))
        self.repaint()

    def notify_style_update(self) -> None:
        self._strips.clear()
        super().notify_style_update()

    def _notice_line(self, y: int, width: int) -> Strip:
        lines: list[Piece] = []
        for name, text in self.notice:
            wrapped = textwrap.wrap(text, max(8, width - 4)) or [""]
            lines.extend((name, part) for part in wrapped)
        if 1 <= y <= len(lines):
            name, text = lines[y - 1]
            return self.line((("plain", "  "), (name, text)), width)
        return self.line((), width)

    # The cursor

    @property
    def page_rows(self) -> int:
        return max(1, self.size.height - self.HEADER)

    def place(self, row: int) -> None:
        """Put the cursor on `row`, scrolling as little as it takes, without telling anyone."""
        count = self.row_count()
        self.cursor = max(0, min(row, count - 1))
        if self.cursor < self.top:
            self.top = self.cursor
        elif self.cursor >= self.top + self.page_rows:
            self.top = self.cursor - self.page_rows + 1
        self.top = max(0, min(self.top, count - self.page_rows))
        self.refresh()

    def action_move(self, step: int) -> None:
        if step < 0 and self.cursor == 0:
            self.post_message(self.LeftUpwards(self))
            return
        self._go(self.cursor + step)

    def action_page(self, pages: int) -> None:
        self._go(self.cursor + pages * max(1, self.page_rows - 1))

    def action_to(self, row: int) -> None:
        self._go(row if row >= 0 else self.row_count() - 1)

    def action_choose(self) -> None:
        if self.row_count():
            self.post_message(self.Chosen(self))

    def _go(self, row: int) -> None:
        before = self.cursor
        self.place(row)
        if self.cursor != before:
            self.post_message(self.Moved(self))

    # Keys and mouse

    def on_key(self, event: events.Key) -> None:
        # A key event reaches the widget before the bindings: bound keys are left to them.
        if event.is_printable and event.key not in self.screen.active_bindings:
            event.stop()
            event.prevent_default()
            self.typed(event)

    def typed(self, event: events.Key) -> None:
        """A printable key that nothing here is bound to."""

    def on_click(self, event: events.Click) -> None:
        event.stop()
        row = self.top + event.y - self.HEADER
        if event.y < self.HEADER:
            self.header_clicked(event.x)
        elif row < self.row_count():
            again = row == self.cursor and event.chain >= 2
            self._go(row)
            if again:
                self.action_choose()

    def header_clicked(self, x: int) -> None:
        """A click in the header lines, `x` cells from the left."""

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(event, 3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(event, -3)

    def _wheel(self, event: events.MouseEvent, rows: int) -> None:
        event.stop()
        self.top = max(0, min(self.top + rows, self.row_count() - self.page_rows))
        # The cursor stays in sight, so that the next arrow key does not jump back.
        self._go(max(self.top, min(self.cursor, self.top + self.page_rows - 1)))
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        self.place(self.cursor)
        self.repaint()

    def on_focus(self) -> None:
        self.repaint()

    def on_blur(self) -> None:
        self.repaint()
