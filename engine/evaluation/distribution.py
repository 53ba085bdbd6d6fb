"""How per-query deltas of one measure are spread: bars, each with the queries behind it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.errors import RankbenchError
from engine.measures import UNCHANGED

HARMED, SAME, IMPROVED = "harmed", "unchanged", "improved"
MOST_BARS = 10
_WIDTHS = (0.01, 0.02, 0.05, 0.1, 0.2)
# A difference of exactly the threshold counts as unchanged in spite of its rounding error.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Bar:
    """Queries with a delta from `low` to `high`, and what that means.

    Attributes:
        low, high: candidate minus baseline, -1 to 1.
        kind: "harmed", "unchanged" or "improved"; no bar holds queries of two kinds.
        query_ids: the lowest delta first.
    """

    low: float
    high: float
    kind: str
    query_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Histogram:
    """Bars from the most harmed to the most improved; empty ones between them are kept.

    Attributes:
        bars: one for the unchanged queries; on each side of it bars of equal width.
        undefined: queries without a delta, in no bar.
    """

    bars: tuple[Bar, ...]
    undefined: tuple[str, ...]

    @property
    def n(self) -> int:
        return sum(len(bar.query_ids) for bar in self.bars)

    def count(self, kind: str) -> int:
        """How many queries are "harmed", "unchanged" or "improved"."""
        return sum(len(bar.query_ids) for bar in self.bars if bar.kind == kind)


def histogram(
    deltas: Mapping[str, float | None],
    unchanged: float = UNCHANGED,
    most_bars: int = MOST_BARS,
) -> Histogram:
    """Sort queries into bars by their delta.

    Args:
        deltas: query id -> candidate minus baseline, -1 to 1; None where undefined.
        unchanged: a |delta| up to this is in the middle bar.
        most_bars: on each side of the middle; the bars' width, one of .01, .02, .05, .1 and .2,
            follows from it, or is wider where even .2 makes too many.

    Raises:
        RankbenchError: a delta that is not finite, or fewer than one bar.
    """
    known = {query: delta for query, delta in deltas.items() if delta is not None}
    if most_bars < 1 or not all(map(math.isfinite, known.values())):
        raise RankbenchError(
            "These deltas cannot be sorted into bars.", "Give finite ones, and at least one bar."
        )
    farthest = max((abs(delta) for delta in known.values()), default=0.0) - unchanged
    width = next((w for w in _WIDTHS if farthest <= w * most_bars), farthest / most_bars)
    found: dict[int, list[str]] = {0: []}
    for query in sorted(known, key=lambda query: (known[query], query)):
        found.setdefault(_place(known[query], unchanged, width), []).append(query)
    bars = [
        _bar(place, unchanged, width, found.get(place, ()))
        for place in range(min(found), max(found) + 1)
    ]
    undefined = tuple(query for query, delta in deltas.items() if delta is None)
    return Histogram(tuple(bars), undefined)


def extremes(
    deltas: Mapping[str, float | None], most: int, unchanged: float = UNCHANGED
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ids of the `most` harmed queries, worst first, and of the most improved, best first."""
    known = {query: delta for query, delta in deltas.items() if delta is not None}
    limit = unchanged + _ROUNDING
    ordered = sorted(known, key=lambda query: (known[query], query))
    harmed = [query for query in ordered if known[query] < -limit]
    improved = sorted(
        (query for query in ordered if known[query] > limit),
        key=lambda query: (-known[query], query),
    )
    return tuple(harmed[:most]), tuple(improved[:most])


def _place(delta: float, unchanged: float, width: float) -> int:
    """0 for the middle bar; -1, -2, ... below it, 1, 2, ... above it."""
    beyond = abs(delta) - unchanged
    if beyond <= _ROUNDING:
        return 0
    number = max(1, math.ceil(beyond / width - _ROUNDING))
    return number if delta > 0 else -number


def _bar(place: int, unchanged: float, width: float, query_ids: Sequence[str]) -> Bar:
    ids = tuple(query_ids)
    if not place:
        return Bar(-unchanged, unchanged, SAME, ids)
    near = unchanged + (abs(place) - 1) * width
    ends = (near, near + width)
    low, high = ends if place > 0 else (-ends[1], -ends[0])
    return Bar(max(low, -1.0), min(high, 1.0), IMPROVED if place > 0 else HARMED, ids)
