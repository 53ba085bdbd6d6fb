"""One product: where it stands on both sides and why, and all that the catalog says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from rich.console import Group
from rich.style import Style
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from engine.ranking.comparison import Comparison, Hit, SideResult
from engine.ranking.words import words_of
from workbench import messages
from workbench.explaining import Explained, Explaining, NearbyKnown, wanted_of
from workbench.text import printable
from workbench.why_text import (
    NEAREST,
    ROWS,
    nearby_lines,
    standing_line,
    words_note,
    words_table,
)
from workbench.widgets.lines import Key, KeyLine

if TYPE_CHECKING:
    from engine.ranking.judged_near import Nearby
    from engine.ranking.why import Why
    from workbench.app import RankbenchApp
    from workbench.marks import Marks

GRADES = {"E": "Exact", "S": "Substitute", "C": "Complement", "I": "Irrelevant"}
_FIRST = ("title", "brand", "color", "category", "description", "bullet_points")
_MOST = 4_000
_FAINT = Style(dim=True)
_KEYS = (
    Key("↑↓", "scroll"),
    Key("esci", "grade"),
    Key("x", "bad", "screen.flag"),
    Key("u", "undo", "screen.undo"),
    Key("F1", "help", "app.help"),
    Key("Esc", "back", "screen.dismiss"),
)


class ProductScreen(ModalScreen[None]):
    """Asks for the product's fields and for why it is here, and shows them when they come."""

    app: RankbenchApp
    CSS_PATH = "modal.tcss"
    AUTO_FOCUS = "#pages"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss", "Back", show=False),
        Binding("f1,question_mark", "app.help", "Help", show=False),
        # The keys, and the names that a keymap changes them by, are those of Compare's lists.
        Binding("e", "grade('E')", "Grade: Exact", show=False, id="verdict.exact"),
        Binding("s", "grade('S')", "Grade: Substitute", show=False, id="verdict.substitute"),
        Binding("c", "grade('C')", "Grade: Complement", show=False, id="verdict.complement"),
        Binding("i", "grade('I')", "Grade: Irrelevant", show=False, id="verdict.irrelevant"),
        Binding("x", "flag", "Bad result", show=False, id="verdict.bad"),
        Binding("u", "undo", "Undo", show=False, id="verdict.undo"),
        Binding("U", "redo", "Redo", show=False, id="verdict.redo"),
    ]

    def __init__(self, comparison: Comparison, product_id: str) -> None:
        super().__init__()
        self.comparison = self._answer = comparison
        self.product_id = product_id
        self._fields: Mapping[str, str] = {}
        self._note = "reading the catalog"
        self._wanted = wanted_of(comparison, product_id)
        self._why: Why | None = None
        self._why_trouble = ""
        self._nearby: Nearby | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            with VerticalScroll(classes="pages", id="pages"):
                yield Static(self._page(), id="product", markup=False)
            yield KeyLine(_KEYS, id="keys")

    def on_mount(self) -> None:
        self._explaining = Explaining(self.app.searcher)
        wanted = self.product_id
        self.app.searcher.ask(
            lambda comparer: messages.ProductKnown(wanted, dict(comparer.product(wanted)))
        )
        self._explaining.ask(self._wanted)

    def on_unmount(self) -> None:
        self._explaining.leave()

    def show(self, message: messages.ProductKnown) -> None:
        """Show the fields, if they are of this product."""
        if message.product_id == self.product_id:
            self._fields = message.fields
            self._note = "" if message.fields else "The catalog has no such product any more."
            self._repaint()

    def show_why(self, message: Explained) -> None:
        """Show why it is here, if it is of this hit and these sides."""
        if message.wanted is self._wanted:
            self._why = message.why
            self._why_trouble = message.trouble.what if message.trouble else ""
            self._repaint()

    def show_nearby(self, message: NearbyKnown) -> None:
        """Show the nearest judged queries, or how far they have come."""
        if message.wanted is self._wanted:
            self._nearby = message.nearby
            self._repaint()

    def renew(self, comparison: Comparison) -> None:
        """Show where the product stands now that other sides have answered the same query."""
        if comparison.query != self.comparison.query:
            return
        self.comparison = self._answer = comparison
        wanted = wanted_of(comparison, self.product_id)
        if wanted != self._wanted or self._why_trouble:
            self._wanted, self._why, self._nearby, self._why_trouble = wanted, None, None, ""
            self._explaining.ask(wanted)
        self._repaint()

    # Judging

    def remark(self, marks: Marks) -> None:
        """Show what was said meanwhile."""
        self.comparison = marks.over(self._answer)
        self._repaint()

    def action_grade(self, grade: str) -> None:
        """Grade this product for the query."""
        self._judge(grade)

    def action_flag(self) -> None:
        """Mark it as a bad result of the query."""
        self._judge("I", bad=True)

    def _judge(self, grade: str, *, bad: bool = False) -> None:
        """Of both sides that show it the one that ranks it higher is where it was seen."""
        sides = (self.comparison.baseline, self.comparison.candidate)
        shown = [(side, hit) for side, hit in zip(sides, self._hits(), strict=True) if hit]
        if not shown:
            self.app.say("Neither list shows it: grade it with `rankbench flag`.")
            return
        side, hit = min(shown, key=lambda pair: pair[1].rank)
        self.app.judging.give(self.comparison, side, hit, grade, bad=bad)

    def action_undo(self) -> None:
        self.app.judging.recorder.undo()

    def action_redo(self) -> None:
        self.app.judging.recorder.redo()

    def _repaint(self) -> None:
        if self.is_mounted:
            self.query_one("#product", Static).update(self._page())

    def _page(self) -> Group:
        """What moves nothing when it becomes known comes first; the catalog's fields are last."""
        why, known = self._why, self._hits()
        hit = next((hit for hit in known if hit), None)
        title = self._fields.get("title") or (hit.title if hit else "")
        sides = (self.comparison.baseline.encoder, self.comparison.candidate.encoder)
        found = (why.baseline, why.candidate) if why else (None, None)
        read = why.readings if why else (None, None)
        labels = zip(("left ", "right"), sides, found, known, read, strict=True)
        rows = self._word_rows(title)
        waiting = why is None and not self._why_trouble
        return Group(
            Text(f"{printable(title) or self.product_id}\n", style=Style(bold=True)),
            *(standing_line(*of) for of in labels),
            *(
                []
                if "bm25" in sides
                else [standing_line("also ", "bm25", why.bm25 if why else None)]
            ),
            self._grade(hit),
            Text(),
            words_note(why, self._why_trouble),
            words_table(why, rows),
            Text(),
            *nearby_lines(self._nearby, self._near_rows, waiting=waiting),
            Text(),
            self._catalog(),
        )

    def _hits(self) -> list[Hit | None]:
        sides = (self.comparison.baseline, self.comparison.candidate)
        return [_hit(side, self.product_id) for side in sides]

    def _word_rows(self, title: str) -> int:
        """As many as the words to come need, where they are the title's: no line moves then."""
        titled = self.app.settings.template.strip("{} ") == "title"
        words = max(len(words_of(self.comparison.query)), len(words_of(title)), 1)
        return min(ROWS, words) if titled else ROWS

    @property
    def _near_rows(self) -> int:
        return min(NEAREST, max(1, len(self.app.judged)))

    def _grade(self, known: Hit | None) -> Text:
        grade = known.grade if known else None
        return Text.assemble(
            ("grade ", _FAINT),
            f"{grade} {GRADES[grade]}" if grade else "· not judged",
            _said(known) if known else "",
        )

    def _catalog(self) -> Text:
        fields, plain = self._fields, Text()
        ordered = [name for name in _FIRST if name in fields]
        ordered += [name for name in fields if name not in ordered and name != "product_id"]
        for name in ("product_id", *ordered):
            value = fields.get(name, self.product_id if name == "product_id" else "")
            plain.append(f"{printable(name).replace('_', ' ')} ", _FAINT)
            plain.append(f"{printable(value[:_MOST])}{' …' if len(value) > _MOST else ''}\n")
        if self._note:
            plain.append(self._note, _FAINT)
        return plain

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
