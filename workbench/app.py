"""The app: it owns the threads, routes their messages to the screens, and holds the keys.

Screens paint, threads compute; nothing here encodes, searches or reads disk once it runs. Torch,
LanceDB and polars are imported by the search thread after the first paint.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

# Textual gathers repaints into frames. At its 60 a second a key waits 8 ms on average for its
# frame; at 120 it waits 4. Read once, when Textual is imported.
os.environ.setdefault("TEXTUAL_FPS", "120")

from textual.binding import Binding, BindingType
from textual.notifications import Notification

from engine.catalog.queries import JudgedQuery
from engine.workspace import Workspace
from workbench import judging, messages, saved, themes
from workbench.background import Background
from workbench.cancelling import CancelJob, canceller_of
from workbench.choices import keep_choices
from workbench.evaluating import Evaluations
from workbench.holes import HoleFinder
from workbench.judging import Judging
from workbench.messages import EvaluationKey, PaintRecord, Request, Trouble
from workbench.notices import Notices
from workbench.palette import QueryCommands, WorkbenchCommands
from workbench.presenting import Presenter
from workbench.screens.compare import CompareScreen
from workbench.searching import ComparerLike, SearchThread, SideLike, Task, opener_of
from workbench.shelf import Shelf
from workbench.sides import Sides
from workbench.status import status_groups
from workbench.text import printable
from workbench.training import Trainer
from workbench.watching import FindJobs, Watcher, jobs_of

_SETTLED_S = 1.5
_LOOK_S = 2.0
"""How often what another process has said is looked for."""
_ERROR_S = 10.0


class RankbenchApp(Background):
    """Two rankings side by side, live."""

    TITLE = "rankbench"
    CSS_PATH = Path(__file__).with_name("app.tcss")
    NOTIFICATION_TIMEOUT = 4.0
    MODES: ClassVar[dict[str, Any]] = {"compare": "compare"}
    DEFAULT_MODE = "compare"
    COMMANDS: ClassVar[set[Any]] = {WorkbenchCommands, QueryCommands}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "help", "Help", id="app.help"),
        Binding("f2", "queries", "Queries", id="app.queries"),
        Binding("f3", "pick('baseline')", "Left side", id="app.baseline"),
        Binding("f4", "pick('candidate')", "Right side", id="app.candidate"),
        Binding("f5", "train", "Train", id="app.train"),
        Binding("f6", "encoders", "Encoders", id="app.encoders"),
        Binding("f7", "newest_run", "The newest run", id="app.newest-run"),
        Binding("f9", "present", "Present", id="app.present"),
        # Prior: it works over a box, too.
        Binding("f8", "put_right", "Newest on the right", id="app.put-right", priority=True),
        Binding("f10,ctrl+q", "quit", "Quit", id="app.quit", priority=True),
    ]

    def __init__(
        self,
        workspace: Workspace,
        comparer_factory: Callable[[], ComparerLike] | None = None,
        *,
        find_jobs: FindJobs | None = None,
        cancel_job: CancelJob | None = None,
        read_only: bool = False,
        presenting: Path | None = None,
    ) -> None:
        """`presenting` opens the app on Present, with the list of queries in that file."""
        super().__init__()
        for theme in themes.THEMES:
            self.register_theme(theme)
        workspace = self.workspace = replace(workspace, read_only=read_only)
        self.settings = workspace.settings
        self.judged: tuple[JudgedQuery, ...] = ()
        self.trouble: Trouble | None = None
        self.paint_log: deque[PaintRecord] = deque(maxlen=10_000)
        self.evaluations = Evaluations(
            self.evaluated_screen, lambda: self.evaluation_key, self.holes_screen
        )
        self.judging = Judging(workspace, self.post_message)
        self.unkept = 0
        """Once the app has ended: how much of what was said could not be written."""
        self._notices = Notices(self)
        self._told = saved.ended_before(workspace.cache_dir)
        self._wishes = saved.awaited_before(workspace.cache_dir)
        self._opened = False
        self._sides = Sides()
        self._cancel = cancel_job or canceller_of(workspace)
        self._number = 0
        self._query = ""
        self._answering: tuple[str, str] = ("", "")
        self._pending: tuple[int, PaintRecord] | None = None
        self.searcher = SearchThread(comparer_factory or opener_of(workspace), self.post_message)
        self.holes = HoleFinder(self.searcher, self.post_message)
        self.trainer = Trainer(workspace, self.searcher, self.post_message)
        self.presenter = Presenter(workspace, self.searcher, self.post_message, presenting)
        self.shelf = Shelf(workspace, self.post_message)
        self.watcher = Watcher(
            find_jobs or jobs_of(workspace), workspace.encoders_dir, self.post_message
        )
        # Before the loop runs: a small file, so that the first paint is not an empty page.
        self.compare = CompareScreen(saved.load(workspace.cache_dir), self.judging.marks)
        self.install_screen(self.compare, "compare")
        chosen = self.settings.theme
        self.theme = chosen if chosen in self.available_themes else themes.DEFAULT

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.fallback_variables(self.current_theme.dark)

    def on_mount(self) -> None:
        self.watch(self, "theme", self._theme_chosen, init=False)
        self._settle = self.set_interval(_SETTLED_S, self._keep_comparison, pause=True)
        self.set_interval(_LOOK_S, self.judging.recorder.look)
        if self.presenter.from_the_start:
            self.action_present()
        # After the first paint: imports hold the interpreter, and the paint must not wait.
        self.call_after_refresh(self._start_threads)
        self.update_status()

    def _start_threads(self) -> None:
        # The thread that paints must not wait 5 ms for the one that searches to yield.
        sys.setswitchinterval(0.001)
        self.judging.recorder.start()
        self.presenter.read()
        self.searcher.start()
        self.watcher.start()

    def on_unmount(self) -> None:
        self.watcher.stop()
        self._keep_comparison()
        self.keep_told()
        self.unkept = self.judging.recorder.stop()
        self.searcher.stop()

    # Searching

    @property
    def wanted(self) -> tuple[str, str]:
        """The sides the person chose, left and right."""
        return self._sides.wanted(self.settings)

    @property
    def opened(self) -> bool:
        """Whether the workspace has been read: what it lacks is not only late then."""
        return self._opened

    @property
    def sides(self) -> tuple[SideLike, ...]:
        """Every side that can be chosen."""
        return self._sides.known

    @property
    def standing(self) -> tuple[str, str]:
        """The two sides that answer now."""
        left, right = self.wanted
        return self._sides.standing(left), self._sides.standing(right)

    def search(self, query: str, pressed: float) -> None:
        """Ask for `query` on both sides; the newest request wins."""
        self._number += 1
        self._query = query
        if not query.strip():
            self.searcher.forget()
            self.compare.show_empty(self._number)
            return
        self._answering = self.standing
        self.searcher.submit(Request(self._number, query, *self._answering, pressed))

    def search_again(self) -> None:
        """Ask for the query on the screen once more, because the sides changed."""
        query = self.compare.query_line.value
        if self.compare.is_saved and self._sides.are_awaited(self.wanted):
            # What was saved tells more than bm25 standing in for both.
            return
        if query.strip():
            self.search(query, time.monotonic())
        else:
            self.compare.show_empty(self._number)

    def on_answered(self, message: messages.Answered) -> None:
        request = message.request
        if request.number < self.compare.shown_number or not self._query.strip():
            return
        if message.comparison is None:
            self.compare.show_trouble(message.trouble or Trouble("No answer."), request.number)
            return
        self.judging.marks.answered(request.number)
        self.compare.show(message.comparison, request.number)
        self._renew()
        self._pending = (
            request.number,
            PaintRecord(request.query, request.pressed, 0.0, message.comparison.elapsed_ms),
        )
        self._settle.reset()
        self._settle.resume()

    def _renew(self) -> None:
        """What else is shown of the comparison follows it."""
        comparison = self.compare.comparison
        if comparison is not None and (product := self.product_screen()):
            product.renew(comparison)
        self.update_status()

    def post_display_hook(self) -> None:
        # Textual calls this after a frame went to the driver.
        if self._pending is not None and self.compare.is_painted(self._pending[0]):
            self.paint_log.append(self._pending[1]._replace(painted=time.monotonic()))
            self._pending = None

    def _keep_comparison(self) -> None:
        self._settle.pause()
        comparison = self.compare.comparison
        if comparison is not None and not self.compare.is_saved:
            directory = self.workspace.cache_dir
            self._write(lambda _: saved.store(directory, comparison))
            # The person has paused: time to see what another process has indexed meanwhile.
            self.searcher.refresh_sides()

    # Judging

    def on_recorded(self, message: messages.Recorded) -> None:
        if message.verdicts or message.separated:
            # Of nothing to undo no count follows that it could be told by.
            self.judging.own = True
        self.judging.marks.take(message, self._number)
        self.compare.remark()
        self._renew()
        if product := self.product_screen():
            product.remark(self.judging.marks)
        if holes := self.holes_screen():
            holes.take(message)
        comparison = self.compare.comparison
        text = judging.news(message, comparison) or self.judging.held_out(message, comparison)
        if text:
            self.say(text + self.judging.whose(message), kind="recorded")
        if message.verdicts or message.separated:
            # The measures, and what other spellings say, follow.
            self.search_again()

    def on_recording_failed(self, message: messages.RecordingFailed) -> None:
        self.say(f"Not kept. {message.trouble.what} {message.trouble.todo}", "error")

    def on_standing(self, message: messages.Standing) -> None:
        if self.judging.count(message):
            if self.judging.others_spoke():
                # Their marks belong on the rows.
                self.search_again()
            self.evaluations.forget()
            self.evaluations.renew()
            if train := self.train_screen():
                train.renew()
        self.update_status()

    # What the threads say

    def on_opened(self, message: messages.Opened) -> None:
        self._opened, self.trouble = True, None
        self.judged = message.judged
        self.compare.query_line.complete_from(query.query for query in self.judged)
        self.search_again()
        self.evaluations.renew(anyway=True)
        self.update_status()

    def on_opening_failed(self, message: messages.OpeningFailed) -> None:
        self.trouble = message.trouble
        self._number += 1
        todo = f"{message.trouble.todo} The next key tries again.".strip()
        self.compare.show_trouble(replace(message.trouble, todo=todo), self._number)
        if present := self.present_screen():
            present.show()
        self.update_status()

    def open_again(self) -> None:
        """After a failed opening: what it lacked may be there now."""
        self.trouble = None
        self.searcher.retry()
        self.update_status()

    def on_sides_known(self, message: messages.SidesKnown) -> None:
        gone = {name for name in self.wanted if self._sides.is_gone(name)}
        changed, self._sides.known = message.sides != self._sides.known, message.sides
        self._tell_gone(gone)
        self._load_wanted()
        if self.standing != self._answering:
            self.search_again()
            self.evaluations.renew()
        if changed and self.encoders_screen():
            self.shelf.look()
        self.update_status()

    def _tell_gone(self, before: Collection[str]) -> None:
        for place, name in zip(("left", "right"), self.wanted, strict=True):
            if name not in before and self._sides.is_gone(name):
                self.say(f"{name} was removed: bm25 answers on the {place} meanwhile.", "warning")

    def on_side_loaded(self, message: messages.SideLoaded) -> None:
        self._sides.loaded(message.name)
        if message.name in self._answering:
            # It answered from an index that has been replaced; now it answers from the new one.
            self.evaluations.forget()
            self.search_again()
            self.evaluations.renew(anyway=True)

    def on_side_failed(self, message: messages.SideFailed) -> None:
        self._sides.fail(message.name, message.trouble)
        self.search_again()
        self.update_status()

    def _load_wanted(self) -> None:
        for name in self._sides.to_load(self.wanted):
            self.searcher.load(name)

    def update_status(self) -> None:
        groups = status_groups(
            self.settings,
            opened=self._opened,
            trouble=self.trouble,
            judged=len(self.judged),
            sides=self.sides,
            wanted=self.wanted,
            failed=self._sides.failed,
            jobs=self.jobs,
            verdicts=self.judging.standing,
            shared_from=self.compare.shared_from,
            read_only=self.workspace.read_only,
        )
        self.compare.show_status(groups)

    def say(
        self,
        text: str,
        severity: Any = "information",
        seconds: float | None = None,
        kind: str = "",
    ) -> None:
        """A short notice; product text may be in it, so it is never read as markup.

        It takes the place of one of the same `kind`, which is its words where none is named.
        """
        usual = _ERROR_S if severity == "error" else self.NOTIFICATION_TIMEOUT
        text = printable(text)
        notice = Notification(text, severity=severity, timeout=seconds or usual, markup=False)
        self._notices.show(kind or text, notice)

    # Evaluating

    @property
    def evaluation_key(self) -> EvaluationKey:
        """The two sides that answer now, and what people have said by now."""
        return EvaluationKey(*self.standing, self.judging.last)

    def evaluate(self, key: EvaluationKey) -> None:
        self.searcher.evaluate(key)

    # Actions

    def choose_side(self, place: str, name: str) -> None:
        """Put the side `name` on the left (`baseline`) or the right (`candidate`) and keep it."""
        self._change(**{place: name})
        self._sides.forget(name)
        self._load_wanted()
        self.search_again()
        self.evaluations.renew()
        if encoders := self.encoders_screen():
            encoders.renew()
        self.update_status()

    def _theme_chosen(self, name: str) -> None:
        if name != self.settings.theme:
            self._change(theme=name)

    def _change(self, **values: str) -> None:
        self.settings = replace(self.settings, **values)
        self._write(keep_choices(self.workspace.root, values))

    def _write(self, task: Task) -> None:
        """Have `task` write what nobody asked to be written; in a read-only session it is not."""
        if not self.workspace.read_only:
            self.searcher.ask(task)
