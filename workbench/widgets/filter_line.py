"""A line to type words into; what is typed narrows a list at once."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Static

from workbench.widgets.edited_line import EditedLine


class FilterInput(EditedLine):
    """Leaves by Enter, Down or Tab, and by Esc, which also clears."""

    # Prior, so that the key after one of these, in the same read, already finds the focus moved.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,down,tab", "leave", "To the list", show=False, priority=True),
        Binding("escape", "clear", "Clear and leave", show=False, priority=True),
    ]

    class Left(Message):
        """The person is done here."""

    def action_leave(self) -> None:
        self.post_message(self.Left())

    def action_clear(self) -> None:
        self.value = ""
        self.action_leave()


class FilterLine(Horizontal):
    """Shown while it is typed in or holds words."""

    def __init__(self, placeholder: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.input = FilterInput(placeholder=placeholder, compact=True, select_on_focus=False)
        self.input.cursor_blink = False
        self.display = False

    def compose(self) -> ComposeResult:
        yield Static(" / ", classes="prompt", markup=False)
        yield self.input

    @property
    def words(self) -> list[str]:
        return self.input.value.casefold().split()

    def lets_through(self, text: str) -> bool:
        """Whether `text` holds every word typed, anywhere in it."""
        folded = text.casefold()
        return all(word in folded for word in self.words)

    def enter(self) -> None:
        self.display = True
        # Not `focus`, which waits a turn: the next key may be in the same read.
        self.screen.set_focus(self.input)

    def clear(self) -> None:
        self.input.value = ""
        self.display = False
