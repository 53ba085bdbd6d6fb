"""Every query of a report as a row of a CSV."""

from __future__ import annotations

from collections.abc import Iterator

from engine.evaluation.evaluate import FLOORS
from engine.formats.printable import printable
from engine.formats.writing import csv_line, inert_cell
from engine.measures import DEFINITIONS, PRIMARY
from engine.report.report import Report


def render_csv(report: Report) -> str:
    """One row a query, the worst difference of the primary measure first.

    Numbers are as computed, empty where undefined; text is one harmless line that no spreadsheet
    takes for a formula.
    """
    return "".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    rows = report.evaluation.rows
    further = sorted({name for row in rows for name in row.columns})
    names = [
        f"{side}:{name}" for name in DEFINITIONS for side in ("baseline", "candidate", "delta")
    ]
    bounds = [f"lowest_delta:{PRIMARY}", f"highest_delta:{PRIMARY}"]
    floors = [f"random:{name}" for name in FLOORS]
    columns = [_text(f"query:{name}") for name in further]
    about = ["query_id", "query", "split", "seen", "judged", *columns, "rbo", *bounds]
    yield csv_line([*about, *names, *floors])
    for row in sorted(rows, key=lambda row: (row.delta[PRIMARY] or 0.0, row.query_id)):
        values = [
            value
            for name in DEFINITIONS
            for value in (row.baseline[name], row.candidate[name], row.delta[name])
        ]
        yield csv_line(
            [
                *map(_text, (row.query_id, row.query, row.split or "")),
                "seen" if row.seen else "unseen",
                str(len(row.grades)),
                *(_text(row.columns.get(name, "")) for name in further),
                *map(_number, (row.rbo, *row.bounds, *values)),
                *(_number(row.floor[name]) for name in FLOORS),
            ]
        )


def _text(text: str) -> str:
    return inert_cell(printable(text))


def _number(value: float | None) -> str:
    return "" if value is None else repr(float(value))
