"""Why a hit is where it is, asked of the search thread a piece at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual.message import Message

from engine.ranking.comparison import Comparison
from workbench.messages import Trouble
from workbench.searching import Abandoned, ComparerLike, SearchThread, trouble_of

if TYPE_CHECKING:
    from engine.ranking.judged_near import Nearby
    from engine.ranking.why import Why


@dataclass(frozen=True, slots=True)
class Wanted:
    """The hit to explain; `builds` are those that answered, left and right."""

    query: str
    product_id: str
    baseline: str
    candidate: str
    builds: tuple[str, str]


def wanted_of(comparison: Comparison, product_id: str) -> Wanted:
    left, right = comparison.baseline, comparison.candidate
    builds = (left.build, right.build)
    return Wanted(comparison.query, product_id, left.encoder, right.encoder, builds)


class Explained(Message):
    """Why a hit is where it is (a `Why`), or trouble."""

    def __init__(self, wanted: Wanted, why: Why | None, trouble: Trouble | None = None) -> None:
        super().__init__()
        self.wanted = wanted
        self.why = why
        self.trouble = trouble


class NearbyKnown(Message):
    """The judged queries nearest to the hit's, or how far their vectors have come (a `Nearby`)."""

    def __init__(self, wanted: Wanted, nearby: Nearby) -> None:
        super().__init__()
        self.wanted = wanted
        self.nearby = nearby

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, NearbyKnown)


class Explaining:
    """Explains one hit at a time: a newer one, or `leave`, abandons the one before.

    `ask` and `leave` are for the event loop and wait for nothing. Searches pass between the pieces
    of an explanation, and other questions, too, between those of the judged queries' vectors.
    """

    def __init__(self, searcher: SearchThread) -> None:
        self._searcher = searcher
        self._wanted: Wanted | None = None

    def ask(self, wanted: Wanted) -> None:
        """`Explained` follows, then `NearbyKnown` until its `Nearby` is ready."""
        self._wanted = wanted
        self._searcher.ask(partial(self._explain, wanted=wanted))

    def leave(self) -> None:
        self._wanted = None

    def _pause(self, wanted: Wanted) -> None:
        self._searcher.let_pass()
        if self._wanted is not wanted:
            raise Abandoned

    def _explain(self, comparer: ComparerLike, wanted: Wanted) -> Message:
        self._pause(wanted)
        try:
            why = comparer.explain(
                wanted.query,
                wanted.product_id,
                wanted.baseline,
                wanted.candidate,
                pause=partial(self._pause, wanted),
            )
        except Abandoned:
            raise
        except Exception as error:
            return Explained(wanted, None, trouble_of(error))
        self._searcher.ask(partial(self._near, wanted=wanted))
        return Explained(wanted, why)

    def _near(self, comparer: ComparerLike, wanted: Wanted) -> Message:
        self._pause(wanted)
        nearby = comparer.nearby(wanted.query, wanted.product_id, wanted.baseline, wanted.candidate)
        if not nearby.ready:
            self._searcher.ask(partial(self._near, wanted=wanted))
        return NearbyKnown(wanted, nearby)
