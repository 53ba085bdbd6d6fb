"""Compare: one query line, two ranked lists, and what changed between them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input, Static

from engine.catalog.queries import JudgedQuery
from engine.ranking.comparison import Comparison, SideResult
from workbench.marks import Marks
from workbench.messages import Trouble
from workbench.screens.grading import SEEN_S, Grading
from workbench.text import printable
from workbench.widgets.delta_line import DeltaLine
from workbench.widgets.lines import Key, KeyLine, StatusLine
from workbench.widgets.painted import Piece, Rule
from workbench.widgets.query_line import LIMIT, QueryLine
from workbench.widgets.ranking_list import RankingList
from workbench.widgets.row_list import RowList

if TYPE_CHECKING:
    from workbench.app import RankbenchApp

_TWO_LISTS = 60
_EXAMPLES = 8
Steps = list[tuple[int, str]] | None

_HELP = Key("F1", "help", "app.help")
_QUERIES = Key("F2", "queries", "app.queries")
_TRAIN = Key("F5", "train", "app.train")
_REST = (
    Key("F3", "left side", "app.pick('baseline')", "left"),
    Key("F4", "right side", "app.pick('candidate')", "right"),
    Key("F6", "encoders", "app.encoders"),
    Key("^P", "all commands", "app.command_palette", "more"),
)
IN_QUERY = (
    Key("↓", "lists", "screen.lists"),
    Key("Tab", "complete", "screen.complete"),
    _HELP,
    _QUERIES,
    _TRAIN,
    *_REST,
)
IN_LISTS = (
    Key("esci", "grade"),
    Key("x", "bad", "screen.flag"),
    Key("u", "undo", "screen.undo"),
    Key("/", "query", "screen.query_line"),
    Key("Enter", "product", "screen.product", "open"),
    _HELP,
    _TRAIN,
    _QUERIES,
    *_REST,
)
# Without a row under the cursor their keys are letters like any other.
_ON_A_HIT = ("grade", "flag", "note")


class CompareScreen(Grading):
    """Paints comparisons; asks the app for them and knows nothing of how they are made."""

    app: RankbenchApp
    CSS_PATH = "compare.tcss"
    AUTO_FOCUS = "#query"
    HORIZONTAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = [
        (0, "-narrow"),
        (_TWO_LISTS, "-side-by-side"),
    ]
    VERTICAL_BREAKPOINTS: ClassVar[Steps] = [
        (0, "-flat"),
        (9, "-low"),
        (14, "-high"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "query_line", "To the query", show=False, id="compare.query"),
        Binding("left", "pane(-1)", "Left list", show=False, id="compare.left"),
        Binding("right", "pane(1)", "Right list", show=False, id="compare.right"),
        Binding("tab,shift+tab", "pane(0)", "Other list", show=False, id="compare.other"),
        Binding("left_square_bracket", "app.pick('baseline')", "Left side", show=False),
        Binding("right_square_bracket", "app.pick('candidate')", "Right side", show=False),
        Binding("question_mark", "app.help", "Help", show=False),
    ]

    def __init__(self, saved: Comparison | None = None, marks: Marks | None = None) -> None:
        super().__init__()
        self.marks = marks or Marks()
        self.answer = saved
        """As it came; `comparison` is it with the verdicts that it does not know of."""
        self.comparison = saved
        self.is_saved = saved is not None
        self.shown_number = 0
        """Number of the request whose answer is on the screen."""
        self._taken = -SEEN_S
        self.query_line = QueryLine(id="query")
        self.delta_line = DeltaLine(id="delta")
        self.baseline, self.candidate = (
            RankingList(self.action_query_line, self.query_line.take, id=place)
            for place in ("baseline", "candidate")
        )
        self.lists = (self.baseline, self.candidate)
        self.active = self.baseline
        self.status_line = StatusLine(id="status")
        self.key_line = KeyLine(IN_QUERY, id="keys")

    def compose(self) -> ComposeResult:
        with Horizontal(id="line"):
            yield Static(" ❯ ", id="prompt", markup=False)
            yield self.query_line
        yield self.delta_line
        with Horizontal(id="panes"):
            yield self.baseline
            yield Rule(id="rule")
            yield self.candidate
        yield self.status_line
        yield self.key_line

    def on_mount(self) -> None:
        if self.comparison is None:
            self.show_empty(0)
        else:
            with self.prevent(Input.Changed):
                self.query_line.value = printable(self.comparison.query)[:LIMIT]
            # Typing replaces a saved query, as it would in any search box.
            self.query_line.action_select_all()
            self._paint(self.comparison, 0)

    # What the app shows here

    def show(self, comparison: Comparison, number: int) -> None:
        """Paint both lists and the delta line from one comparison."""
        same_query = self.comparison is not None and comparison.query == self.comparison.query
        self.is_saved = False
        self._take(comparison)
        self._paint(comparison, number, stay=same_query)

    def remark(self) -> None:
        """Paint the marks anew on what is shown; nothing else changes."""
        if self.answer is None:
            return
        self._take(self.answer)
        for shown, side in zip(self.lists, self._sides(), strict=True):
            shown.show(side, shown.version)

    def _take(self, comparison: Comparison) -> None:
        self.answer = comparison
        self.comparison = self.marks.over(comparison)

    def _sides(self) -> tuple[SideResult, SideResult]:
        assert self.comparison is not None
        return self.comparison.baseline, self.comparison.candidate

    @property
    def HELP(self) -> str:
        return "in the lists" if isinstance(self.focused, RankingList) else ""

    @property
    def shared_from(self) -> tuple[str, ...]:
        """Other spellings whose verdicts hold for the query shown."""
        return self.comparison.shared_from if self.comparison else ()

    def show_empty(self, number: int) -> None:
        """Say what to do while there is no query."""
        self.answer = self.comparison = None
        self.shown_number = number
        judged = self.app.judged
        hint = "Type a query: both sides answer every key."
        if judged:
            hint += f"\n{len(judged):,} judged queries complete as you type: Tab takes one."
        for shown in self.lists:
            shown.cursor = shown.top = 0
            shown.notice = (("faint", "Nothing typed yet."),)
            shown.standing_in = self._wanted(shown)
            shown.show(None, number)
        if judged:
            self.baseline.notice = (
                ("faint", "Nothing typed yet. Judged queries to begin with:"),
                ("plain", ""),
                *(("plain", query) for query in _examples(judged)),
            )
            self.baseline.repaint()
        self.delta_line.show(None, number, hint=hint)

    def show_trouble(self, trouble: Trouble, number: int) -> None:
        """Show an error where the results would be."""
        self.answer = self.comparison = None
        self.shown_number = number
        for shown in self.lists:
            shown.cursor = shown.top = 0
            shown.standing_in = self._wanted(shown)
            shown.show(None, number)
            shown.show_trouble(trouble)
        self.delta_line.show(None, number, hint="No answer: see below.")

    def show_status(self, groups: list[tuple[Piece, ...]]) -> None:
        self.status_line.show(list(groups))

    def is_painted(self, number: int) -> bool:
        """Whether both lists and the delta line on the screen are those of request `number`."""
        parts = (self.delta_line, *self.visible_lists)
        return all(part.painted == number for part in parts if part.size.height)

    @property
    def visible_lists(self) -> list[RankingList]:
        return [shown for shown in self.lists if shown.display]

    def _paint(self, comparison: Comparison, number: int, *, stay: bool = False) -> None:
        """Paint an answer; `stay` keeps what is in sight and the product under the cursor."""
        self.shown_number = number
        for shown, side in zip(self.lists, self._sides(), strict=True):
            before = shown.hit.product_id if shown.hit else None
            # On a first row that nobody has gone to, there is no product to stay with.
            kept = before if stay and (shown.cursor or shown.has_focus) else None
            shown.standing_in = "" if self.is_saved else self._wanted(shown)
            shown.notice = (
                ("plain", "No product matches."),
                ("faint", "Try fewer words, or the name of a product type."),
            )
            if not stay:
                shown.cursor = shown.top = 0
            shown.show(side, number)
            shown.place(shown.row_of(kept) or 0 if kept else 0)
            if shown.has_focus and before and shown.hit and shown.hit.product_id != before:
                self._taken = time.monotonic()
        self.delta_line.show(comparison, number, saved=self.is_saved)
        self._link()

    def _wanted(self, shown: RankingList) -> str:
        baseline, candidate = self.app.wanted
        return baseline if shown is self.baseline else candidate

    # Query line

    @on(Input.Changed, "#query")
    def _query_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.app.search(event.value, self.query_line.pressed)

    @on(QueryLine.Cut)
    def _query_cut(self, event: QueryLine.Cut) -> None:
        self.app.say(f"The paste of {event.length:,} characters was cut: a query has {LIMIT}.")

    def action_lists(self) -> None:
        # Not `focus`, which waits a turn: the next key may be in the same read.
        self.set_focus(self.active)

    def action_query_line(self) -> None:
        self.set_focus(self.query_line)
        self.query_line.cursor_position = len(self.query_line.value)

    async def action_complete(self) -> None:
        self.query_line.focus()
        await self.query_line.action_complete()

    def put_query(self, query: str, *, selected: bool = False) -> None:
        """Type `query` for the person, cursor at its end; `selected`: the next key replaces it."""
        self.query_line.value = query[:LIMIT]
        self.query_line.cursor_position = len(self.query_line.value)
        self.query_line.focus()
        if selected:
            self.query_line.select_all()

    # Lists

    def action_pane(self, towards: int) -> None:
        """Go to the left (-1), the right (1) or the other list (0), to the same product there."""
        if towards and not self.active.has_focus:
            return
        left, right = self.lists
        target = {-1: left, 1: right}.get(towards, left if self.active is right else right)
        if target is self.active:
            return
        hit = self.active.hit
        row = target.row_of(hit.product_id) if hit else None
        target.place(self.active.cursor if row is None else row)
        # A list that is not on the screen takes no focus, and hiding the focused one moves it.
        target.display = True
        self.set_focus(target)
        self._activate(target)

    def _activate(self, target: RankingList) -> None:
        self.active = target
        self._arrange()
        self._link()

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        """Show one list, the active one, where two have no room."""
        narrow = self.size.width < _TWO_LISTS
        for shown in self.lists:
            shown.display = shown is self.active or not narrow

    def on_descendant_focus(self) -> None:
        focused = self.focused
        if isinstance(focused, RankingList):
            self._activate(focused)
            self.key_line.show(IN_LISTS)
        elif isinstance(focused, QueryLine):
            self._link()
            self.key_line.show(IN_QUERY)

    @on(RowList.Moved)
    def _link(self) -> None:
        """Mark the row under the cursor and, in the other list, the same product."""
        inside = isinstance(self.focused, RankingList)
        hit = self.active.hit if inside else None
        for shown in self.lists:
            active = shown is self.active
            shown.point(inside and active, hit.product_id if hit and not active else None)

    @on(RowList.Chosen)
    def action_product(self) -> None:
        if self.comparison is not None and self.active.hit is not None:
            self.app.show_product(self.comparison, self.active.hit.product_id)

    # Judging

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in _ON_A_HIT:
            return self.active.hit is not None
        return bool(self.shared_from) if action == "separate" else True

    def action_present(self) -> None:
        """Add the query to the list that Present shows."""
        if self.comparison is not None:
            self.app.presenter.add(self.comparison.query)


def _examples(judged: Sequence[JudgedQuery]) -> list[str]:
    """A few judged queries for a person who does not know the catalog."""
    step = max(1, len(judged) // _EXAMPLES)
    return [printable(query.query) for query in judged[::step][:_EXAMPLES]]
