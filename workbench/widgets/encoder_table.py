"""The encoders, a line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from workbench.run_page import INKS
from workbench.text import change, fit, measure, printable
from workbench.widgets.painted import Piece
from workbench.widgets.row_list import RowList

if TYPE_CHECKING:
    from workbench.shelf import EncoderRow

# Name and cells of each column; the encoder takes what the others leave.
COLUMNS = {
    "encoder": 0,
    "from": 12,
    "recipe": 10,
    "dev": 9,
    "unseen": 7,
    "verdict": 19,
    "size": 7,
    "query": 7,
    "index": 7,
    "used": 13,
}
_MEASURES = {"dev": "NDCG@10", "unseen": "NDCG@10"}
_NUMBERS = ("dev", "unseen", "size", "query")
_DROPPED_FIRST = ("size", "from", "index", "recipe", "dev", "query", "unseen", "used")
_NAME = 16


class EncoderTable(RowList):
    """Rows under two lines: the measure of the columns that have one, and their names."""

    HEADER = 2

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.rows: Sequence[EncoderRow] = ()
        self.used: Mapping[str, Sequence[str]] = {}
        self.times: Mapping[tuple[str, str], str] = {}

    def show(
        self,
        rows: Sequence[EncoderRow],
        used: Mapping[str, Sequence[str]],
        times: Mapping[tuple[str, str], str],
    ) -> None:
        """Show `rows`, the cursor on the encoder it stood on.

        Args:
            used: name -> where it is used.
            times: `EncoderRow.made` -> its latency in words.
        """
        kept = self.row.name if self.row else None
        self.rows, self.used, self.times = rows, used, times
        place = next((n for n, row in enumerate(rows) if row.name == kept), self.cursor)
        self.place(place)
        self.repaint()

    @property
    def row(self) -> EncoderRow | None:
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    def row_count(self) -> int:
        return len(self.rows)

    def _widths(self, width: int) -> dict[str, int]:
        shown = dict(COLUMNS)
        for name in _DROPPED_FIRST:
            if width - _taken(shown) >= _NAME:
                break
            del shown[name]
        shown["encoder"] = max(1, width - _taken(shown))
        return shown

    def header_pieces(self, line: int, width: int) -> Sequence[Piece]:
        titles = (_MEASURES, {name: name for name in COLUMNS})[line]
        cells = (_cell(n, titles.get(n, ""), size) for n, size in self._widths(width).items())
        return [("faint", " "), *(("faint", cell) for cell in cells)]

    def row_pieces(self, row: int, width: int) -> Sequence[Piece]:
        item = self.rows[row]
        widths = self._widths(width)
        cells: Mapping[str, Piece] = {
            "encoder": ("plain", item.name),
            "from": ("faint", item.parents[0] if item.parents else ""),
            "recipe": ("faint", item.made_by),
            "dev": ("plain", dev(item)),
            "unseen": _unseen(item),
            "verdict": _call(item),
            "size": ("faint", f"{item.info.bytes / 1e6:.1f} MB"),
            "query": ("faint", self.times.get(item.made, "")),
            "index": ("faint", "yes") if item.build else ("warn", "not yet"),
            "used": _used(item, self.used.get(item.name, ()), "index" in widths),
        }
        pieces: list[Piece] = [("plain", "›" if row == self.cursor else " ")]
        for name, size in widths.items():
            ink, text = cells[name]
            pieces.append((ink, _cell(name, printable(text), size)))
        return pieces


def dev(item: EncoderRow) -> str:
    """`.557→.566`: its base's score and its own on the dev queries."""
    scores = item.scores
    if scores.get("tuned") is None or scores.get("base") is None:
        return ""
    return f"{measure(scores['base'])}→{measure(scores['tuned'])}"


def _unseen(item: EncoderRow) -> Piece:
    mean = (item.verdict.get("unseen") or {}).get("mean")
    if mean is None:
        return "faint", ""
    ink = "faint" if abs(mean) < 5e-4 else "gain" if mean > 0 else "loss"
    return ink, change(mean)


def _call(item: EncoderRow) -> Piece:
    if item.info.fault:
        return "error", "card unreadable"
    call = str(item.verdict.get("call", ""))
    if not call and item.info.card:
        return "plain", item.info.card.keeps
    return INKS.get(call, "plain"), call


def _used(item: EncoderRow, places: Sequence[str], index_shown: bool) -> Piece:
    if places:
        return "key", ", ".join(places)
    return ("faint", "") if item.build or index_shown else ("warn", "not indexed")


def _taken(shown: Mapping[str, int]) -> int:
    """Cells of every column but the encoder's, each with the space before it."""
    return 2 + sum(size + 1 for name, size in shown.items() if name != "encoder")


def _cell(name: str, text: str, size: int) -> str:
    if name == "encoder":
        return fit(text, size)
    return f" {text:>{size}}" if name in _NUMBERS else f" {fit(text, size)}"
