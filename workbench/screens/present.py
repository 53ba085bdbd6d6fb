"""Present: a list of queries for a room of people, one fact at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from workbench import messages
from workbench.concluding import Concluded, Conclusion
from workbench.messages import EvaluationKey, Trouble
from workbench.present_pages import Lines, list_page, numbers_page, query_page, whole_page, wrapped
from workbench.presenting import STEPS, Presented
from workbench.text import printable
from workbench.widgets.lines import Key, KeyLine
from workbench.widgets.stage import Foot, Stage

if TYPE_CHECKING:
    from workbench.app import RankbenchApp

KEYS = (
    Key("Space", "next", "screen.forward"),
    Key("←", "back", "screen.back"),
    Key("/", "type", "screen.type"),
    Key("x", "take out", "screen.take_out", "out"),
    Key("⇧↑↓", "move"),
    Key("u", "undo", "screen.undo"),
    Key("t", "clock", "screen.clock"),
    Key("F1", "help", "app.help"),
    Key("^P", "all commands", "app.command_palette", "more"),
)
_TICK_S = 0.5


class PresentScreen(Screen[None]):
    """Shows the page that the app's presenter stands on.

    Keys that are not its own do nothing: a stray one must not change what a room looks at.
    """

    app: RankbenchApp
    HELP = "in Present"
    CSS_PATH = "present.tcss"
    VERTICAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = [(0, "-flat"), (12, "-high")]
    BINDINGS: ClassVar[list[BindingType]] = [
        # Page up and down are what a presenter's remote control sends.
        Binding("space,right,pagedown,enter", "forward", "Next", show=False, id="present.next"),
        Binding("left,shift+space,pageup,backspace", "back", "Back", show=False, id="present.back"),
        Binding("down", "query(1)", "Next query", show=False),
        Binding("up", "query(-1)", "Query before", show=False),
        Binding("home", "query(-1000000)", "First query", show=False),
        Binding("end", "query(1000000)", "Last page", show=False),
        Binding("slash,q,escape", "type", "Type in Compare", show=False, id="present.type"),
        Binding("x", "take_out", "Take the query out", show=False, id="present.out"),
        Binding("shift+up", "move(-1)", "Move it up", show=False, id="present.up"),
        Binding("shift+down", "move(1)", "Move it down", show=False, id="present.down"),
        Binding("d", "propose", "Wins and harms", show=False, id="present.propose"),
        Binding("u", "undo", "Undo", show=False, id="present.undo"),
        Binding("t", "clock", "Clock", show=False, id="present.clock"),
        Binding("r", "restart", "From the start", show=False, id="present.restart"),
        Binding("question_mark", "app.help", "Help", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.key: EvaluationKey | None = None
        self.conclusion: Conclusion | None = None
        self.trouble: Trouble | None = None
        self.progress = ""
        self.stage = Stage(id="stage")
        self.foot = Foot(id="foot")

    def compose(self) -> ComposeResult:
        yield self.stage
        yield self.foot
        yield KeyLine(KEYS, id="keys")

    def on_mount(self) -> None:
        self.presenter = self.app.presenter
        self.presenter.begin()
        # It may have been edited by hand since.
        self.presenter.read()
        self.set_interval(_TICK_S, self._show_foot)
        self.evaluate()

    def evaluate(self) -> None:
        """Present the app's sides as they are now."""
        self.key = self.app.evaluation_key
        self.conclusion, self.trouble, self.progress = None, None, ""
        kept = self.app.evaluations.results.get(self.key)
        if kept is not None:
            self._conclude(kept)
        elif self.app.judged:
            self.app.evaluate(self.key)
        self.show()

    # What the app shows here

    def show_progress(self, message: messages.EvaluationProgress) -> None:
        if message.key == self.key:
            self.progress = f"{message.done:,} of {message.total:,} judged queries"
            self._show_foot()

    def show_evaluated(self, message: messages.Evaluated) -> None:
        if message.key != self.key:
            return
        self.progress = ""
        if message.trouble is not None:
            self._conclude_with(None, message.trouble)
        else:
            self._conclude(message.result)

    def show_summary(self, message: messages.Summarised) -> None:
        """Of the rows of the Queries screen, which is closed."""

    def _conclude(self, result: Mapping[str, Any]) -> None:
        assert self.key is not None
        self.presenter.conclude(self.key, result, self.app.settings.unchanged)

    def show_conclusion(self, message: Concluded) -> None:
        if message.key == self.key:
            self._conclude_with(message.conclusion, message.trouble)

    def _conclude_with(self, found: Conclusion | None, trouble: Trouble | None) -> None:
        self.conclusion, self.trouble = found, trouble
        self.presenter.propose(found.proposed if found else ())
        self.show()

    def show_list(self) -> None:
        self.show()

    def show(self) -> None:
        """Paint the page."""
        if self.key is None:
            return
        answer = self.presenter.answer(self.key)
        self.stage.show(lambda width, height: self._page(answer, width, height))
        self._show_foot()

    def _page(self, answer: Presented | None, width: int, height: int) -> Lines:
        presenter, settings = self.presenter, self.app.settings
        if trouble := self.app.trouble or self._trouble_of(answer):
            return [
                *wrapped("error", printable(trouble.what), width),
                *wrapped("plain", printable(trouble.todo), width),
            ]
        if not presenter.queries:
            return self._nothing(width)
        if not presenter.query:
            assert self.key is not None
            names = (self.key.baseline, self.key.candidate)
            return whole_page(
                self.conclusion,
                names,
                settings.name,
                settings.unchanged,
                width,
                extremes=presenter.lines is None,
            )
        if presenter.step == 0:
            return query_page(presenter.query, width)
        if answer is None or answer.comparison is None:
            waits = "Space waits for them; ↓ goes on to the next query."
            return [[("faint", "Both sides are answering.")], *wrapped("faint", waits, width)]
        if presenter.step == STEPS - 1:
            return numbers_page(answer.comparison, settings.unchanged, width)
        place = "baseline" if presenter.step == 1 else "candidate"
        return list_page(answer.comparison, place, width, height)

    def _trouble_of(self, answer: Presented | None) -> Trouble | None:
        if not self.presenter.query:
            return self.trouble
        return answer.trouble if answer is not None and self.presenter.step else None

    def _nothing(self, width: int) -> Lines:
        awaited = self.app.judged or not self.app.opened
        if self.conclusion is None and awaited and self.presenter.lines is None:
            return [[("faint", "Looking for the best wins and the worst harms.")]]
        said = "No query is listed. In Compare's lists or in Queries p adds one"
        rest = "; d lists the best wins and worst harms." if self.presenter.proposed else "."
        return wrapped("plain", said + rest, width)

    def _show_foot(self) -> None:
        presenter = self.presenter
        total = len(presenter.queries)
        if not total:
            place = ""
        elif presenter.query:
            place = f"query {presenter.at + 1} of {total} · {presenter.step + 1} of {STEPS}"
        else:
            place = "the whole"
        kind = "" if presenter.lines is not None or not total else "best wins and worst harms"
        guard = "read-only" if self.app.workspace.read_only else ""
        minutes, seconds = divmod(presenter.elapsed, 60)
        clock = f"{minutes:02}:{seconds:02}" if presenter.clock else ""
        groups = (guard, place, self._late() or kind, self.progress)
        self.foot.show(" · ".join(filter(None, groups)), clock)

    def _late(self) -> str:
        """Which sides bm25 answers for, because they are not in memory or cannot be."""
        sides = zip(self.app.wanted, self.app.standing, strict=True)
        late = dict.fromkeys(printable(name) for name, stands in sides if stands != name)
        return f"bm25 answers for {', '.join(late)}" if late else ""

    # Keys

    def action_forward(self) -> None:
        """Go on to the next fact, unless the page still waits for its own."""
        if not self._waits():
            self.presenter.forward()
        self.show()

    def _waits(self) -> bool:
        """Whether the sides still answer the query of the page, and nothing is amiss."""
        if self.key is None or self.app.trouble is not None or not self.presenter.step:
            return False
        answer = self.presenter.answer(self.key)
        return answer is None or (answer.comparison is None and answer.trouble is None)

    def action_back(self) -> None:
        self.presenter.back()
        self.show()

    def action_query(self, by: int) -> None:
        self.presenter.go_to(self.presenter.at + by)
        self.show()

    def action_type(self) -> None:
        """Go to Compare with the query of the page, for the next key to replace; F9 comes back."""
        self.app.open_query(self.presenter.query or None, selected=True)

    def action_take_out(self) -> None:
        self.presenter.take_out()
        self.show()

    def action_move(self, by: int) -> None:
        self.presenter.move(by)
        self.show()

    def action_propose(self) -> None:
        self.presenter.propose_again()
        self.show()

    def action_undo(self) -> None:
        self.presenter.undo()
        self.show()

    def action_clock(self) -> None:
        self.presenter.clock = not self.presenter.clock
        self._show_foot()

    def action_restart(self) -> None:
        """The first page, and the clock at zero."""
        self.presenter.go_to(0)
        self.presenter.begin(again=True)
        self.show()
