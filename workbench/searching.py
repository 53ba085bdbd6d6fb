"""The one search thread, its mailbox of size one, and the thread that loads encoders.

The event loop never encodes, searches or reads disk: it leaves a request here and gets a message
back. One search is in flight and one waits; a newer one takes the waiting one's place, so there is
no backlog and no fixed delay. Slower questions (one product, the sides, an evaluation, a setting
to write) wait in a queue behind the searches; an evaluation lets waiting searches, and what is
asked for soon, pass between two of its steps, on the same thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from textual.message import Message

from engine.catalog.queries import JudgedQuery
from engine.errors import RankbenchError
from engine.workspace import Workspace
from workbench import messages
from workbench.messages import EvaluationKey, Request, Trouble

if TYPE_CHECKING:
    from engine.ranking.comparison import Comparison
    from engine.ranking.judged_near import Nearby
    from engine.ranking.why import Why

# More rows than the tallest terminal shows, so that a list scrolls without another search.
ROWS = 50
LOADING = "loading"
"""`why` of a side whose index is not in memory yet: it only has to be loaded."""


class SideLike(Protocol):
    """What the app reads of a side's status."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def ready(self) -> bool: ...
    @property
    def why(self) -> str: ...
    @property
    def tuned(self) -> bool: ...


class ComparerLike(Protocol):
    """What the app asks of `engine.ranking.comparer.Comparer`.

    `prepare` loads a side whose `why` is `LOADING`, on the loading thread, beside the others, which
    all run on the search thread. Such a side may be ready: it answers from an index since replaced.
    """

    def compare(self, query: str, baseline: str, candidate: str, k: int = 20) -> Comparison: ...
    def sides(self) -> Sequence[SideLike]: ...
    def prepare(self, name: str) -> None: ...
    def judged_queries(self) -> Sequence[JudgedQuery]: ...
    def product(self, product_id: str) -> Mapping[str, str]: ...
    def titles(self) -> Mapping[str, str]: ...
    def evaluate(
        self,
        baseline: str,
        candidate: str,
        candidates: str = "catalog",
        split: str = "all",
        progress: Callable[[int, int], None] | None = None,
    ) -> Any: ...
    def top_tens(
        self,
        baseline: str,
        candidate: str,
        split: str = "unseen",
        progress: Callable[[int, int], None] | None = None,
        only: Collection[str] | None = None,
    ) -> Any: ...
    def holes(self, tops: Any) -> Any: ...
    def explain(
        self,
        query: str,
        product_id: str,
        baseline: str,
        candidate: str,
        pause: Callable[[], object] = lambda: None,
    ) -> Why: ...
    def nearby(self, query: str, product_id: str, baseline: str, candidate: str) -> Nearby: ...
    def refresh(self) -> None: ...
    def close(self) -> None: ...


Task = Callable[[ComparerLike], Message | None]


class Abandoned(Exception):
    """Raised inside a long task that nobody waits for any more."""


