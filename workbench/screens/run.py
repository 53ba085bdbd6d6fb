"""The page of a run: the verdict on the encoder it made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from workbench import messages
from workbench.run_page import run_head, run_lines
from workbench.searching import ComparerLike
from workbench.widgets.lines import Key, KeyLine
from workbench.widgets.page import Page

if TYPE_CHECKING:
    from workbench.app import RankbenchApp

KEYS = (
    Key("↑↓", "scroll"),
    Key("l", "put it left", "screen.put('baseline')", "left"),
    Key("r", "put it right", "screen.put('candidate')", "right"),
    Key("F6", "encoders", "app.encoders"),
    Key("F2", "queries", "app.queries"),
    Key("F1", "help", "app.help"),
    Key("Esc", "back", "screen.back"),
)


class RunScreen(Screen[None]):
    """Shows what an encoder's card says; asks for the titles of the flagged products."""

    app: RankbenchApp
    CSS_PATH = "run.tcss"
    AUTO_FOCUS = "#page"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "back", "Back", show=False),
        Binding("question_mark", "app.help", "Help", show=False),
        Binding("l", "put('baseline')", "Put it left", show=False, id="run.left"),
        Binding("r", "put('candidate')", "Put it right", show=False, id="run.right"),
    ]

    def __init__(self, name: str, verdict: Mapping[str, Any]) -> None:
        super().__init__()
        self.encoder = name
        self.verdict = verdict
        self._titles: Mapping[str, str] = {}
        self._page = Page(id="page")

    def compose(self) -> ComposeResult:
        yield self._page
        yield KeyLine(KEYS, id="keys")

    def on_mount(self) -> None:
        self._show()
        products = [moved["product_id"] for q in self.verdict["flagged"] for moved in q["moved"]]

        def titles_of(comparer: ComparerLike) -> messages.TitlesKnown:
            known = comparer.titles()
            return messages.TitlesKnown({p: known[p] for p in products if p in known})

        if products:
            self.app.searcher.ask(titles_of)

    def show_titles(self, message: messages.TitlesKnown) -> None:
        self._titles = message.titles
        self._show()

    def _show(self) -> None:
        verdict, titles = self.verdict, self._titles
        self._page.show(run_head(verdict), lambda width: run_lines(verdict, titles, width))

    def action_put(self, place: str) -> None:
        self.app.shelf.put(place, self.encoder)

    def action_back(self) -> None:
        self.app.pop_screen()
