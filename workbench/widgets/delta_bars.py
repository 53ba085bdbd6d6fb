"""How the change of a measure is spread over the queries: a bar a line, each one to be opened."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events

from engine.evaluation.distribution import HARMED, IMPROVED, SAME, Bar, Histogram, histogram
from engine.measures import DEFINITIONS, PRIMARY
from workbench.text import change
from workbench.widgets.painted import Piece, joined
from workbench.widgets.query_table import QueryRow
from workbench.widgets.row_list import RowList

# On each side of the unchanged queries: with them and the lines above, what 24 lines hold.
_MOST_BARS = 8
_LABEL = 14
_INKS = {HARMED: "loss", SAME: "faint", IMPROVED: "gain"}
_EIGHTHS = " ▏▎▍▌▋▊▉"
# First what a person looks for; the others as the measures are listed.
_FIRST = (PRIMARY, "rbo_ideal")


class DeltaBars(RowList):
    """A histogram from the most harmed queries to the most improved.

    Attributes:
        measure: whose change is shown.
        picked: the bar whose queries are looked at, None for all.
    """

    HEADER = 3

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.measure = PRIMARY
        self.picked: Bar | None = None
        self.unchanged = 0.01
        self.found = Histogram((), ())

    def sort(self, rows: Sequence[QueryRow]) -> list[QueryRow]:
        """Sort `rows` into bars, and give those that are behind the picked one, or all.

        A picked bar whose range these rows have no bar for is let go.
        """
        here = self.bar
        deltas = {row.query_id: row.deltas.get(self.measure) for row in rows}
        self.found = histogram(deltas, self.unchanged, _MOST_BARS)
        self.picked = self._like(self.picked)
        if here is not None and (same := self._like(here)) is not None:
            self.place(self.found.bars.index(same))
        else:
            self.place(self.cursor)
        self.repaint()
        if self.picked is None:
            return list(rows)
        behind = set(self.picked.query_ids)
        return [row for row in rows if row.query_id in behind]

    def next_measure(self, rows: Sequence[QueryRow]) -> None:
        """Show the next measure that any of `rows` has a change of; no bar is picked then."""
        held = {name for row in rows for name, delta in row.deltas.items() if delta is not None}
        names = [name for name in dict.fromkeys((*_FIRST, *DEFINITIONS)) if name in held]
        place = names.index(self.measure) if self.measure in names else -1
        self.measure = names[(place + 1) % len(names)] if names else PRIMARY
        self.picked = None
        self.cursor = 0

    @property
    def bar(self) -> Bar | None:
        """The one under the cursor."""
        return self.found.bars[self.cursor] if self.cursor < self.row_count() else None

    def _like(self, bar: Bar | None) -> Bar | None:
        """The bar of the same range among those shown."""
        ends = _ends(bar)
        return next((other for other in self.found.bars if _ends(other) == ends), None)

    # Painting

    def row_count(self) -> int:
        return len(self.found.bars) if self.found.n else 0

    def header_pieces(self, line: int, width: int) -> Sequence[Piece]:
        if line == 0:
            n = f" · n {self.found.n:,}" if self.found.n else ""
            return [("key", " m "), ("strong", f"{self.measure} "), ("faint", "Δ"), ("plain", n)]
        if line == 1 and self.found.n:
            return [("plain", " "), *joined(self._counts(), width - 2, ", ")]
        return ()

    def _counts(self) -> list[Sequence[Piece]]:
        groups: list[Sequence[Piece]] = [
            (("gain", f"{self.found.count(IMPROVED):,} improved"),),
            (("plain", f"{self.found.count(SAME):,} {_within(self.unchanged)}"),),
            (("loss", f"{self.found.count(HARMED):,} harmed"),),
        ]
        if self.found.undefined:
            groups.append((("faint", f"{len(self.found.undefined):,} without"),))
        return groups

    def row_pieces(self, row: int, width: int) -> Sequence[Piece]:
        bar = self.found.bars[row]
        most = max(len(other.query_ids) for other in self.found.bars)
        digits = len(f"{most:,}")
        room = max(1, width - _LABEL - digits - 6)
        ink = _INKS[bar.kind]
        mark = "»" if bar is self.picked else self.pointer(row)
        shown = len(bar.query_ids)
        return [
            ("key" if bar is self.picked else "faint", mark + " "),
            ("plain" if shown else "faint", f"{label(bar):<{_LABEL}}  "),
            (ink, f"{_blocks(shown, most, room):<{room}} "),
            ("plain" if shown else "faint", f"{shown:>{digits},}"),
        ]

    def on_click(self, event: events.Click) -> None:
        event.stop()
        row = self.top + event.y - self.HEADER
        if event.y >= self.HEADER and row < self.row_count():
            self._go(row)
            self.action_choose()


def label(bar: Bar) -> str:
    """A bar's range: `+.010 to +.060`, or `= within .01`."""
    if bar.kind == SAME:
        return f"= {_within(bar.high)}"
    return f"{change(bar.low)} to {change(bar.high)}"


def picked_says(measure: str, bar: Bar) -> str:
    """What the queries behind a bar have in common."""
    return f"{measure} {label(bar)}"


def _within(unchanged: float) -> str:
    return f"within {f'{unchanged:g}'.removeprefix('0') or '0'}"


def _ends(bar: Bar | None) -> tuple[float, float] | None:
    return None if bar is None else (round(bar.low, 9), round(bar.high, 9))


def _blocks(count: int, most: int, room: int) -> str:
    """A bar of `count`, `most` of which fill `room` cells; never nothing for a query."""
    eighths = max(round(8 * room * count / most), 1) if count else 0
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
