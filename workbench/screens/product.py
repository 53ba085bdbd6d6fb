"""One product: where it stands on both sides, and everything the catalog says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from engine.ranking.comparison import Comparison, Hit, SideResult
from workbench import messages
from workbench.text import printable, score
from workbench.widgets.lines import Key, KeyLine
from workbench.widgets.ranking_list import movement

GRADES = {"E": "Exact", "S": "Substitute", "C": "Complement", "I": "Irrelevant"}
_FIRST = ("title", "brand", "color", "category", "description", "bullet_points")
_MOST = 4_000
_KEYS = (
    Key("↑↓", "scroll"),
    Key("F1", "help", "app.help"),
    Key("Esc", "back", "screen.dismiss"),
)


class ProductScreen(ModalScreen[None]):
    """Asks for the product's fields when it opens and shows them when they come."""

    CSS_PATH = "modal.tcss"
    AUTO_FOCUS = "#pages"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss", "Back", show=False),
        Binding("f1,question_mark", "app.help", "Help", show=False),
    ]

    def __init__(self, comparison: Comparison, product_id: str) -> None:
        super().__init__()
        self.comparison = comparison
        self.product_id = product_id
        self._fields: Mapping[str, str] = {}
        self._note = "reading the catalog"

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            with VerticalScroll(classes="pages", id="pages"):
                yield Static(self._text(), id="product", markup=False)
            yield KeyLine(_KEYS, id="keys")

    def on_mount(self) -> None:
        wanted = self.product_id
        self.app.searcher.ask(  # type: ignore[attr-defined]
            lambda comparer: messages.ProductKnown(wanted, dict(comparer.product(wanted)))
        )

    def show(self, message: messages.ProductKnown) -> None:
        """Show the fields, if they are of this product."""
        if message.product_id == self.product_id:
            self._fields = message.fields
            self._note = "" if message.fields else "The catalog has no such product any more."
            self._repaint()

    def renew(self, comparison: Comparison) -> None:
        """Show where the product stands now that other sides have answered the same query."""
        if comparison.query == self.comparison.query:
            self.comparison = comparison
            self._repaint()

    def _repaint(self) -> None:
        if self.is_mounted:
            self.query_one("#product", Static).update(self._text())

    def _text(self) -> Text:
        fields = self._fields
        sides = (self.comparison.baseline, self.comparison.candidate)
        found = [_hit(side, self.product_id) for side in sides]
        known = next((hit for hit in found if hit), None)
        strong, faint = Style(bold=True), Style(dim=True)
        title = fields.get("title") or (known.title if known else "")
        text = Text(f"{printable(title) or self.product_id}\n\n", style=strong, end="")
        plain = Text(end="")
        for label, side, hit in zip(("left ", "right"), sides, found, strict=True):
            plain.append(f"{label} {printable(side.encoder)}: ", faint)
            plain.append(f"{_standing(hit)}\n")
        grade = known.grade if known else None
        plain.append("grade ", faint)
        plain.append(f"{grade} {GRADES[grade]}" if grade else "· not judged")
        plain.append(f"{_said(known)}\n\n" if known else "\n\n")
        ordered = [name for name in _FIRST if name in fields]
        ordered += [name for name in fields if name not in ordered and name != "product_id"]
        for name in ("product_id", *ordered):
            value = fields.get(name, self.product_id if name == "product_id" else "")
            plain.append(f"{printable(name).replace('_', ' ')} ", faint)
            plain.append(f"{printable(value[:_MOST])}{' …' if len(value) > _MOST else ''}\n")
        if self._note:
            plain.append(self._note, faint)
        return Text.assemble(text, plain)

    async def action_dismiss(self, result: None = None) -> None:
        self.dismiss(None)

    @on(events.Click)
    def _outside(self, event: events.Click) -> None:
        if event.widget is self:
            self.dismiss(None)


def _hit(side: SideResult, product_id: str) -> Hit | None:
    return next((hit for hit in side.hits if hit.product_id == product_id), None)


def _said(hit: Hit) -> str:
    """Who gave the grade, where a person did."""
    said = {"flagged": ", flagged bad by a person", "graded": ", by a person"}.get(hit.verdict, "")
    return f"{said}; the imported judgment says otherwise" if hit.overrules else said


def _standing(hit: Hit | None) -> str:
    if hit is None:
        return "not among the rows shown"
    _, moved = movement(hit)
    other = "not found there" if hit.other_rank is None else f"{hit.other_rank} on the other side"
    return f"rank {hit.rank}, score {score(hit.score)}, {moved} ({other})"
