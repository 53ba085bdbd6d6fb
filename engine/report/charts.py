"""The geometry of the charts: where each mark stands, in the units of its drawing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.evaluation.distribution import HARMED, IMPROVED, SAME, Histogram
from engine.evaluation.intervals import Delta
from engine.report.numbers import count, edge

WIDTH = 760
_REACHES = (0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.16, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)
_WIDEST_COLUMN = 64.0
# A bar of one query among thousands is still a mark.
_LEAST = 2.0
# Half of `5,000 unchanged`, and a gap.
_BESIDE = 56.0


@dataclass(frozen=True, slots=True)
class Column:
    """One bar of a histogram.

    Attributes:
        x, width, y, height: of the bar; y downwards from the top of the drawing.
        label: its range and how many queries, in words.
        place: its number, from 0.
    """

    place: int
    kind: str
    x: float
    width: float
    y: float
    height: float
    queries: int
    label: str


@dataclass(frozen=True, slots=True)
class Span:
    """The columns of one kind: "harmed", "unchanged" or "improved".

    Attributes:
        label, anchor: where its words stand, and which end of them: the three never overlap.
    """

    kind: str
    x: float
    width: float
    queries: int
    label: float
    anchor: str


@dataclass(frozen=True, slots=True)
class HistogramChart:
    """A histogram laid out; `ticks` are (x, text) at the bars' ends, `floor` the y of the axis."""

    width: float
    height: float
    floor: float
    columns: tuple[Column, ...]
    ticks: tuple[tuple[float, str], ...]
    spans: tuple[Span, ...]


def histogram_chart(found: Histogram, height: float = 250.0) -> HistogramChart:
    """Lay out a histogram: columns of equal width, one a bar, whatever the bar's own width."""
    floor, room = height - 52.0, height - 52.0 - 24.0
    width = min(_WIDEST_COLUMN, (WIDTH - 32.0) / max(len(found.bars), 1))
    start = (WIDTH - width * len(found.bars)) / 2
    most = max((len(bar.query_ids) for bar in found.bars), default=0) or 1
    columns = []
    for place, bar in enumerate(found.bars):
        queries = len(bar.query_ids)
        tall = max(room * queries / most, _LEAST) if queries else 0.0
        said = f"{edge(bar.low)} to {edge(bar.high)}: {count(queries, 'query', 'queries')}"
        x = start + place * width
        label = f"{bar.kind}, {said}"
        columns.append(Column(place, bar.kind, x, width, floor - tall, tall, queries, label))
    ends = [bar.low for bar in found.bars] + [bar.high for bar in found.bars[-1:]]
    ticks = tuple((start + place * width, edge(end)) for place, end in enumerate(ends))
    return HistogramChart(WIDTH, height, floor, tuple(columns), ticks, tuple(_spans(columns)))


def _spans(columns: list[Column]) -> Iterable[Span]:
    # There is always one column for the unchanged queries; the others' words begin beside its own.
    middle = next((c.x + c.width / 2 for c in columns if c.kind == SAME), 0.0)
    words = {
        HARMED: (middle - _BESIDE, "end"),
        SAME: (middle, "middle"),
        IMPROVED: (middle + _BESIDE, "start"),
    }
    for kind in dict.fromkeys(column.kind for column in columns):
        members = [column for column in columns if column.kind == kind]
        last = members[-1]
        width = last.x + last.width - members[0].x
        queries = sum(column.queries for column in members)
        yield Span(kind, members[0].x, width, queries, *words[kind])


@dataclass(frozen=True, slots=True)
class Mark:
    """A mean with its interval on a scale; an end past the scale is drawn at its edge.

    Attributes:
        low, mean, high: x of each.
        cut_low, cut_high: whether that end lies past the scale.
        kind: "gain", "loss" or "same", by whether the interval leaves zero out.
    """

    low: float
    mean: float
    high: float
    cut_low: bool
    cut_high: bool
    kind: str


@dataclass(frozen=True, slots=True)
class Scale:
    """Differences from -reach to +reach on `width` units, zero in the middle."""

    reach: float
    width: float
    margin: float = 8.0

    def x(self, value: float) -> float:
        """Where `value` stands, held inside the scale."""
        held = max(-self.reach, min(self.reach, value))
        return self.width / 2 + held / self.reach * (self.width / 2 - self.margin)

    def mark(self, delta: Delta) -> Mark | None:
        """None without an interval."""
        if delta.mean is None or delta.low is None or delta.high is None:
            return None
        kind = "gain" if delta.low > 0 else "loss" if delta.high < 0 else "same"
        return Mark(
            self.x(delta.low),
            self.x(delta.mean),
            self.x(delta.high),
            delta.low < -self.reach,
            delta.high > self.reach,
            kind,
        )


def scale(deltas: Iterable[Delta], width: float, further: Iterable[float] = ()) -> Scale:
    """The narrowest scale of a round reach that holds the intervals, those of few queries aside.

    Args:
        further: values to be held too.
    """
    found = [delta for delta in deltas if delta.low is not None and delta.high is not None]
    sure = [delta for delta in found if not delta.rough] or found
    ends = [abs(end) for delta in sure for end in (delta.low, delta.high) if end is not None]
    farthest = max([*ends, *map(abs, further)], default=0.0)
    return Scale(next((reach for reach in _REACHES if farthest <= reach), 1.0), width)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a stacked bar."""

    kind: str
    x: float
    width: float
    queries: int


def stacked(delta: Delta, width: float = WIDTH) -> tuple[Part, ...]:
    """Harmed, unchanged and improved queries as parts of one bar, in that order; empty ones too."""
    whole = delta.n or 1
    counts = ((HARMED, delta.harmed), (SAME, delta.unchanged), (IMPROVED, delta.improved))
    parts, at = [], 0.0
    for kind, queries in counts:
        wide = width * queries / whole
        parts.append(Part(kind, at, wide, queries))
        at += wide
    return tuple(parts)
