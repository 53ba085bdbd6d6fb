"""Pick a side: every side there is, and whether it can answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from workbench.searching import SideLike
from workbench.status import readiness
from workbench.text import fit, printable
from workbench.widgets.lines import Key, KeyLine
from workbench.widgets.painted import Piece
from workbench.widgets.row_list import RowList

AUTO = "newest tuned encoder"
_KEYS = (
    Key("Enter", "choose", "screen.choose"),
    Key("F1", "help", "app.help"),
    Key("Esc", "back", "screen.dismiss"),
)


class SideList(RowList):
    """Sides by name, kind and readiness; an empty name is the automatic choice."""

    HEADER = 3

    def __init__(self, place: str, sides: Sequence[SideLike], current: str) -> None:
        super().__init__(id="sides")
        self.title = "Left side: baseline" if place == "baseline" else "Right side: candidate"
        self.rows: list[tuple[str, str, str]] = []
        if place == "candidate":
            self.rows.append(("", AUTO, "follows training; bm25 while there is none"))
        for side in sides:
            self.rows.append((side.name, side.name, f"{side.kind}, {readiness(side)}"))
        self.current = current
        names = [name for name, _, _ in self.rows]
        self.cursor = names.index(current) if current in names else 0
        self.notice = (("faint", "No side is known yet: the catalog is still opening."),)

    def row_count(self) -> int:
        return len(self.rows)

    def header_pieces(self, line: int, width: int) -> Sequence[Piece]:
        if line == 0:
            return (("strong", f" {self.title}"),)
        # What the row under the cursor says, whole: in its column it may be cut.
        says = self.rows[self.cursor][2] if line == 1 and self.rows else ""
        return (("faint", f" {printable(says)}"),)

    def row_pieces(self, row: int, width: int) -> Sequence[Piece]:
        name, label, says = self.rows[row]
        mark = "●" if name == self.current else " "
        label_width = min(30, max(12, width // 2))
        return (
            ("key", f" {mark} "),
            ("plain", fit(printable(label), label_width)),
            ("faint", f" {fit(printable(says), width - label_width - 4)}"),
        )


class SidesScreen(ModalScreen[str | None]):
    """Dismissed with the chosen side's name ("" for the automatic choice), or None."""

    CSS_PATH = "modal.tcss"
    AUTO_FOCUS = "#sides"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "Back", show=False),
        Binding("f1,question_mark", "app.help", "Help", show=False),
    ]

    def __init__(self, place: str, sides: Sequence[SideLike], current: str) -> None:
        super().__init__()
        self._list = SideList(place, sides, current)

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield self._list
            yield KeyLine(_KEYS, id="keys")

    @on(RowList.Chosen)
    def action_choose(self) -> None:
        if self._list.rows:
            self.dismiss(self._list.rows[self._list.cursor][0])

    async def action_dismiss(self, result: str | None = None) -> None:
        self.dismiss(None)

    def on_click(self, event: events.Click) -> None:
        if event.widget is self:
            self.dismiss(None)
