"""What the Train screen needs from disk: the basket, and jobs started and taken up again.

The basket is made on a thread of its own, of which the newest wish wins. What it has to ask of the
encoders it asks the search thread, which holds them, between two searches.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.message import Message

from engine.workspace import Workspace
from workbench.cancelling import beside
from workbench.messages import BasketKnown, JobBegun
from workbench.read_only import writes
from workbench.searching import SearchThread, trouble_of

if TYPE_CHECKING:
    from engine.training.basket import Basket, Top

START = "start"
"""The name of the work of starting a run."""
RECIPE = "flags"
SOURCES = ("flags", "both", "judgments")


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
        self.starting = False
        """Whether a run is being started; it outlives the screen on which that was asked for."""

    def look(self, choice: Choice) -> None:
        """Make the basket of `choice`; `BasketKnown` follows, unless another look comes first."""
        with self._condition:
            self._wanted = choice
            self._condition.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="basket", daemon=True)
                self._thread.start()

    @writes
    def begin(self, choice: Choice) -> None:
        """Start a training job; `JobBegun` follows, or `TaskFailed`. Not while one is starting."""
        if self.starting:
            return
        self.starting = True

        def ended(message: Message) -> None:
            self.starting = False
            self._post(message)

        def work() -> Message:
            return self._start(choice.params())

        beside(work, START, ended)

    @writes
    def again(self, name: str) -> None:
        """Start the run that made the encoder `name` once more, from its card."""

        def work() -> Message:
            from engine.jobs.from_card import params_from_card

            return self._start(*params_from_card(self._workspace, name))

        beside(work, "again", self._post)

    @writes
    def resume(self, job_id: str) -> None:
        """Take up a job that died or was cancelled; `JobBegun` follows, or `TaskFailed`."""

        def work() -> Message:
            from engine import supervise

            return JobBegun(supervise.resume(self._workspace, job_id).id, resumed=True)

        beside(work, "resume", self._post)

    def _start(self, params: dict[str, Any], notes: Sequence[str] = ()) -> JobBegun:
        """Check what a run would be made of, and start it."""
        from engine import supervise
        from engine.jobs.material import check_basket
        from engine.jobs.train import check

        check(self._workspace, params)
        check_basket(self._workspace, params, self._top(params))
        return JobBegun(supervise.start(self._workspace, "train", params).id, notes=notes)

    def _run(self) -> None:
        while True:
            with self._condition:
                while self._wanted is None:
                    self._condition.wait()
                choice, self._wanted = self._wanted, None
            try:
                message = BasketKnown(choice, _recipes(), self._basket(choice))
            except Exception as error:
                message = BasketKnown(choice, {}, None, trouble_of(error))
            with self._condition:
                overtaken = self._wanted is not None
            if not overtaken:
                self._post(message)

    def _basket(self, choice: Choice) -> Basket:
        from engine.jobs.material import read_basket

        params = choice.params()
        return read_basket(self._workspace, params, top=self._top(params))

    def _top(self, params: Mapping[str, Any]) -> Top:
        """What sides rank highest, asked of the encoders that the app holds already."""
        from workbench.asking import Asker

        return Asker(self._searcher, str(params.get("base") or "base"))


def _recipes() -> dict[str, tuple[str, ...]]:
    """Source -> the recipes that train on it."""
    from engine.training.recipe import list_recipes

    found = list_recipes()
    return {source: tuple(r.name for r in found if source in r.sources) for source in SOURCES}
