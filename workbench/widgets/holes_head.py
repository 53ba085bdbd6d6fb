"""How much is unjudged, and how far it could move the mean change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.strip import Strip

from workbench.text import change, count, measure, printable
from workbench.widgets.painted import Painted, Piece, joined

if TYPE_CHECKING:
    from engine.evaluation.holes import Holes
    from workbench.holes import Followed


class HolesHead(Painted):
    """Three lines: the change and its bounds, what is judged, and what goes on.

    A fourth, the second, names the filters of Queries that are followed, where there are any.
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.names = ("", "")
        self.holes: Holes | None = None
        self.note: Piece = ("faint", "")
        self.followed: Followed | None = None

    def follow(self, followed: Followed) -> None:
        """Say from now on which filters the queries have passed."""
        self.followed = followed
        self.set_class(bool(followed.says or followed.bar), "-following")

    def show(self, names: tuple[str, str], holes: Holes | None, note: Piece) -> None:
        self.names, self.holes, self.note = names, holes, note
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        lines = [self._change, self._judged, self._open]
        if self.has_class("-following"):
            lines.insert(1, self._filters)
        groups = lines[y]() if y < len(lines) else ()
        pieces = [("plain", " "), *joined(list(groups), width - 2)] if groups else []
        return self.line(pieces, width)

    def _change(self) -> Sequence[Sequence[Piece]]:
        left, right = (printable(name) for name in self.names)
        sides: list[Piece] = [("strong", "NDCG@10"), ("plain", f" {left} → {right}")]
        found = self.holes
        if found is None or found.delta is None or found.bounds is None:
            return [sides]
        low, high = found.bounds
        ink = "faint" if abs(found.delta) < 5e-4 else "gain" if found.delta > 0 else "loss"
        which = " seen and unseen" if found.split == "all" else f" {found.split}"
        return [
            [*sides, (ink, f" {change(found.delta)}")],
            [("faint", "bounds "), ("plain", f"[{change(low)}, {change(high)}]")],
            [("plain", f"n {found.queries:,}{which}")],
        ]

    def _filters(self) -> Sequence[Sequence[Piece]]:
        assert self.followed is not None
        groups: list[Sequence[Piece]] = [
            [("key", key), ("plain", f" {printable(text)}")] for key, text in self.followed.says
        ]
        if self.followed.bar:
            groups.append([("warn", "not by the bar, which was picked by its change")])
        head: Sequence[Piece] = [("faint", "filtered as Queries: "), *groups[0]]
        return [head, *groups[1:]]

    def _judged(self) -> Sequence[Sequence[Piece]]:
        found = self.holes
        if found is None or found.delta is None:
            return []
        shares = " → ".join(measure(s.judged) for s in (found.baseline, found.candidate))
        groups: list[Sequence[Piece]] = [
            [("strong", count(len(found.queue), "hole")), ("plain", " left")],
            [("faint", "judged@10 "), ("plain", shares), ("faint", f" (n {found.queries:,})")],
        ]
        if found.excluded:
            groups.append([("faint", f"{found.excluded:,} without a gain left out")])
        return groups

    def _open(self) -> Sequence[Sequence[Piece]]:
        groups: list[Sequence[Piece]] = []
        if self.note[1]:
            groups.append([self.note])
        if self.holes is not None and self.holes.delta is not None:
            groups.append([("plain", settled(self.holes))])
        return groups


def settled(holes: Holes) -> str:
    """When the sign of the change could no longer turn, in a few words."""
    if not holes.queue:
        return "every hit is judged"
    if holes.settled_after is None:
        return "the sides are even: Irrelevant holes give no sign"
    if holes.settled_after == 0:
        return "whatever they are, the sign stays"
    return f"the sign is settled after the first {holes.settled_after:,} if all are Irrelevant"
