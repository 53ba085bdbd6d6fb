"""Holes: the unjudged products in a first ten, those first that would move the verdict most.

The swing of a hole is what the mean delta of catalog NDCG@10 would gain or lose if the product
turned out Exact instead of Irrelevant: its query's delta once with either grade, the ideal made
anew, every other hole counting 0 as it does now, divided by the n queries of the mean. It is exact
for the next grading; since the holes of one query share an ideal, the swings are to be computed
anew once a grade is given. The queue is greedy: by the size of the swing, ties by query, then by
product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any, Protocol

from engine.catalog.queries import JudgedQuery
from engine.evaluation.bounds import DeltaRoom
from engine.evaluation.evaluate import RankedSide
from engine.evaluation.prepared import prepared
from engine.measures import CATALOG_DEPTH
from engine.measures.judged import judged

DEPTH = 10
_ZERO = 1e-12
"""Means closer to 0 than this differ from it by rounding only."""


class NamedSide(RankedSide, Protocol):
    """A side that says which encoder answers; `engine.ranking.sides.Side` is one."""

    @property
    def fingerprint(self) -> str: ...


@dataclass(frozen=True, slots=True)
class TopTen:
    """What both sides show first for one query.

    Attributes:
        ranks: product id -> its rank on the baseline and on the candidate, from 1, None past the
            depth of 1,000; of the products in either's first ten.
    """

    query_id: str
    query: str
    ranks: Mapping[str, tuple[int | None, int | None]]

    def first(self, side: int) -> tuple[str, ...]:
        """The first ten of the baseline (0) or the candidate (1), best first."""
        placed = [(r[side], p) for p, r in self.ranks.items()]
        return tuple(p for rank, p in sorted(x for x in placed if x[0]) if rank <= DEPTH)


@dataclass(frozen=True, slots=True)
class TopTens:
    """What two sides rank first for the queries of a split; grading changes nothing in it.

    Attributes:
        baseline, candidate: (side name, index build, `Side.fingerprint`).
        query_set: the name of the set that the queries are of, "" for all judged ones.
    """

    baseline: tuple[str, str, str]
    candidate: tuple[str, str, str]
    split: str
    queries: tuple[TopTen, ...]
    query_set: str = ""


@dataclass(frozen=True, slots=True)
class Hole:
    """An unjudged product in either first ten of a query.

    Attributes:
        baseline, candidate: its rank on each side, from 1; None past the depth of 1,000.
        swing: of the mean delta, in [-2, 2]: above 0 where an Exact would speak for the candidate.
    """

    query_id: str
    query: str
    product_id: str
    title: str
    baseline: int | None
    candidate: int | None
    swing: float

    @property
    def pair(self) -> tuple[str, str]:
        """(query id, product id)."""
        return self.query_id, self.product_id

    @property
    def place(self) -> tuple[int, int]:
        """Where it is seen first: 0 for the baseline or 1 for the candidate, and its rank there.

        The side that ranks it higher; the baseline where both rank it the same.
        """
        ranks = (self.baseline, self.candidate)
        rank, side = min((rank, side) for side, rank in enumerate(ranks) if rank is not None)
        return side, rank


@dataclass(frozen=True, slots=True)
class Holed:
    """One side, and its mean judged@10 over the queries, 0 to 1; None without any."""

    encoder: str
    build: str
    fingerprint: str
    judged: float | None

    def to_json(self) -> dict[str, Any]:
        return {"encoder": self.encoder, "build": self.build, "judged@10": self.judged}


@dataclass(frozen=True, slots=True)
class Holes:
    """Everything in the first tens that nobody judged, and what it leaves open.

    Attributes:
        queries: n, the queries of the mean: those with a product of positive gain in the catalog.
        excluded: selected queries without one; they are in no mean and have no hole here.
        delta: mean delta of catalog NDCG@10 as it counts now; None without a query.
        bounds: the least and the greatest mean delta that judging every hole could show.
        queue: the holes, those first that would move the mean most.
        settled_after: the fewest first holes of the queue after which the sign of the mean delta
            is settled, whatever the rest turn out to be, *provided that these turn out
            Irrelevant, which is how they count now*. 0 where the sign is settled already, None
            where nothing settles it (a mean of 0). With other grades it may take fewer or more:
            unconditionally no number below all of them is promised.
    """

    baseline: Holed
    candidate: Holed
    split: str
    queries: int
    excluded: int
    delta: float | None
    bounds: tuple[float, float] | None
    queue: tuple[Hole, ...]
    settled_after: int | None
    query_set: str = ""

    @property
    def chosen(self) -> str:
        """What the queries are called, as `Evaluation.chosen`."""
        return f"{self.query_set}, {self.split}" if self.query_set else self.split

    def to_json(self, k: int | None = None) -> dict[str, Any]:
        """The first `k` holes of the queue, or all of them, with what they rest on."""
        return {
            "queries": self.queries,
            "excluded": self.excluded,
            "set": self.query_set or None,
            "split": self.split,
            "baseline": self.baseline.to_json(),
            "candidate": self.candidate.to_json(),
            "delta": {"ndcg@10": self.delta},
            "bounds": {"ndcg@10": list(self.bounds) if self.bounds else None},
            "holes": len(self.queue),
            "settled_after": self.settled_after,
            "queue": [asdict(hole) for hole in self.queue[:k]],
        }


def rank_top_tens(
    baseline: NamedSide,
    candidate: NamedSide,
    queries: Sequence[JudgedQuery],
    split: str = "all",
    progress: Callable[[int, int], None] | None = None,
) -> TopTens:
    """Rank every query on both sides, as `evaluate` does.

    Args:
        queries: as `select` chose them.
        split: the name of the selection, for the record.
        progress: as in `prepared`.
    """
    found: list[TopTen] = []
    for query in prepared((baseline, candidate), queries, progress):
        found.append(_top_ten(baseline, candidate, query))
    names = [(side.name, side.build, side.fingerprint) for side in (baseline, candidate)]
    return TopTens(names[0], names[1], split, tuple(found))


def find_holes(
    tops: TopTens,
    queries: Sequence[JudgedQuery],
    titles: Mapping[str, str],
    gains: Mapping[str, float],
) -> Holes:
    """The holes in `tops` by the judgments as they are now. Ranks nothing.

    Args:
        queries: the judged queries; those that `tops` lacks are passed over.
        titles: product id -> title, of the whole catalog; judged products outside it count nothing.
        gains: grade -> gain.
    """
    grades = {query.query_id: query.grades for query in queries}
    rooms: list[tuple[TopTen, DeltaRoom]] = []
    shares: tuple[list[float], list[float]] = ([], [])
    for top in tops.queries:
        known = {p: gains[g] for p, g in grades.get(top.query_id, {}).items() if p in titles}
        firsts = top.first(0), top.first(1)
        room = DeltaRoom(*firsts, known, exact=gains["E"], irrelevant=gains["I"], k=DEPTH)
        if room.delta is not None:
            rooms.append((top, room))
            for share, first in zip(shares, firsts, strict=True):
                share.append(judged([product in known for product in first], DEPTH))
    n = len(rooms)
    queue = _queue(rooms, titles)
    return Holes(
        baseline=Holed(*tops.baseline, fmean(shares[0]) if n else None),
        candidate=Holed(*tops.candidate, fmean(shares[1]) if n else None),
        split=tops.split,
        queries=n,
        excluded=len(tops.queries) - n,
        delta=fmean(room.delta or 0.0 for _, room in rooms) if n else None,
        bounds=_bounds(rooms, ()) if n else None,
        queue=queue,
        settled_after=_settled_after(rooms, queue) if n else None,
        query_set=tops.query_set,
    )


def _top_ten(baseline: NamedSide, candidate: NamedSide, query: JudgedQuery) -> TopTen:
    # To the depth of an evaluation: of bm25's equal scores a shorter list may hold others.
    sides = [
        side.rank(query.query, CATALOG_DEPTH).ranks() if side.answers(query.query) else {}
        for side in (baseline, candidate)
    ]
    shown = dict.fromkeys(p for ranks in sides for p, rank in ranks.items() if rank <= DEPTH)
    ranks = {product: (sides[0].get(product), sides[1].get(product)) for product in shown}
    return TopTen(query.query_id, query.query, ranks)


def _queue(
    rooms: Sequence[tuple[TopTen, DeltaRoom]], titles: Mapping[str, str]
) -> tuple[Hole, ...]:
    found = [
        Hole(
            top.query_id,
            top.query,
            product,
            titles.get(product, ""),
            *top.ranks[product],
            swing / len(rooms),
        )
        for top, room in rooms
        for product, swing in room.swings().items()
    ]
    # Rounded, so that swings which are equal but for the order of a sum are ties.
    return tuple(
        sorted(found, key=lambda h: (-round(abs(h.swing), 12), h.query, h.query_id, h.product_id))
    )


def _settled_after(rooms: Sequence[tuple[TopTen, DeltaRoom]], queue: Sequence[Hole]) -> int | None:
    """By bisection: what is known to be Irrelevant only ever narrows the bounds."""

    def settled(first: int) -> bool:
        low, high = _bounds(rooms, queue[:first])
        return low > _ZERO or high < -_ZERO

    if not settled(len(queue)):
        return None
    short, enough = -1, len(queue)
    while enough - short > 1:
        middle = (short + enough) // 2
        short, enough = (short, middle) if settled(middle) else (middle, enough)
    return enough


def _bounds(
    rooms: Sequence[tuple[TopTen, DeltaRoom]], irrelevant: Sequence[Hole]
) -> tuple[float, float]:
    """Least and greatest mean delta; the extremes of a mean are the means of the extremes."""
    known: dict[str, set[str]] = {}
    for hole in irrelevant:
        known.setdefault(hole.query_id, set()).add(hole.product_id)
    every = [room.bounds(known.get(top.query_id, ())) for top, room in rooms]
    ends = [pair for pair in every if pair is not None]
    return fmean(low for low, _ in ends), fmean(high for _, high in ends)
