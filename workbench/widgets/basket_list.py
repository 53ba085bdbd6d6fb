"""Verdicts by query, each with the example it becomes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from workbench.text import count, fit, printable
from workbench.widgets.painted import Piece
from workbench.widgets.ranking_list import FLAGGED, GRADED
from workbench.widgets.row_list import RowList

if TYPE_CHECKING:
    from engine.training.basket import Basket, BasketRow, Group

Line = tuple["Group", "BasketRow | None"]
_LEFT_OUT = "left out: "


class BasketList(RowList):
    """A line a query and a line a verdict, under two lines about the one under the cursor."""

    HEADER = 2

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: list[Line] = []
        self.deselected: Collection[tuple[str, str]] = ()

    def show(self, basket: Basket | None, deselected: Collection[tuple[str, str]]) -> None:
        """Show a basket, or the same one with other verdicts taken out."""
        if basket is not None:
            kept = self._key(self.cursor)
            self.lines = [
                line
                for group in basket.groups
                for line in ((group, None), *((group, row) for row in group.rows))
            ]
            places = (n for n in range(len(self.lines)) if self._key(n) == kept)
            self.place(next(places, self.cursor))
        self.deselected = deselected
        self.repaint()

    def empty(self, *notice: Piece) -> None:
        """Show no verdicts, and say why."""
        self.lines, self.notice = [], notice
        self.place(0)
        self.repaint()

    def under_cursor(self) -> list[tuple[str, str]]:
        """The verdicts on the line under the cursor: one, or all of a query."""
        if not self.lines:
            return []
        group, row = self.lines[self.cursor]
        return [(group.query, each.product_id) for each in ([row] if row else group.rows)]

    def _key(self, line: int) -> tuple[str, str] | None:
        if line >= len(self.lines):
            return None
        group, row = self.lines[line]
        return group.query_id, row.product_id if row else ""

    def row_count(self) -> int:
        return len(self.lines)

    # Painting

    def header_pieces(self, line: int, width: int) -> Sequence[Piece]:
        if not self.lines:
            return ()
        group, row = self.lines[self.cursor]
        return (_right, _against)[line](group, row)

    def row_pieces(self, row: int, width: int) -> Sequence[Piece]:
        group, verdict = self.lines[row]
        lead = "›" if row == self.cursor else " "
        if verdict is None:
            return (("strong", f"{lead}{printable(group.query)}"), ("faint", f"  {_about(group)}"))
        chosen = (group.query, verdict.product_id) not in self.deselected
        becomes_width = max(10, width * 2 // 5)
        title_width = width - becomes_width - 12
        mark = FLAGGED if verdict.bad else GRADED
        used = chosen and not verdict.becomes.startswith(_LEFT_OUT)
        title = printable(verdict.text) or f"({printable(verdict.product_id)})"
        return (
            ("plain", f"{lead} "),
            ("key", "[x]" if chosen else "[ ]"),
            ("plain", f" {verdict.grade}"),
            ("key", f"{mark} "),
            ("plain" if used else "faint", fit(title, title_width)),
            ("gain" if used else "faint", f"  {fit(_becomes(group, verdict), becomes_width)}"),
        )


def _about(group: Group) -> str:
    parts = [group.split] if group.split else []
    if group.pairs:
        parts.append(count(len(group.pairs), "pair"))
        sources = [positive.source for positive in group.positives]
        right = ", ".join(f"{sources.count(s)} {s}" for s in dict.fromkeys(sources))
        parts.append(f"right: {right}")
    if group.note:
        parts.append(printable(group.note))
    return " · ".join(parts)


def _becomes(group: Group, row: BasketRow) -> str:
    if row.becomes.startswith(_LEFT_OUT):
        return row.becomes
    pairs = sum(row.product_id in pair for pair in group.pairs)
    said = f"{row.becomes} in {count(pairs, 'pair')}"
    return f"{said}, disputed" if row.disputed else said


def _right(group: Group, row: BasketRow | None) -> Sequence[Piece]:
    """The results that a run would bring up."""
    if not group.positives:
        return (("faint", " right   "), ("warn", "none"))
    first = group.positives[0]
    if row is not None:
        mine = {p for p, n in group.pairs if row.product_id in (p, n)}
        first = next((p for p in group.positives if p.product_id in mine), first)
    more = len(group.positives) - 1
    rest = f" and {more:,} more" if more else ""
    return (
        ("faint", " right   "),
        ("plain", printable(first.text)),
        ("faint", f" ({first.source}){rest}"),
    )


def _against(group: Group, row: BasketRow | None) -> Sequence[Piece]:
    """What it would be set against, or why there is nothing."""
    if row is None:
        wrong = count(len(group.becoming("negative")), "result")
        return (("faint", " against "), ("plain", wrong), ("faint", ": space takes all out"))
    if row.becomes.startswith(_LEFT_OUT):
        return (("faint", " "), ("warn", printable(row.becomes)))
    if row.becomes == "negative":
        return (("faint", " against "), ("plain", printable(row.text)))
    return (("faint", " against "), ("faint", "other results"))
