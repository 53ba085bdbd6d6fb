"""The mean change of the queries shown, with its interval, and how they were chosen."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from textual.strip import Strip

from engine.measures import LARGEST_DELTA, PRIMARY
from workbench.text import change, count, end_of_interval, fit, measure, printable
from workbench.widgets.painted import Painted, Piece, joined

# With five thousand queries and every filter's own words, what 80 columns hold.
_LONGEST_VALUE = 18


@dataclass(frozen=True, slots=True)
class Summary:
    """What the headline says.

    Attributes:
        names: the two sides.
        means: their means of the measure over the shown queries, None without any.
        n: shown queries that have a value on both sides.
        delta: the engine's `Delta` once it is computed; with the smallest difference that so many
            queries show.
        excluded: queries without a product of positive gain, which no mean holds.
        note: what is still going on, or an error.
        measure: whose means these are.
        weighted: the engine's `Weighted` of the same queries, None where none has a weight.
    """

    names: tuple[str, str] = ("", "")
    means: tuple[float, float] | None = None
    n: int = 0
    delta: Any | None = None
    excluded: int = 0
    note: str = ""
    note_ink: str = "faint"
    weighted: Any | None = None
    measure: str = PRIMARY

    @property
    def called(self) -> str:
        """The measure as the screens write it."""
        return "NDCG@10" if self.measure == PRIMARY else self.measure


class Headline(Painted):
    """Three lines above the query table, and a fourth, by traffic, where queries have weights."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.summary = Summary()
        self.choice: Sequence[Sequence[Piece]] = ()
        self.unchanged = 0.01

    def show(self, summary: Summary, choice: Sequence[Sequence[Piece]]) -> None:
        self.summary, self.choice = summary, choice
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        told = [self._mean, self._counts, lambda _: self.choice]
        if self.has_class("-weighted"):
            told.insert(1, lambda _: self._by_traffic())
        groups = told[y](width - 2) if y < len(told) else ()
        pieces: list[Piece] = [("plain", " "), *joined(list(groups), width - 2)] if groups else []
        return self.line(pieces, width)

    def _mean(self, width: int) -> list[Sequence[Piece]]:
        summary = self.summary
        left, right = (printable(name) for name in summary.names)
        if summary.means is None:
            return [(("strong", summary.called), ("plain", f" {left} → {right}"))]
        before, after = summary.means
        delta = after - before
        sides: list[Piece] = [
            ("strong", f"{summary.called} "),
            ("faint", f"{left} "),
            ("plain", measure(before)),
            ("faint", f" → {right} "),
            ("plain", f"{measure(after)} "),
            (_ink(delta), change(delta)),
        ]
        found = summary.delta
        sides += _interval(found)
        short = [tuple(sides), (("plain", f"n {summary.n:,}"),)]
        if found is None or found.visible is None:
            return short
        sees = f"n {summary.n:,} sees ±{measure(min(found.visible, LARGEST_DELTA))}"
        return _that_fits(width, [tuple(sides), (("plain", sees),)], short)

    def _by_traffic(self) -> list[Sequence[Piece]]:
        found = self.summary.weighted
        if found is None or found.delta is None:
            # Blank while it is computed, and where no query is shown.
            known = self.summary.delta is not None
            return [(("faint", "by traffic: no weight among these"),)] if known else []
        means: Sequence[Piece] = (
            ("faint", "by traffic "),
            ("plain", f"{measure(found.baseline)} → {measure(found.candidate)} "),
            (_ink(found.delta), change(found.delta)),
            *_interval(found),
        )
        return [means, (("plain", f"n {found.n:,}, effective {found.n_effective:.1f}"),)]

    def _counts(self, width: int) -> list[Sequence[Piece]]:
        summary = self.summary
        groups: list[Sequence[Piece]] = []
        if summary.note:
            groups.append(((summary.note_ink, printable(summary.note)),))
        found = summary.delta
        if found is not None:
            limit = f"{self.unchanged:g}".lstrip("0")
            groups.append(
                (
                    ("gain", f"{found.improved:,} improved"),
                    ("faint", ", "),
                    ("plain", f"{found.unchanged:,} within {limit}"),
                    ("faint", ", "),
                    ("loss", f"{found.harmed:,} harmed"),
                )
            )
            if found.p is not None:
                shown = "< .001" if found.p < 0.001 else measure(found.p)
                groups.append((("faint", "p "), ("plain", shown)))
            if found.too_few:
                groups.append((("warn", "too few to tell"),))
            if found.barely:
                groups.append((("warn", "hardly outside 0"),))
        if not summary.excluded:
            return groups
        left_out = f"{summary.excluded:,} without a gain left out"
        return _that_fits(
            width,
            [*groups, (("faint", left_out),)],
            [*groups, (("faint", f"{summary.excluded:,} left out"),)],
        )


def _ink(delta: float) -> str:
    return "faint" if abs(delta) < 5e-4 else "gain" if delta > 0 else "loss"


def _interval(found: Any | None) -> list[Piece]:
    """Of a `Delta` or a `Weighted`; nothing where it has none."""
    if found is None or found.low is None or found.high is None:
        return []
    return [("plain", f" [{end_of_interval(found.low)}, {end_of_interval(found.high)}]")]


def _that_fits(
    width: int, wanted: list[Sequence[Piece]], otherwise: list[Sequence[Piece]]
) -> list[Sequence[Piece]]:
    """`wanted` where it fits whole in `width` cells."""
    whole = sum(cell_len(text) for _, text in joined(wanted, sys.maxsize))
    return wanted if whole <= width else otherwise


def choice_groups(
    shown: int, total: int, seen: str, split: str, column: str, value: str, bar: str = ""
) -> list[Sequence[Piece]]:
    """How the shown queries were chosen, each with the key that changes it.

    What narrows them comes before what does not, which goes where the line is short. `bar` says
    which bar of the distribution they are behind, "" for all.
    """
    of = f"{total:,}" if bar else count(total, "query", "queries")
    counted: Sequence[Piece] = (("plain", f"{shown:,} of {of}"),)
    of_seen: Sequence[Piece] = (("key", "u"), ("plain", f" {seen}"))
    of_split: Sequence[Piece] = (("key", "f"), ("plain", f" {split or 'all splits'}"))
    chosen = fit(printable(value), _LONGEST_VALUE).rstrip() or "all"
    named: Sequence[Piece] = (("key", "b"), ("plain", f" {printable(column)} "))
    of_value = (*named, ("key", "t"), ("plain", f" {chosen}"))
    ordered = [(of_split, bool(split)), *([(of_value, bool(value))] if column else [])]
    groups = [group for group, _ in sorted(ordered, key=lambda pair: not pair[1])]
    narrowing = sum(narrows for _, narrows in ordered) if bar else 0
    groups.insert(narrowing, of_seen)
    of_bar: list[Sequence[Piece]] = [(("strong", bar), ("key", " Esc"))] if bar else []
    return [counted, *of_bar, *groups, (("key", "s r"), ("faint", " sort"))]
