"""One line to type: a note on a verdict, an encoder's name, a path."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from workbench.text import printable
from workbench.widgets.edited_line import EditedLine
from workbench.widgets.lines import Key, KeyLine

LIMIT = 500


class LineScreen(ModalScreen[str | None]):
    """Dismissed with what was typed, which may be empty, or None."""

    CSS_PATH = "modal.tcss"
    AUTO_FOCUS = "#typed"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Back", show=False, priority=True),
    ]

    def __init__(self, head: str, placeholder: str, value: str = "", *, does: str = "keep") -> None:
        super().__init__()
        self._keys = (Key("Enter", does, "screen.keep"), Key("Esc", "back", "screen.dismiss"))
        self._head = printable(head)
        self._line = EditedLine(
            value=value, placeholder=placeholder, id="typed", compact=True, max_length=LIMIT
        )

    def compose(self) -> ComposeResult:
        with Vertical(classes="box line-box"):
            yield Static(self._head, id="head", markup=False)
            yield self._line
            yield KeyLine(self._keys, id="keys")

    @on(Input.Submitted)
    def action_keep(self) -> None:
        self.dismiss(printable(self._line.value))

    async def action_dismiss(self, result: str | None = None) -> None:
        self.dismiss(None)

    def on_click(self, event: events.Click) -> None:
        if event.widget is self:
            self.dismiss(None)
