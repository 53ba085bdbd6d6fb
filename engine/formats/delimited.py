"""CSV and its cousins: any delimiter, with or without quotes."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.exceptions import PanicException, PolarsError

from engine.errors import RankbenchError

DELIMITERS = (",", "\t", ";", "|", "\x01", "\x1f", "^", "~")
# A one-column file is split at a character that it does not hold.
_NOWHERE = ("\x1f", "\x1e", "\x1d", "\x1c", "\x02", "\x03", "\x04", "\x05", "\x06", "\x0e")
_SAMPLE = 131_072
_SEP_LINE = re.compile(r'\A"?sep=(.)"?\r?\n', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file separates and quotes.

    Attributes:
        delimiter: one character, or "" for a file of one column.
        quoted: whether `"` quotes; False where fields carry quotes as plain text.
        escaped: whether a backslash escapes a quote inside a quoted field.
    """

    delimiter: str
    quoted: bool = True
    escaped: bool = False


def parse_delimited(text: str, path: Path) -> tuple[pl.DataFrame, Dialect]:
    """A table of strings from delimited text whose first line is the header.

    Short lines are filled with nulls; empty fields are null; blank lines are left out.

    Raises:
        RankbenchError: a line with more fields than the header, or an unclosed quote.
    """
    declared = _SEP_LINE.match(text)
    if declared:
        text = text[declared.end() :]
    text = text.lstrip("\r\n")
    if not text.strip():
        raise RankbenchError(f"{path} is empty.", "Give a file with a header and rows.")
    delimiter = declared[1] if declared else sniff_delimiter(text, path.name)
    if delimiter == "\t" and _plain_fits(text, delimiter):
        # Tab-separated exports seldom quote, and their inch marks must not open a quote.
        dialect = Dialect(delimiter, quoted=False)
        return _tidy(_from_rows(_plain_rows(text, delimiter), path), path), dialect
    separator = delimiter or next((c for c in _NOWHERE if c not in text), "\x1f")
    if '\\"' in text:
        # polars reads a backslash before a quote as two plain characters and mangles the field.
        frame, dialect = _by_standard_reader(text, delimiter, separator, path)
        return _tidy(frame, path), dialect
    try:
        frame = pl.read_csv(
            io.BytesIO(text.encode("utf-8", "replace")),
            separator=separator,
            infer_schema=False,
        )
        if delimiter and _swallowed_lines(frame, text, delimiter):
            dialect = Dialect(delimiter, quoted=False)
            return _tidy(_from_rows(_plain_rows(text, delimiter), path), path), dialect
        return _tidy(frame, path), Dialect(delimiter)
    except (PolarsError, PanicException, OSError):
        # polars names no line; the standard reader is slower, forgives more and knows the line.
        pass
    frame, dialect = _by_standard_reader(text, delimiter, separator, path)
    return _tidy(frame, path), dialect


def sniff_delimiter(text: str, name: str = "") -> str:
    """The delimiter under which the first lines have most evenly as many fields as the header.

    Returns:
        One of `DELIMITERS`, or "" where the header holds none of them.
    """
    sample = text[:_SAMPLE]
    header = sample.split("\n", 1)[0]
    truncated = len(text) > _SAMPLE
    best, best_score = "", (0.0, 0, 0)
    for order, delimiter in enumerate(DELIMITERS):
        if delimiter not in header:
            continue
        rows = _lenient_rows(sample, delimiter)
        body = rows[1:-1] if truncated else rows[1:]
        if not rows or len(rows[0]) < 2:
            continue
        even = sum(len(row) == len(rows[0]) for row in body) / len(body) if body else 1.0
        if even < 0.5 and ".txt" in name.lower():
            continue  # a plain list of titles, the first of which holds the character
        score = (round(even, 1), len(rows[0]), -order)
        if delimiter == "\t" and ".tsv" in name.lower():
            return delimiter
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _lenient_rows(text: str, delimiter: str) -> list[list[str]]:
    csv.field_size_limit(sys.maxsize)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        return [row for row in reader if row]
    except csv.Error:
        return [line.split(delimiter) for line in text.splitlines() if line]


def _plain_rows(text: str, delimiter: str) -> list[list[str]]:
    rows = (line.removesuffix("\r") for line in text.split("\n"))
    return [[_unquoted(cell) for cell in line.split(delimiter)] for line in rows if line.strip()]


