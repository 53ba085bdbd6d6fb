"""One side's ranked list: two lines about the side, then a line a hit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.binding import Binding, BindingType
from textual.strip import Strip

from engine.ranking.comparison import Hit, SideResult
from workbench.text import fit, measure, printable, score
from workbench.widgets.painted import Piece, joined, spread
from workbench.widgets.row_list import RowList

# Name, brief name, key; where a list is too narrow even for the brief ones, the last goes first.
HEADER_MEASURES = (
    ("MRR@10", "MRR", "mrr@10"),
    ("R@50", "R@50", "recall@50"),
    ("judged@10", "judged", "judged@10"),
    ("RBO ideal", "ideal", "rbo_ideal"),
)
UNJUDGED = "·"
_SEEN = "trained or chosen on"
OVERRULES, FLAGGED, GRADED = "≠", "!", "*"


class RankingList(RowList):
    """A side's hits.

    `linked` is the product under the other list's cursor: its row here carries a mark, so the eye
    finds where it went.
    """

    HEADER = 2
    # Here and not on the screen: in the query line they are letters. The first two are prior, so
    # that a letter after one of them, in the same read, is typed and grades nothing.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "leave", "To the query", show=False, priority=True),
        Binding("up", "move(-1)", "Row up", show=False, priority=True),
        Binding("e", "screen.grade('E')", "Grade: Exact", show=False, id="verdict.exact"),
        Binding("s", "screen.grade('S')", "Grade: Substitute", show=False, id="verdict.substitute"),
        Binding("c", "screen.grade('C')", "Grade: Complement", show=False, id="verdict.complement"),
        Binding("i", "screen.grade('I')", "Grade: Irrelevant", show=False, id="verdict.irrelevant"),
        Binding("x", "screen.flag", "Bad result", show=False, id="verdict.bad"),
        Binding("n", "screen.note", "Note", show=False, id="verdict.note"),
        Binding("u", "screen.undo", "Undo", show=False, id="verdict.undo"),
        Binding("U", "screen.redo", "Redo", show=False, id="verdict.redo"),
        Binding("p", "screen.present", "Add to Present", show=False, id="present.add"),
        Binding("equals_sign", "screen.separate", "Refuse sharing", show=False, id="verdict.alone"),
    ]

    def __init__(
        self,
        leave: Callable[[], None],
        type_into: Callable[[str, float], None],
        *,
        id: str | None = None,
    ) -> None:
        """`leave` goes to the query, `type_into` takes a letter there and when it was pressed."""
        super().__init__(id=id)
        self.leave = leave
        self.type_into = type_into
        self.side: SideResult | None = None
        self.standing_in = ""
        self.linked: str | None = None
        self.pointing = False
        """Whether the row under the cursor is marked: one list of the two, while in the lists."""
        self.version = 0
        """Number of what should be on the screen; `painted` follows when it is."""
        self.painted = 0

    def show(self, side: SideResult | None, version: int) -> None:
        """Take a side's answer. Paints at the next refresh; lays out nothing."""
        self.side = side
        self.version = version
        self.repaint()

    @property
    def hits(self) -> Sequence[Hit]:
        return self.side.hits if self.side else ()

    @property
    def hit(self) -> Hit | None:
        """The hit under the cursor."""
        return self.hits[self.cursor] if self.cursor < len(self.hits) else None

    def row_of(self, product_id: str) -> int | None:
        for row, hit in enumerate(self.hits):
            if hit.product_id == product_id:
                return row
        return None

    def point(self, pointing: bool, linked: str | None) -> None:
        """Mark the row under the cursor, or the product that the other list's stands on."""
        if (pointing, linked) != (self.pointing, self.linked):
            self.pointing, self.linked = pointing, linked
            self.repaint()

    def row_count(self) -> int:
        return len(self.hits)

    # Not by messages: of two letters in the same read the second must find the focus moved.

    def action_leave(self) -> None:
        self.leave()

    def action_move(self, step: int) -> None:
        if step < 0 and self.cursor == 0:
            self.leave()
        else:
            super().action_move(step)

    def typed(self, event: events.Key) -> None:
        if event.character:
            self.type_into(event.character, event.time)

    def row_ground(self, row: int) -> str:
        return super().row_ground(row) if self.pointing else ""

    def render_line(self, y: int) -> Strip:
        self.painted = self.version
        return super().render_line(y)

    def header_pieces(self, line: int, width: int) -> Sequence[Piece]:
        if self.side is None:
            name = self.standing_in or ""
            return ((self._name_ink, f" {printable(name)}"),) if line == 0 else ()
        if line == 0:
            return self._title_pieces(self.side, width)
        return (("plain", " "), *_measures(self.side, width - 2))

    @property
    def _name_ink(self) -> str:
        return "strong" if self.has_focus else "plain"

    def _title_pieces(self, side: SideResult, width: int) -> list[Piece]:
        name = printable(side.encoder)
        left: list[Piece] = [("strong", f"{'▸' if self.has_focus else ' '}{name}")]
        if self.standing_in and self.standing_in != side.encoder:
            left.append(("warn", f" for {printable(self.standing_in)}"))
        seen: Piece = ("faint", "unseen")
        if side.seen:
            # In words where there is room: a mark that is missing would read as unseen.
            taken = sum(cell_len(text) for _, text in left)
            seen = ("warn", _SEEN if taken + len(_SEEN) + 3 <= width else "seen")
        return spread(left, (seen, ("plain", " ")), width)

    def row_pieces(self, row: int, width: int) -> Sequence[Piece]:
        hit = self.hits[row]
        ink, moved = movement(hit)
        linked = hit.product_id == self.linked
        lead = "›" if linked or (self.pointing and row == self.cursor) else " "
        grade, mark = hit.grade or UNJUDGED, verdict_mark(hit)
        grade_ink = "strong" if grade == "E" else "plain" if hit.grade else "faint"
        strong = "strong" if linked else "plain"
        return (
            (strong, lead),
            ("faint", f"{hit.rank:>2} "),
            (ink, f"{moved:<5}"),
            *(((grade_ink, grade), ("key", mark)) if mark else ((grade_ink, f"{grade} "),)),
            ("faint", f"{score(hit.score):>5} "),
            (strong, fit(printable(hit.title) or f"({printable(hit.product_id)})", width - 17)),
        )


def _measures(side: SideResult, width: int) -> Sequence[Piece]:
    """The measures, as fully named and as far apart as `width` allows."""
    values = [measure(side.own.get(key), 2) for *_, key in HEADER_MEASURES]
    for brief, between in ((False, "  "), (True, "  "), (True, " ")):
        names = [names[brief] for names in HEADER_MEASURES]
        groups = [
            (("faint", f"{name} "), ("plain", value))
            for name, value in zip(names, values, strict=True)
        ]
        pieces = joined(groups, width, between)
        if len(pieces) == 3 * len(groups) - 1:
            break
    return pieces


def verdict_mark(hit: Hit) -> str:
    """The cell beside the grade: whether a person gave it, and against what; "" for none."""
    if not hit.verdict:
        return ""
    if hit.overrules:
        return OVERRULES
    return FLAGGED if hit.verdict == "flagged" else GRADED


def movement(hit: Hit) -> tuple[str, str]:
    """The ink and the mark of a hit's movement against the other side, at most four cells."""
    places = hit.movement
    if places is None:
        return "gain", "new"
    if places == 0:
        return "faint", "="
    arrow = "▲" if places > 0 else "▼"
    return ("gain" if places > 0 else "loss"), f"{arrow}{min(abs(places), 999)}"
