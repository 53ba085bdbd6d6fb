"""Judged queries with what changed, a line each; five thousand scroll as fast as fifty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textual.message import Message

from engine.catalog.queries import weight_of
from engine.measures import PRIMARY
from workbench.text import change, fit, measure, printable
from workbench.widgets.painted import Piece
from workbench.widgets.row_list import RowList

Values = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class QueryRow:
    """One query on both sides.

    Attributes:
        columns: the query file's, and the groups derived from the query.
        lefts, rights, deltas: measure -> on the left, on the right, right minus left; None where
            the measure has no value for the query.
        measure: the one that `left`, `right` and `change` are of.
    """

    query_id: str
    query: str
    split: str
    seen: bool
    columns: Mapping[str, str]
    rbo: float | None
    lefts: Values
    rights: Values
    deltas: Values
    measure: str = PRIMARY

    @property
    def left(self) -> float | None:
        return self.lefts.get(self.measure)

    @property
    def right(self) -> float | None:
        return self.rights.get(self.measure)

    @property
    def change(self) -> float | None:
        return self.deltas.get(self.measure)

    @property
    def judged(self) -> float | None:
        """The lower judged@10 of the two sides: a comparison is as good as that."""
        known = [share for share in self.judged_sides if share is not None]
        return min(known) if known else None

    @property
    def judged_sides(self) -> tuple[float | None, float | None]:
        """judged@10 on the left and on the right."""
        return self.lefts.get(JUDGED), self.rights.get(JUDGED)

    @property
    def weight(self) -> float | None:
        """The query's traffic; None where nothing is known of it."""
        return weight_of(self.columns)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its field, its name, its cells, and whether it begins with the highest."""

    field: str
    name: str
    width: int
    falling: bool = False


# The query takes what the others leave; the sort begins with the first.
COLUMNS = (
    Column("change", "Δ", 6),
    Column("query", "query", 0),
    Column("split", "split", 6),
    Column("seen", "seen", 7),
    Column("left", "left", 6),
    Column("right", "right", 6),
    Column("rbo", "RBO", 5),
    Column("judged", "judged", 7, falling=True),
)
CHANGE = COLUMNS[0].field
JUDGED = "judged@10"
_BY_FIELD = {column.field: column for column in COLUMNS}
_SHOWN = ("query", "split", "seen", "left", "right", "change", "rbo", "judged")
_NUMBERS = ("left", "right", "change", "rbo", "judged")


class QueryTable(RowList):
    """Sorted rows under one line of column names."""

    HEADER = 1

    class HeaderClicked(Message):
        """A click on a column's name."""

        def __init__(self, field: str) -> None:
            super().__init__()
            self.field = field

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.rows: list[QueryRow] = []
        self.sorted_by = CHANGE
        self.turned = False

    def show(self, rows: Sequence[QueryRow], sorted_by: str, turned: bool) -> None:
        """Show `rows` in this order, the cursor on the query it stood on."""
        kept = self.row.query_id if self.row and self.cursor else None
        self.sorted_by, self.turned = sorted_by, turned
        self.rows = in_order(rows, sorted_by, turned)
        place = next((n for n, row in enumerate(self.rows) if row.query_id == kept), 0)
        self.place(place)
        self.repaint()

    @property
    def row(self) -> QueryRow | None:
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    def row_count(self) -> int:
        return len(self.rows)

    def _widths(self, width: int) -> dict[str, int]:
        # Where the table is narrow the least telling columns go, so that queries stay readable.
        shown = list(_SHOWN)
        for droppable in ("judged", "split", "rbo", "seen", "left", "right"):
            taken = sum(_BY_FIELD[field].width + 1 for field in shown if field != "query")
            if width - taken - 2 >= 20:
                break
            shown.remove(droppable)
        taken = sum(_BY_FIELD[field].width + 1 for field in shown if field != "query")
        return {
            field: max(1, width - taken - 2) if field == "query" else _BY_FIELD[field].width
            for field in shown
        }

    def header_pieces(self, line: int, width: int) -> Sequence[Piece]:
        pieces: list[Piece] = [("faint", " ")]
        for field, cells in self._widths(width).items():
            column = _BY_FIELD[field]
            here = field == self.sorted_by
            arrow = ("▾" if falling(column, self.turned) else "▴") if here else ""
            name = column.name + arrow
            text = f" {name:>{cells}}" if field in _NUMBERS else f" {name:<{cells}}"
            pieces.append(("strong" if here else "faint", text if field != "query" else text[1:]))
        return pieces

    def header_clicked(self, x: int) -> None:
        start = 1
        for field, cells in self._widths(self.size.width).items():
            end = start + cells + (field != "query")
            if start <= x < end:
                self.post_message(self.HeaderClicked(field))
            start = end

    def row_pieces(self, row: int, width: int) -> Sequence[Piece]:
        item = self.rows[row]
        shown = change(item.change)
        ink = "plain"
        if item.change is None or shown.startswith("±"):
            ink = "faint"
        elif item.change:
            ink = "gain" if item.change > 0 else "loss"
        cells: Mapping[str, Piece] = {
            "query": ("plain", printable(item.query)),
            "split": ("faint", item.split or "–"),
            "seen": ("warn", "seen") if item.seen else ("faint", "unseen"),
            "left": ("plain", measure(item.left)),
            "right": ("plain", measure(item.right)),
            "change": (ink, shown),
            "rbo": ("faint", measure(item.rbo, 2)),
            "judged": ("faint", "→".join(measure(share, 2) for share in item.judged_sides)),
        }
        pieces: list[Piece] = [("faint", self.pointer(row))]
        for field, width_of in self._widths(width).items():
            name, text = cells[field]
            if field in _NUMBERS:
                pieces.append((name, f" {text:>{width_of}}"))
            elif field == "query":
                pieces.append((name, fit(text, width_of)))
            else:
                pieces.append((name, " " + fit(text, width_of)))
        return pieces


def falling(column: Column, turned: bool) -> bool:
    """Whether the highest value of `column` comes first."""
    return column.falling != turned


def in_order(rows: Sequence[QueryRow], field: str, turned: bool) -> list[QueryRow]:
    """Rows sorted by a column, then by query; those without a value last either way."""
    valued = [row for row in rows if getattr(row, field) is not None]
    without = [row for row in rows if getattr(row, field) is None]
    by_query = sorted(valued, key=lambda row: (row.query, row.query_id))
    by_query.sort(key=lambda row: getattr(row, field), reverse=falling(_BY_FIELD[field], turned))
    return by_query + without


def rows_of(
    result: Mapping[str, Any], columns: Mapping[str, Mapping[str, str]], measure: str = PRIMARY
) -> list[QueryRow]:
    """The table's rows from the `eval` JSON; `columns` is query id -> the query file's columns."""
    return [
        QueryRow(
            query_id=str(row["query_id"]),
            query=str(row["query"]),
            split=row.get("split") or "",
            seen=bool(row["seen"]),
            columns={**row.get("derived", {}), **columns.get(str(row["query_id"]), {})},
            rbo=row.get("rbo", row["delta"].get("rbo")),
            lefts=row["baseline"],
            rights=row["candidate"],
            deltas=row["delta"],
            measure=measure,
        )
        for row in result.get("per_query", ())
    ]