def _plain_fits(text: str, delimiter: str) -> bool:
    """Whether every line has as many fields as the header with quotes read as plain text."""
    lines = [line for line in text.split("\n") if line.strip()]
    width = lines[0].count(delimiter)
    return all(line.count(delimiter) == width for line in lines)


def _swallowed_lines(frame: pl.DataFrame, text: str, delimiter: str) -> bool:
    """Whether a stray quote joined lines: as plain text each line has the header's fields."""
    lines = sum(1 for line in text.split("\n") if line.strip())
    return frame.height + 1 < lines and _plain_fits(text, delimiter)


def _unquoted(cell: str) -> str:
    if len(cell) > 1 and cell[0] == cell[-1] == '"':
        inner = cell[1:-1]
        if '"' not in inner.replace('""', ""):
            return inner.replace('""', '"')
    return cell


def _by_standard_reader(
    text: str, delimiter: str, separator: str, path: Path
) -> tuple[pl.DataFrame, Dialect]:
    csv.field_size_limit(sys.maxsize)
    problem = ""
    for dialect, spaced in (
        (Dialect(delimiter), False),
        (Dialect(delimiter, escaped=True), False),
        (Dialect(delimiter), True),
    ):
        reader = csv.reader(
            io.StringIO(text, newline=""),
            delimiter=separator,
            doublequote=not dialect.escaped,
            escapechar="\\" if dialect.escaped else None,
            skipinitialspace=spaced,
            strict=True,
        )
        try:
            rows = [(reader.line_num, row) for row in reader if row]
            _check_widths(rows, path)
            return _from_rows([row for _, row in rows], path), dialect
        except csv.Error as error:
            problem = problem or f"line {reader.line_num}: {error}"
        except RankbenchError as error:
            problem = problem or error.what
    if not problem.startswith("Line ") and _plain_fits(text, separator):
        return _from_rows(_plain_rows(text, separator), path), Dialect(delimiter, quoted=False)
    if problem.startswith("Line "):
        raise RankbenchError(problem, _WIDTH_TODO)
    raise RankbenchError(
        f"The quotes in {path} do not pair ({problem}).",
        'Double each quote inside a quoted field (`"5"" pipe"`), or export as JSON lines.',
    )


_WIDTH_TODO = "Quote fields that hold the delimiter, or export as JSON lines or Parquet."


def _check_widths(rows: list[tuple[int, list[str]]], path: Path) -> None:
    width = len(rows[0][1])
    for line, row in rows[1:]:
        if len(row) > width and any(row[width:]):
            raise RankbenchError(
                f"Line {line} of {path} has {len(row)} fields, the header has {width}.",
                _WIDTH_TODO,
            )


def _from_rows(rows: list[list[str]], path: Path) -> pl.DataFrame:
    header, body = rows[0], rows[1:]
    names = unique_names(header)
    columns = {
        name: [row[place] if place < len(row) and row[place] != "" else None for row in body]
        for place, name in enumerate(names)
    }
    try:
        return pl.DataFrame(columns, schema=dict.fromkeys(names, pl.String))
    except UnicodeEncodeError:
        raise RankbenchError(f"{path} holds broken Unicode.", "Export it again as UTF-8.") from None


def unique_names(header: Sequence[str]) -> list[str]:
    """Column names on one line, none empty (`column_3`) and none twice (`title_2`)."""
    names: list[str] = []
    taken: set[str] = set()
    for place, cell in enumerate(header, 1):
        name = base = " ".join(cell.replace("\ufeff", "").split()) or f"column_{place}"
        count = 2
        while name in taken:
            name, count = f"{base}_{count}", count + 1
        names.append(name)
        taken.add(name)
    return names


def _tidy(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    names = [re.sub(r"_duplicated_\d+\Z", "", name) for name in frame.columns]
    frame.columns = unique_names(names)
    if not frame.width:
        raise RankbenchError(f"{path} has no columns.", "Give a file with a header and rows.")
    # A quoted empty field says no more than an empty one.
    frame = frame.with_columns(pl.all().replace("", None))
    return frame.filter(~pl.all_horizontal(pl.all().is_null()))
