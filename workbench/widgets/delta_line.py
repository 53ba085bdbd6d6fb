"""What changed between the sides, in two lines; every number carries its name."""

from __future__ import annotations

from collections.abc import Sequence

from textual.strip import Strip

from engine.ranking.comparison import Comparison, SideResult
from workbench.text import change, count, measure, printable
from workbench.widgets.painted import Painted, Piece, joined

PAIRS = (("NDCG@10", "ndcg@10"), ("NDCG", "ndcg"))
TOP = 10


class DeltaLine(Painted):
    """Measures of both sides above, and what they rest on below."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.comparison: Comparison | None = None
        self.saved = False
        self.hint = ""
        self.version = 0
        self.painted = 0

    def show(
        self, comparison: Comparison | None, version: int, *, saved: bool = False, hint: str = ""
    ) -> None:
        self.comparison = comparison
        self.saved = saved
        self.hint = hint
        self.version = version
        self.refresh()

    def render_line(self, y: int) -> Strip:
        self.painted = self.version
        width = self.size.width
        if self.comparison is None:
            hints = self.hint.split("\n")
            return self.line((("faint", f" {hints[y]}"),) if y < len(hints) else (), width)
        groups = (measure_groups, fact_groups)[y](self.comparison) if y < 2 else []
        if self.saved:
            groups = [(("mark", " saved "),), *groups] if y == 1 else groups
        return self.line((("plain", " "), *joined(groups, width - 2)), width)


def measure_groups(comparison: Comparison) -> list[Sequence[Piece]]:
    """The primary measures with their change, and the overlap."""
    groups: list[Sequence[Piece]] = []
    if comparison.judged:
        groups.extend(_pair(comparison, label, key) for label, key in PAIRS)
    else:
        groups.append((("plain", "not judged, no NDCG"),))
    sides = (comparison.baseline, comparison.candidate)
    if empty := [side for side in sides if not side.hits]:
        groups.append((("warn", _nothing(empty)),))
        return groups
    if lost := [printable(side.encoder) for side in sides if side.found_none]:
        groups.append((("warn", f"{' and '.join(lost)} found none of the judged"),))
    groups.append((("faint", "RBO "), ("plain", measure(comparison.rbo, 2))))
    return groups


def _movement(comparison: Comparison) -> Sequence[Piece]:
    """What came into the top ten on the right, and what moved within it."""
    top = comparison.candidate.hits[:TOP]
    new = sum(1 for hit in top if hit.other_rank is None or hit.other_rank > TOP)
    moved = sum(1 for hit in top if hit.movement) - sum(
        1 for hit in top if hit.movement and (hit.other_rank or 0) > TOP
    )
    if not new and not moved:
        return (("faint", f"top {TOP} the same"),)
    return (("faint", f"top {TOP}: "), ("plain", f"{new} in, {moved} moved"))


def fact_groups(comparison: Comparison) -> list[Sequence[Piece]]:
    """Movements in the top ten, split, seen, judged, catalog and time."""
    groups: list[Sequence[Piece]] = []
    if comparison.baseline.hits and comparison.candidate.hits:
        groups.append(_movement(comparison))
    if comparison.judged or comparison.query_id is not None:
        if comparison.split:
            groups.append((("plain", printable(comparison.split)),))
        groups.append((("plain", f"{comparison.judged:,} judged"),))
    seen = [
        name
        for name, side in (("left", comparison.baseline), ("right", comparison.candidate))
        if side.seen
    ]
    if len(seen) == 2:
        groups.append((("warn", "seen by both"),))
    elif seen:
        groups.append((("warn", f"seen by {seen[0]}"),))
    else:
        groups.append((("plain", "unseen"),))
    groups.append((("faint", count(comparison.catalog_rows, "product")),))
    groups.append((("faint", f"{comparison.elapsed_ms:.0f} ms"),))
    return groups


def _nothing(empty: Sequence[SideResult]) -> str:
    """Without hits there is no overlap to speak of."""
    if len(empty) == 2:
        return "neither side found anything"
    did = "has no answer" if empty[0].unanswered else "found nothing"
    return f"{printable(empty[0].encoder)} {did}"


def _pair(comparison: Comparison, label: str, key: str) -> Sequence[Piece]:
    delta = comparison.own_delta(key)
    shown = change(delta)
    ink = "faint" if delta is None or shown.startswith("±") else "gain" if delta > 0 else "loss"
    before = measure(comparison.baseline.own.get(key))
    after = measure(comparison.candidate.own.get(key))
    return (
        ("faint", f"{label} "),
        ("plain", f"{before.strip()} → {after.strip()} "),
        (ink, shown.strip()),
    )
