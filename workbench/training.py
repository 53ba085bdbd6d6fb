"""What the Train screen needs from disk: the basket, and jobs started and taken up again.

The basket is made on a thread of its own, of which the newest wish wins. What it has to ask of the
encoders it asks the search thread, which holds them, between two searches.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.message import Message

from engine.errors import RankbenchError
from engine.workspace import Workspace
from workbench.cancelling import beside
from workbench.messages import BasketKnown, JobBegun
from workbench.searching import LOADING, ComparerLike, SearchThread, trouble_of

if TYPE_CHECKING:
    from engine.training.basket import Basket

RECIPE = "flags"
SOURCES = ("flags", "both", "judgments")
_TOP = 10
# An encoder may have to be loaded before it can say what it ranks highest.
_ANSWER_S = 60.0
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person chose to train on.

    Attributes:
        name: of the new encoder, "" for the next free one.
        deselected: (query, product id) of verdicts left out.
    """

    recipe: str = RECIPE
    source: str = SOURCES[0]
    name: str = ""
    include_test: bool = False
    deselected: frozenset[tuple[str, str]] = frozenset()

    def params(self) -> dict[str, Any]:
        """As the job takes them."""
        return {
            "recipe": self.recipe,
            "name": self.name,
            "source": self.source,
            "include_test": self.include_test,
            "deselected": [list(pair) for pair in sorted(self.deselected)],
        }


class Trainer:
    """Looks into the basket and starts jobs. No method waits."""

    def __init__(
        self, workspace: Workspace, searcher: SearchThread, post: Callable[[Message], object]
    ) -> None:
        self._workspace = workspace
        self._searcher = searcher
        self._post = post
        self._condition = threading.Condition()
        self._wanted: Choice | None = None
        self._thread: threading.Thread | None = None

    def look(self, choice: Choice) -> None:
        """Make the basket of `choice`; `BasketKnown` follows, unless another look comes first."""
        with self._condition:
            self._wanted = choice
            self._condition.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="basket", daemon=True)
                self._thread.start()

    def begin(self, choice: Choice) -> None:
        """Start a training job; `JobBegun` follows, or `TaskFailed`."""

        def work() -> Message:
            from engine import supervise
            from engine.jobs.material import check_basket
            from engine.jobs.train import check

            params = choice.params()
            check(self._workspace, params)
            check_basket(self._workspace, params)
            return JobBegun(supervise.start(self._workspace, "train", params).id)

        beside(work, "start", self._post)

    def again(self, name: str) -> None:
        """Start the run that made the encoder `name` once more, from its card."""

        def work() -> Message:
            from engine import supervise
            from engine.jobs.from_card import params_from_card
            from engine.jobs.material import check_basket
            from engine.jobs.train import check

            params, notes = params_from_card(self._workspace, name)
            check(self._workspace, params)
            check_basket(self._workspace, params)
            return JobBegun(supervise.start(self._workspace, "train", params).id, notes=notes)

        beside(work, "start", self._post)

    def resume(self, job_id: str) -> None:
        """Take up a job that died or was cancelled; `JobBegun` follows, or `TaskFailed`."""

        def work() -> Message:
            from engine import supervise

            return JobBegun(supervise.resume(self._workspace, job_id).id, resumed=True)

        beside(work, "resume", self._post)

    def _run(self) -> None:
        while True:
            with self._condition:
                while self._wanted is None:
                    self._condition.wait()
                choice, self._wanted = self._wanted, None
            try:
                message = BasketKnown(choice, _recipes(), self._basket(choice))
            except Exception as error:
                message = BasketKnown(choice, (), None, trouble_of(error))
            with self._condition:
                overtaken = self._wanted is not None
            if not overtaken:
                self._post(message)

    def _basket(self, choice: Choice) -> Basket:
        from engine.jobs.material import read_basket

        return read_basket(self._workspace, choice.params(), top=self._top)

    def _top(self, side: str, query: str) -> Sequence[str]:
        """What `side` ranks highest for `query`; empty where it cannot answer."""
        limit = time.monotonic() + _ANSWER_S
        asked = False
        while time.monotonic() < limit:
            found = self._asked(side, query, limit - time.monotonic())
            if found is not None:
                return found
            if not asked:
                self._searcher.load(side)
                asked = True
            time.sleep(_POLL_S)
        return ()

    def _asked(self, side: str, query: str, wait: float) -> Sequence[str] | None:
        """The product ids; None while the side's encoder is being loaded."""
        answer: list[Sequence[str] | None] = [()]
        done = threading.Event()

        def task(comparer: ComparerLike) -> None:
            try:
                answer[0] = _highest(comparer, side, query)
            finally:
                done.set()

        self._searcher.ask(task)
        done.wait(wait)
        return answer[0]


def _highest(comparer: ComparerLike, side: str, query: str) -> Sequence[str] | None:
    known = next((status for status in comparer.sides() if status.name == side), None)
    if known is None or not known.ready:
        return None if known is not None and known.why == LOADING else ()
    try:
        shown = comparer.compare(query, side, side, k=_TOP)
    except RankbenchError:
        return ()
    return [hit.product_id for hit in shown.baseline.hits]


def _recipes() -> tuple[str, ...]:
    from engine.training.recipe import list_recipes

    return tuple(recipe.name for recipe in list_recipes())
