"""Holes as the app finds them: ranked once on the search thread, then counted after each grading.

What the sides rank first does not change with a grade, so a count merges judgments and bounds and
ranks nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from engine.errors import RankbenchError
from workbench.messages import Trouble
from workbench.searching import ROWS, Abandoned, ComparerLike, SearchThread, trouble_of

if TYPE_CHECKING:
    from engine.evaluation.holes import Hole, Holes, TopTens
    from engine.ranking.comparison import Comparison

UNSEEN = "unseen"


@dataclass(frozen=True, slots=True)
class Followed:
    """Which queries the holes are of.

    Attributes:
        split: "unseen", "seen" or "all", as the sides have it whenever they are ranked.
        only: ids of the queries that the other filters let through, None for all.
        says: those filters, each with the key that sets it on Queries.
        bar: whether a bar of the distribution was picked there, which is not followed: queries
            picked by their change would have bounds that say nothing of the others.
    """

    split: str = UNSEEN
    only: frozenset[str] | None = None
    says: tuple[tuple[str, str], ...] = ()
    bar: bool = False


class HolesProgress(Message):
    """How many of the queries are ranked for the holes."""

    def __init__(self, number: int, done: int, total: int) -> None:
        super().__init__()
        self.number = number
        self.done = done
        self.total = total

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, HolesProgress)


class HolesKnown(Message):
    """What holes there are (a `Holes`), or trouble; `number` is of the look, `said` the caller's.

    `grades` are those of the holes asked about that somebody has graded: (query id, product id) ->
    grade. None where these are holes in an order of their own, which takes the old one's place.
    """

    def __init__(
        self,
        number: int,
        holes: Holes | None,
        grades: Mapping[tuple[str, str], str] | None = None,
        said: int = 0,
        trouble: Trouble | None = None,
    ) -> None:
        super().__init__()
        self.number = number
        self.holes = holes
        self.grades = grades
        self.said = said
        self.trouble = trouble


class ProductFound(Message):
    """A product of the holes within the comparison it is in."""

    def __init__(self, comparison: Comparison, product_id: str) -> None:
        super().__init__()
        self.comparison = comparison
        self.product_id = product_id


class HoleFinder:
    """Asks the search thread. A newer look takes an older one's place; its answers are dropped."""

    def __init__(self, searcher: SearchThread, post: Callable[[Message], object]) -> None:
        self._searcher = searcher
        self._post = post
        self._number = 0
        self._counts = 0
        self._tops: TopTens | None = None
        """The search thread's alone: what the last look ranked."""

    def look(self, baseline: str, candidate: str, followed: Followed) -> int:
        """Rank both sides and find the holes; `HolesProgress`, then `HolesKnown` of this number.

        Where no judged query is unseen, it is all of them; where the filters let none through,
        there are none.
        """
        number = self._leave()

        def progress(done: int, total: int) -> None:
            if number != self._number:
                raise Abandoned
            self._post(HolesProgress(number, done, total))
            self._searcher.let_pass()

        def task(comparer: ComparerLike) -> Message:
            try:
                if number != self._number:
                    raise Abandoned
                self._tops = None
                self._tops = _ranked(comparer, baseline, candidate, followed, progress)
                return HolesKnown(number, comparer.holes(self._tops))
            except Abandoned:
                raise
            except Exception as error:
                return HolesKnown(number, None, trouble=trouble_of(error))

        self._searcher.ask(task)
        return number

    def count(self, queue: Sequence[Hole] | None, said: int) -> None:
        """Count again by what is judged now; of several counts asked for, the last one runs.

        Args:
            queue: the holes to tell the grades of; None for the holes in a new order.
            said: given back with the answer.
        """
        number = self._number
        self._counts += 1
        mine = self._counts

        def task(comparer: ComparerLike) -> Message | None:
            if (number, mine) != (self._number, self._counts) or self._tops is None:
                return None
            try:
                holes = comparer.holes(self._tops)
                grades = None if queue is None else _grades(comparer, queue, holes)
                return HolesKnown(number, holes, grades, said)
            except Exception as error:
                return HolesKnown(number, None, {}, said, trouble_of(error))

        self._searcher.ask(task)

    def open_product(self, holes: Holes, hole: Hole) -> None:
        """Rank the hole's query again for the page of the product; `ProductFound` follows."""
        sides = holes.baseline.encoder, holes.candidate.encoder
        self._searcher.ask(
            lambda comparer: ProductFound(
                comparer.compare(hole.query, *sides, k=ROWS), hole.product_id
            )
        )

    def leave(self) -> None:
        """Nobody waits any more."""
        self._leave()

    def _leave(self) -> int:
        self._number += 1
        return self._number


def _ranked(
    comparer: ComparerLike,
    baseline: str,
    candidate: str,
    followed: Followed,
    progress: Callable[[int, int], None],
) -> TopTens:
    sides, only = (baseline, candidate), followed.only
    try:
        return comparer.top_tens(*sides, followed.split, progress, only=only)
    except RankbenchError:
        if followed.split != UNSEEN:
            raise
    # Of whatever else is amiss this tells again.
    return comparer.top_tens(*sides, "all", progress, only=only)


def _grades(
    comparer: ComparerLike, queue: Sequence[Hole], holes: Holes
) -> dict[tuple[str, str], str]:
    """The grades of those holes in `queue` that are none any more."""
    still = {hole.pair for hole in holes.queue}
    judged = {query.query_id: query.grades for query in comparer.judged_queries()}
    found = ((hole.pair, judged.get(hole.query_id, {}).get(hole.product_id)) for hole in queue)
    return {pair: grade for pair, grade in found if grade is not None and pair not in still}
