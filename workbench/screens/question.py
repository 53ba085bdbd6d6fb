"""A question that is answered with yes or no."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from workbench.text import printable
from workbench.widgets.lines import Key, KeyLine

_KEYS = (Key("y", "yes", "screen.yes"), Key("n Esc", "no", "screen.dismiss"))


class QuestionScreen(ModalScreen[bool]):
    """Dismissed with True for yes. Enter is no answer: what is asked cannot be undone."""

    CSS_PATH = "modal.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "yes", "Yes", show=False),
        Binding("n,escape,q", "dismiss", "No", show=False),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = printable(question)

    def compose(self) -> ComposeResult:
        with Vertical(classes="box line-box"):
            yield Static(self._question, id="head", markup=False)
            yield KeyLine(_KEYS, id="keys")

    def action_yes(self) -> None:
        self.dismiss(True)

    async def action_dismiss(self, result: bool | None = None) -> None:
        self.dismiss(False)

    def on_click(self, event: events.Click) -> None:
        if event.widget is self:
            self.dismiss(False)
