"""Holes: the unjudged products that would move the verdict most, to be graded one after another."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.timer import Timer

from workbench import messages
from workbench.holes import Followed, HolesKnown, HolesProgress
from workbench.messages import EvaluationKey
from workbench.text import count
from workbench.widgets.hole_list import HoleList
from workbench.widgets.holes_head import HolesHead
from workbench.widgets.lines import Key, KeyLine
from workbench.widgets.painted import Piece
from workbench.widgets.row_list import RowList

if TYPE_CHECKING:
    from engine.evaluation.holes import Holes
    from workbench.app import RankbenchApp

KEYS = (
    Key("esci", "grade"),
    Key("u", "undo", "screen.undo"),
    Key("r", "renew the order", "screen.renew", "renew"),
    Key("Enter", "product", "screen.product"),
    Key("o", "compare", "screen.open"),
    Key("Esc", "back", "screen.back"),
    Key("F1", "help", "app.help"),
    Key("^P", "all commands", "app.command_palette", "more"),
)
_COUNT_S = 0.25
"""After the last of several quick gradings."""
_SEEN_S = 0.3
"""A key this soon after the rows came was meant for what was there before."""


class HolesScreen(Screen[None]):
    """Shows a queue, has its rows graded, and keeps its order until another one is asked for."""

    app: RankbenchApp
    HELP = "in the holes"
    CSS_PATH = "holes.tcss"
    AUTO_FOCUS = "#holes"
    VERTICAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = [(0, "-flat"), (9, "-high")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", show=False),
        Binding("question_mark", "app.help", "Help", show=False),
        Binding("left_square_bracket", "app.pick('baseline')", "Left side", show=False),
        Binding("right_square_bracket", "app.pick('candidate')", "Right side", show=False),
        Binding("r", "renew", "Renew the order", show=False, id="holes.renew"),
        Binding("o", "open", "Open the query", show=False, id="holes.open"),
    ]

    def __init__(self, followed: Followed | None = None) -> None:
        super().__init__()
        self.followed = followed or Followed()
        self.head = HolesHead(id="head")
        self.rows = HoleList(id="holes")
        self.key: EvaluationKey | None = None
        self.holes: Holes | None = None
        """As counted last; the rows keep the order of an earlier count."""
        self._number = 0
        self._said = 0
        self._soon: Timer | None = None
        self._replaced = -_SEEN_S

    def compose(self) -> ComposeResult:
        yield self.head
        yield self.rows
        yield KeyLine(KEYS, id="keys")

    def on_mount(self) -> None:
        self.head.follow(self.followed)
        self._look()

    def on_unmount(self) -> None:
        self.app.holes.leave()

    # What the app shows here

    def follow(self, key: EvaluationKey, *, anyway: bool = False) -> None:
        """Take other sides, or another index of the same; or count what somebody has said."""
        same = self.key is not None and _sides(self.key) == _sides(key)
        if anyway or not same:
            self._look()
        elif key != self.key:
            self.key = key
            self._count_soon()

    def take(self, message: messages.Recorded) -> None:
        """Mark what is on the disk now; the count follows."""
        if not (message.verdicts or message.separated):
            return
        self._said += 1
        if message.left is not None:
            # What was said before the word that was taken back stands again.
            self.rows.mark(message.left)
        else:
            for verdict in message.verdicts:
                self.rows.mark(verdict, undone=message.action == "undo")
        self._tell()

    def show_progress(self, message: HolesProgress) -> None:
        if message.number == self._number and self.holes is None:
            self._tell(f"ranking: {message.done:,} of {count(message.total, 'query', 'queries')}")

    def show_known(self, message: HolesKnown) -> None:
        if message.number != self._number:
            return
        if message.trouble is not None or message.holes is None:
            self._show_trouble(message)
            return
        self.holes = message.holes
        if message.grades is None:
            self._put_rows(message.holes)
        elif message.said == self._said:
            # A count from before the newest word would take its mark away again.
            self.rows.know(message.grades)
            self.rows.add(message.holes.queue)
        self._tell()

    def _show_trouble(self, message: HolesKnown) -> None:
        assert message.trouble is not None
        if message.grades is None:
            self.holes = None
            self.rows.forget()
            self.rows.show_trouble(message.trouble)
        self._tell(message.trouble.what, "error")

    def _put_rows(self, holes: Holes) -> None:
        none = "No holes: every product in both first tens is judged."
        if not holes.queries:
            none = "No judged query with a gain passes the filters of Queries."
        self.rows.notice = (("plain", none), ("faint", "Esc goes back."))
        self.rows.show(holes.queue)
        self._replaced = time.monotonic()

    # Grading

    def action_grade(self, grade: str) -> None:
        """Grade the product under the cursor and go on to the next."""
        hole = self.rows.hole
        if hole is None or self.holes is None:
            return
        if time.monotonic() - self._replaced < _SEEN_S:
            self.app.say("The rows came as you pressed: look, and press again.")
            return
        self.app.judging.fill(self.holes, hole, grade)
        self.rows.go_on()

    def action_undo(self) -> None:
        self.app.judging.recorder.undo()

    def action_redo(self) -> None:
        self.app.judging.recorder.redo()

    def action_renew(self) -> None:
        """Put the holes that are left in the order of their swings now."""
        if self.holes is not None:
            self._stop_timer()
            self.app.holes.count(None, self._said)

    # Going elsewhere

    @on(RowList.Chosen)
    def action_product(self) -> None:
        """Open the product under the cursor."""
        if self.holes is not None and self.rows.hole is not None:
            self.app.holes.open_product(self.holes, self.rows.hole)

    def action_open(self) -> None:
        """Open its query in Compare."""
        if self.rows.hole is not None:
            self.app.open_query(self.rows.hole.query)

    def action_back(self) -> None:
        self.app.pop_screen()
        # The queries below have waited.
        self.app.evaluations.renew()

    # Looking and counting

    def _look(self) -> None:
        self._stop_timer()
        self.key = self.app.evaluation_key
        self.holes = None
        self.rows.forget()
        if not self.app.judged:
            self.rows.notice = (
                ("plain", "No judged queries yet."),
                ("faint", "Bring some: `rankbench import judgments FILE`."),
            )
            self._tell()
            return
        self.rows.notice = (("plain", "Both sides are answering the judged queries."),)
        self._number = self.app.holes.look(*_sides(self.key), self.followed)
        self._tell("ranking")

    def _count_soon(self) -> None:
        self._stop_timer()
        self._soon = self.set_timer(_COUNT_S, self._count)

    def _count(self) -> None:
        self.app.holes.count(self.rows.queue, self._said)

    def _stop_timer(self) -> None:
        if self._soon is not None:
            self._soon.stop()
            self._soon = None

    def _tell(self, note: str = "", ink: str = "faint") -> None:
        told: Piece = (ink, note)
        if not note and self.rows.grades:
            done = len(self.rows.grades)
            told = ("key", f"{done:,} of these {len(self.rows.queue):,} graded; r renews the order")
        assert self.key is not None
        self.head.show(_sides(self.key), self.holes, told)


def _sides(key: EvaluationKey) -> tuple[str, str]:
    return key.baseline, key.candidate