class SearchThread:
    """Owns the comparer. Every method may be called from the event loop; none of them waits."""

    def __init__(
        self, factory: Callable[[], ComparerLike], post: Callable[[Message], object]
    ) -> None:
        self._factory = factory
        self._post = post
        self._condition = threading.Condition()
        self._waiting: Request | None = None
        self._tasks: deque[Task] = deque()
        self._soon: deque[Task] = deque()
        self._to_load: deque[str] = deque()
        self._evaluation: EvaluationKey | None = None
        self._retrying = False
        self._stopping = False
        self._comparer: ComparerLike | None = None
        # Daemons: leaving the app must not wait for an import or a long evaluation.
        self._thread = threading.Thread(target=self._run, name="search", daemon=True)
        self._loader = threading.Thread(target=self._load, name="load", daemon=True)
        self.searches = 0
        """Searches that ran, for tests and benchmarks."""
        self.trouble: Trouble | None = None
        """Why nothing can answer, after a failed opening until the next try."""

    def start(self) -> None:
        self._thread.start()

    def submit(self, request: Request) -> None:
        """Ask for a search; a request still waiting is forgotten.

        After a failed opening it also opens again.
        """
        with self._condition:
            self._waiting = request
            self._condition.notify_all()

    def retry(self) -> None:
        """Open again after a failed opening."""
        with self._condition:
            self._retrying = True
            self._condition.notify_all()

    def forget(self) -> None:
        """Drop the waiting search, if any."""
        with self._condition:
            self._waiting = None

    def ask(self, task: Task, *, soon: bool = False) -> None:
        """Run `task` when no search waits, and post the message it returns.

        Args:
            soon: before the others, and between two steps of a long one, as a search. Not for
                what writes: it would overtake what was to be written before.
        """
        with self._condition:
            (self._soon if soon else self._tasks).append(task)
            self._condition.notify_all()

    def let_pass(self) -> None:
        """Answer the waiting search, if any, and what was asked for soon.

        For a long task, between two of its steps.

        Raises:
            Abandoned: the app is leaving.
        """
        if self._stopping:
            raise Abandoned
        self._search_waiting()

    def load(self, name: str) -> None:
        """Load the side `name` beside the searches.

        `SideLoaded` or `SideFailed` follows, then `SidesKnown`.
        """
        with self._condition:
            if name not in self._to_load:
                self._to_load.append(name)
            self._condition.notify_all()

    def is_loading(self, name: str) -> bool:
        """Whether the side `name` is still to be loaded."""
        with self._condition:
            return name in self._to_load

    def refresh_sides(self, *, reread: bool = False) -> None:
        """Post the sides as they are now; `reread` also forgets what is kept of the catalog."""

        def refresh(comparer: ComparerLike) -> Message:
            if reread:
                comparer.refresh()
            return messages.SidesKnown(comparer.sides())

        self.ask(refresh)

    def evaluate(self, key: EvaluationKey) -> None:
        """Run the query set through `key`'s sides; an evaluation of other sides is abandoned."""
        with self._condition:
            if self._evaluation == key:
                return
            self._evaluation = key
        self.ask(lambda comparer: self._evaluate(comparer, key))

    def stop(self, wait: float = 1.0) -> None:
        """End the threads after the step they are in, waiting at most `wait` seconds."""
        with self._condition:
            self._stopping = True
            self._waiting = None
            self._soon.clear()
            self._evaluation = None
            self._condition.notify_all()
        if self._thread.is_alive():
            self._thread.join(wait)

    def _run(self) -> None:
        while not self._open():
            if not self._may_retry():
                return
        self._loader.start()
        while True:
            with self._condition:
                while not (self._waiting or self._soon or self._tasks or self._stopping):
                    self._condition.wait()
                first = self._waiting or self._soon
                task = None if first or not self._tasks else self._tasks.popleft()
                if self._stopping and task is None:
                    break
            if task is None:
                self._search_waiting()
            else:
                self._run_task(task)
        if self._comparer is not None:
            self._comparer.close()

    def _open(self) -> bool:
        try:
            comparer = self._factory()
            judged = comparer.judged_queries()
            sides = comparer.sides()
        except Exception as error:
            self.trouble = trouble_of(error)
            self._post(messages.OpeningFailed(self.trouble))
            return False
        self._comparer = comparer
        self._post(messages.Opened(judged))
        self._post(messages.SidesKnown(sides))
        return True

    def _may_retry(self) -> bool:
        """Wait until somebody wants an answer after all; False where the app is leaving."""
        with self._condition:
            # What was asked before has its answer: the opening failed.
            self._waiting, self._retrying = None, False
            while not (self._waiting or self._retrying or self._stopping):
                self._condition.wait()
            self.trouble = None
            return not self._stopping

    def _search_waiting(self) -> None:
        """The search that waits, if any, then what was asked for soon."""
        self._search()
        while self._soon:
            with self._condition:
                task = self._soon.popleft() if self._soon else None
            if task is not None:
                self._run_task(task)

    def _search(self) -> None:
        with self._condition:
            request, self._waiting = self._waiting, None
        if request is None or self._comparer is None:
            return
        self.searches += 1
        try:
            comparison = self._comparer.compare(
                request.query, request.baseline, request.candidate, k=ROWS
            )
        except Exception as error:
            self._post(messages.Answered(request, None, trouble_of(error)))
        else:
            self._post(messages.Answered(request, comparison))

    def _run_task(self, task: Task) -> None:
        assert self._comparer is not None
        try:
            message = task(self._comparer)
        except Abandoned:
            return
        except Exception as error:
            message = messages.TaskFailed(trouble_of(error))
        if message is not None:
            self._post(message)

    def _evaluate(self, comparer: ComparerLike, key: EvaluationKey) -> Message:
        def progress(done: int, total: int) -> None:
            if self._evaluation != key:
                raise Abandoned
            self._post(messages.EvaluationProgress(key, done, total))
            self._search_waiting()

        try:
            if self._evaluation != key:
                raise Abandoned
            evaluation = comparer.evaluate(
                key.baseline, key.candidate, candidates="catalog", split="all", progress=progress
            )
            return messages.Evaluated(key, evaluation.to_json(per_query=True))
        except Abandoned:
            raise
        except Exception as error:
            return messages.Evaluated(key, {}, trouble_of(error))
        finally:
            with self._condition:
                if self._evaluation == key:
                    self._evaluation = None

    def _load(self) -> None:
        while True:
            with self._condition:
                while not (self._to_load or self._stopping):
                    self._condition.wait()
                if self._stopping or self._comparer is None:
                    return
                name = self._to_load[0]
            news: Message = messages.SideLoaded(name)
            try:
                self._comparer.prepare(name)
            except Exception as error:
                news = messages.SideFailed(name, trouble_of(error))
            with self._condition:
                self._to_load.remove(name)
            self._tell_of_load(news)

    def _tell_of_load(self, news: Message) -> None:
        # On the search thread: sides it looked up before this are then posted before this.
        def tell(comparer: ComparerLike) -> Message:
            self._post(news)
            return messages.SidesKnown(comparer.sides())

        self.ask(tell)


def opener_of(workspace: Workspace) -> Callable[[], ComparerLike]:
    """Open the engine's comparer; called, and so imported, on the search thread."""

    def opened() -> ComparerLike:
        from workbench.live import LiveComparer

        return LiveComparer(workspace)

    return opened


def trouble_of(error: Exception) -> Trouble:
    """Any exception as two lines that a person can read."""
    if isinstance(error, RankbenchError):
        return Trouble(error.what, error.todo)
    what = f"{type(error).__name__}: {error}".strip().rstrip(":")
    return Trouble(
        what, "Type on to try again; if it stays, `rankbench search` prints the details."
    )
