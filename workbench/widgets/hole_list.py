"""Unjudged products, a line each, in an order that stays while they are graded."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from engine.catalog.normalise import normalise_query
from workbench.text import change, fit, printable
from workbench.widgets.painted import Piece
from workbench.widgets.ranking_list import GRADED, UNJUDGED
from workbench.widgets.row_list import RowList

if TYPE_CHECKING:
    from engine.evaluation.holes import Hole
    from engine.records.verdicts import Verdict

_RANK = 5
_SWING = 7
_LEAST = 14


class HoleList(RowList):
    """The queue under one line of column names."""

    HEADER = 1
    # The keys, and the names that a keymap changes them by, are those of Compare's lists.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "screen.grade('E')", "Grade: Exact", show=False, id="verdict.exact"),
        Binding("s", "screen.grade('S')", "Grade: Substitute", show=False, id="verdict.substitute"),
        Binding("c", "screen.grade('C')", "Grade: Complement", show=False, id="verdict.complement"),
        Binding("i", "screen.grade('I')", "Grade: Irrelevant", show=False, id="verdict.irrelevant"),
        Binding("u", "screen.undo", "Undo", show=False, id="verdict.undo"),
        Binding("U", "screen.redo", "Redo", show=False, id="verdict.redo"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.queue: Sequence[Hole] = ()
        self.grades: dict[tuple[str, str], str] = {}
        """(query id, product id) -> the grade given since the order was made."""
        self._by_product: Mapping[str, Sequence[Hole]] = {}
        self._gone: dict[tuple[str, str], Hole] = {}
        """Those graded before the order was renewed: they return where a grade is taken back."""

    def forget(self) -> None:
        """Show nothing, and let nothing return."""
        self._put(())
        self._gone = {}

    def show(self, queue: Sequence[Hole]) -> None:
        """Show the holes in another order, the cursor on the first row."""
        self._gone |= {hole.pair: hole for hole in self.queue}
        self._put(queue)
        for hole in queue:
            self._gone.pop(hole.pair, None)

    def _put(self, queue: Sequence[Hole]) -> None:
        self.queue, self.grades, self._by_product = queue, {}, _by_product(queue)
        self.place(0)
        self.repaint()

    def add(self, holes: Sequence[Hole]) -> None:
        """Put those that are not shown where their swing belongs, the cursor on its product."""
        known = {hole.pair for hole in self.queue}
        more = [hole for hole in holes if hole.pair not in known]
        if not more:
            return
        here, above = self.hole, self.cursor
        queue = list(self.queue)
        for hole in more:
            queue.insert(bisect_right(queue, -abs(hole.swing), key=lambda h: -abs(h.swing)), hole)
            self._gone.pop(hole.pair, None)
        self.queue, self._by_product = queue, _by_product(queue)
        cursor = queue.index(here) if here is not None else 0
        if self.top:
            # By as much as the cursor goes down the page does, too: no row in sight moves.
            self.top += cursor - above
        self.place(cursor)
        self.repaint()

    def know(self, grades: Mapping[tuple[str, str], str]) -> None:
        """Show these grades, and no others, on the rows."""
        if grades != self.grades:
            self.grades = dict(grades)
            self.repaint()

    def mark(self, verdict: Verdict, *, undone: bool = False) -> None:
        """Show what was just recorded, on every spelling of its query."""
        key = verdict.key
        if undone:
            self.add([h for h in self._gone.values() if _is_of(h, verdict.product_id, key)])
        for hole in self._by_product.get(verdict.product_id, ()):
            if _is_of(hole, verdict.product_id, key):
                if undone:
                    self.grades.pop(hole.pair, None)
                else:
                    self.grades[hole.pair] = verdict.grade
        self.repaint()

    @property
    def hole(self) -> Hole | None:
        """The one under the cursor."""
        return self.queue[self.cursor] if self.cursor < len(self.queue) else None

    def go_on(self) -> None:
        """Put the cursor on the next row without a grade; on the next row where none is left."""
        below = range(self.cursor + 1, len(self.queue))
        to = next((n for n in below if self.queue[n].pair not in self.grades), self.cursor + 1)
        before = self.cursor
        self.place(to)
        if self.cursor != before:
            self.post_message(self.Moved(self))

    def row_count(self) -> int:
        return len(self.queue)

    # Painting

    def header_pieces(self, line: int, width: int) -> Sequence[Piece]:
        if not self.queue:
            return ()
        query, _ = _text_widths(width)
        names = f"{'swing':>{_SWING}} {'left':>{_RANK}} {'right':>{_RANK}}"
        return (("faint", f"    {names}  {fit('query', query)}  product"),)

    def row_pieces(self, row: int, width: int) -> Sequence[Piece]:
        hole = self.queue[row]
        grade = self.grades.get(hole.pair)
        query, title = _text_widths(width)
        ink = "faint" if grade else "plain"
        swing = change(hole.swing, 4)
        colour = "faint" if grade or swing.startswith("±") else "gain" if hole.swing > 0 else "loss"
        shown = printable(hole.title) or f"({printable(hole.product_id)})"
        return (
            ("faint", "›" if row == self.cursor else " "),
            ("strong" if grade else "faint", grade or UNJUDGED),
            ("key", GRADED if grade else " "),
            (colour, f" {swing:>{_SWING}}"),
            (ink, f" {_rank(hole.baseline)} {_rank(hole.candidate)}"),
            (ink, f"  {fit(printable(hole.query), query)}"),
            (ink, f"  {fit(shown, title)}"),
        )


def _by_product(queue: Sequence[Hole]) -> Mapping[str, Sequence[Hole]]:
    found: dict[str, list[Hole]] = defaultdict(list)
    for hole in queue:
        found[hole.product_id].append(hole)
    return found


def _is_of(hole: Hole, product_id: str, key: str) -> bool:
    return hole.product_id == product_id and normalise_query(hole.query) == key


def _rank(rank: int | None) -> str:
    return f"{'–' if rank is None else rank:>{_RANK}}"


def _text_widths(width: int) -> tuple[int, int]:
    """Cells of the query and of the title."""
    left = max(2 * _LEAST, width - 4 - _SWING - 2 * (_RANK + 1) - 4)
    query = max(_LEAST, left * 2 // 5)
    return query, left - query
