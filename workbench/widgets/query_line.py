"""The query line: an input with completion from the judged queries."""

from __future__ import annotations

import bisect
import time
from collections.abc import Iterable
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.suggester import SuggestionReady

from workbench.text import printable
from workbench.widgets.edited_line import EditedLine

LIMIT = 512
# A paste is looked at no further than this: ten megabytes must not pass through every filter.
_LOOKED_AT = 8 * LIMIT


class QueryLine(EditedLine):
    """One line of text; `pressed` is when the key that changed it last came in (monotonic)."""

    # Prior, so that the key after one of these, in the same read, already finds the focus moved.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "down,escape,enter",
            "screen.lists",
            "To the lists",
            show=False,
            priority=True,
            id="query.leave",
        ),
        Binding("tab", "complete", "Complete", show=False, priority=True, id="query.complete"),
    ]

    class Cut(Message):
        """A paste was longer than the line takes."""

        def __init__(self, length: int) -> None:
            super().__init__()
            self.length = length

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(
            placeholder="Type a query",
            id=id,
            compact=True,
            max_length=LIMIT,
            select_on_focus=False,
            validate_on=(),
        )
        self.cursor_blink = False
        self.pressed = time.monotonic()
        self._known: list[tuple[str, str]] = []

    @property
    def content_width(self) -> int:
        """Room for the longest query in wide characters.

        Input makes its virtual width follow the text, and every change of it lays out the whole
        screen: 8 ms a key. A constant width lays out nothing.
        """
        return 2 * LIMIT + 1

    def complete_from(self, queries: Iterable[str]) -> None:
        """Offer these queries as completions."""
        shown = {printable(query)[:LIMIT] for query in queries}
        self._known = sorted((query.casefold(), query) for query in shown if query)

    def suggestion_for(self, value: str) -> str:
        """The first known query that `value` begins, or an empty text."""
        typed = value.casefold()
        if not typed.strip():
            return ""
        # From the first that is longer than what was typed: completing to itself is no help.
        place = bisect.bisect_left(self._known, (typed + "\x00", ""))
        if place < len(self._known) and self._known[place][0].startswith(typed):
            return value + self._known[place][1][len(value) :]
        return ""

    def watch_value(self, value: str) -> None:
        # The constant width would keep the scroll of a longer text and hide the start of this one.
        most = max(0, cell_len(value) + 1 - self.size.width)
        if self.scroll_offset.x > most:
            self.scroll_to(most, animate=False, immediate=True)
        suggestion = self.suggestion_for(value)
        if suggestion:
            self.post_message(SuggestionReady(value, suggestion))

    def on_resize(self) -> None:
        # A text set before the first layout was scrolled out of a line of no width.
        self.scroll_to(0, animate=False)
        cursor = Region(self._position_to_cell(self.cursor_position), 0, 1, 1)
        self.scroll_to_region(cursor, force=True, animate=False)

    async def _on_key(self, event: events.Key) -> None:
        self.pressed = event.time
        await super()._on_key(event)

    def _on_paste(self, event: events.Paste) -> None:
        # Input would take the first line whole, whatever its length.
        event.stop()
        event.prevent_default()
        self.pressed = event.time
        text = printable(event.text[:_LOOKED_AT])
        room = LIMIT - len(self.value) + len(self.selected_text)
        if len(text) > room or len(event.text) > _LOOKED_AT:
            self.post_message(self.Cut(len(event.text)))
        if text[:room]:
            self.replace(text[:room], *sorted(self.selection))

    def take(self, character: str, pressed: float) -> None:
        """Take a key that was pressed elsewhere."""
        self.pressed = pressed
        self.screen.set_focus(self)
        self.insert(character, len(self.value))
        self.cursor_position = len(self.value)

    async def action_complete(self) -> None:
        """Take the completion; without one, do what Down does."""
        if self._suggestion and self.cursor_at_end:
            self.action_cursor_right()
        else:
            await self.run_action("screen.lists")
