"""Any table file into a frame of strings."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PanicException, PolarsError

from engine.errors import RankbenchError
from engine.formats.delimited import parse_delimited, unique_names
from engine.formats.encoding import decode, read_bytes


@dataclass(frozen=True, slots=True)
class Table:
    """A table as read.

    Attributes:
        frame: every column a nullable string; rows as in the file, blank ones left out.
        format: "csv", "jsonl", "json" or "parquet".
        notes: one sentence each on what was guessed.
    """

    frame: pl.DataFrame
    format: str
    notes: tuple[str, ...] = ()


def read_table(path: Path) -> pl.DataFrame:
    """The frame of `load_table`."""
    return load_table(path).frame


def load_table(path: Path) -> Table:
    """Read CSV with any delimiter, JSON lines, a JSON array, or Parquet; each also as `.gz`.

    What the file is decides by its content: Parquet and gzip by their first bytes, JSON by an
    opening bracket, else delimited text.

    Numbers become text (`3.0` of a numeric column becomes `3`), lists are joined with a space,
    objects stay JSON, NaN is null.

    Raises:
        RankbenchError: missing, empty, binary or malformed file, or one without rows.
    """
    path = Path(path)
    raw = read_bytes(path)
    if raw.startswith(b"PAR1"):
        return _with_rows(Table(_parquet(raw, path), "parquet"), path)
    if path.suffix.lower() in (".parquet", ".pq"):
        raise RankbenchError(f"{path} is not a Parquet file.", "Export it again, or rename it.")
    text = decode(raw, path)
    body = text.text.lstrip()
    if is_json(body, path):
        frame, kind = parse_json(text.text, path)
        return _with_rows(Table(frame, kind, text.notes), path)
    frame, dialect = parse_delimited(text.text, path)
    notes = text.notes
    if not dialect.quoted and dialect.delimiter != "\t":
        notes = (*notes, "Quotes do not pair in the file; they were read as plain text.")
    return _with_rows(Table(frame, "csv", notes), path)


def parse_json(text: str, path: Path) -> tuple[pl.DataFrame, str]:
    """JSON text into a table and "json" or "jsonl".

    An array of objects, one object a line, or one object that holds such an array.

    Raises:
        RankbenchError: malformed JSON, with the line, or no objects in it.
    """
    try:
        return rows_to_frame(_objects(load_json(text), path)), "json"
    except json.JSONDecodeError:
        # Not one value, so one a line.
        pass
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = load_json(line)
        except json.JSONDecodeError as error:
            raise RankbenchError(
                f"Line {number} of {path} is not JSON: {error.msg}.",
                "Give one JSON object a line, or one array of objects.",
            ) from None
        if not isinstance(value, dict):
            raise _no_objects(path)
        rows.append(value)
    return rows_to_frame(rows), "jsonl"


def load_json(text: str) -> Any:
    """`json.loads` whose every failure is a JSONDecodeError; NaN and infinities become None."""
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except json.JSONDecodeError:
        raise
    except (RecursionError, ValueError) as error:
        raise json.JSONDecodeError(str(error).splitlines()[0], text[:1], 0) from None


def rows_to_frame(rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """Objects into a frame of strings; columns in the order in which they first occur."""
    rows = list(rows)
    keys = list(dict.fromkeys(key for row in rows for key in row))
    names = unique_names([_cell(key) or "" for key in keys])
    columns = {
        name: [_cell(row.get(key)) for row in rows] for name, key in zip(names, keys, strict=True)
    }
    return pl.DataFrame(columns, schema=dict.fromkeys(names, pl.String))


def _objects(value: Any, path: Path) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        lists = [item for item in value.values() if isinstance(item, list) and item]
        value = lists[0] if len(lists) == 1 and isinstance(lists[0][0], dict) else [value]
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise _no_objects(path)
    return value


def _no_objects(path: Path) -> RankbenchError:
    return RankbenchError(
        f"{path} holds JSON, but no objects.",
        'Give one object a row, for example {"product_id": "1", "title": "Red shoe"}.',
    )


def _cell(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        # JSON can spell half a surrogate pair, which no UTF-8 can hold.
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, list) and all(not isinstance(item, list | dict) for item in value):
        return " ".join(text for item in value if (text := _cell(item))) or None
    if isinstance(value, list | dict):
        return _cell(json.dumps(value, ensure_ascii=False, default=str))
    return str(value)


def is_json(body: str, path: Path) -> bool:
    """Whether a file's text, without leading space, is meant as JSON."""
    name = path.name.lower().removesuffix(".gz")
    if name.endswith((".json", ".jsonl", ".ndjson")):
        return True
    # A CSV may open with a bracket too, but hardly with one that a quote or brace follows.
    return body.startswith("{") and '"' in body[:200] and ":" in body[:2000]


def _parquet(raw: bytes, path: Path) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(io.BytesIO(raw))
        frame.columns = unique_names(frame.columns)
        return frame.select(_string_column(frame[name]) for name in frame.columns)
    except (PolarsError, PanicException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise RankbenchError(
            f"{path} cannot be read as Parquet: {reason}.", "Fetch or export it again."
        ) from None


def _string_column(column: pl.Series) -> pl.Series:
    kind = column.dtype
    if kind == pl.String:
        return column
    if kind.is_float():
        column = column.fill_nan(None)
        whole = column.drop_nulls()
        if ((whole == whole.round()) & (whole.abs() < 1e15)).all():
            column = column.cast(pl.Int64)
        return column.cast(pl.String)
    if kind.is_nested() or kind in (pl.Binary, pl.Object):
        cells = [
            value.decode("utf-8", "replace") if isinstance(value, bytes) else _cell(value)
            for value in column.to_list()
        ]
        return pl.Series(column.name, cells, dtype=pl.String)
    return column.cast(pl.String)


def _with_rows(table: Table, path: Path) -> Table:
    if table.frame.is_empty():
        raise RankbenchError(f"{path} has a header but no rows.", "Give a file with rows.")
    return table
