"""People's verdicts as files: a CSV that carries everything, and what the judgment formats can.

The CSV has one line a verdict whatever its text, sorted by query, product and judge, so that a
version control system shows what changed: a backslash, a line end or another control character
inside a field is written as `\\\\`, `\\n`, `\\r` or `\\x07`, and so is the first character of one
that a spreadsheet would take for a formula (`\\x3d` for `=`). Times are ISO 8601 in UTC.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.errors import RankbenchError
from engine.formats.encoding import read_text
from engine.formats.grades import WORDS
from engine.formats.writing import csv_line, inert_cell, write_lines
from engine.records import Verdict

COLUMNS = (
    "query", "product_id", "grade", "bad", "note", "side", "rank", "encoder", "judge", "given",
)  # fmt: skip
_REQUIRED = {"query", "product_id", "grade"}
# What tells our own CSV from a judgment file that happens to have those three columns.
_OWN = {"bad", "judge", "given"}
_YES, _NO = ("true", "yes", "1", "x"), ("", "false", "no", "0")
_ESCAPED = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}
_TO_ESCAPE = re.compile("[\\\\\x00-\x1f\x7f\x85\u2028\u2029\ufeff]")
_ESCAPE = re.compile(r"\\(?:([\\nr])|x([0-9a-f]{2})|u([0-9a-f]{4}))")


@dataclass(frozen=True, slots=True)
class VerdictFile:
    """Verdicts as read.

    Attributes:
        verdicts: oldest first where the file has times, else in its order; `judge` is "" and
            `given` 0 where it does not say.
        format: "csv", or that of a judgment file (`engine.formats.judgments`).
        notes: one sentence each on what was guessed or left out.
    """

    verdicts: tuple[Verdict, ...]
    format: str
    notes: tuple[str, ...] = ()


def write_verdicts(path: Path, verdicts: Iterable[Verdict]) -> int:
    """Write the CSV; returns how many verdicts.

    Raises:
        RankbenchError: the file cannot be written.
    """
    rows = list(verdict_lines(verdicts))
    write_lines(path, rows)
    return len(rows) - 1


def verdict_lines(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """The CSV's lines, the header first."""
    yield csv_line(COLUMNS)
    for verdict in sorted(verdicts, key=lambda v: (v.query, v.product_id, v.judge, v.number)):
        rank = "" if verdict.rank is None else str(verdict.rank)
        bad = "true" if verdict.bad else "false"
        texts = (verdict.query, verdict.product_id, verdict.grade, bad, verdict.note)
        seen = (verdict.side, rank, verdict.encoder, verdict.judge, iso_time(verdict.given))
        yield csv_line([_escape(text) for text in texts + seen])


def read_verdicts(
    path: Path, *, queries: Path | None = None, scale: str | None = None
) -> VerdictFile:
    """Read verdicts: the CSV, or any judgment file, whose every grade is then a verdict.

    Args:
        queries, scale: of a judgment file, as `read_judgments` takes them. Without a scale the
            whole numbers 0 to 3 are what Rankbench writes, I to E. Without queries, the topics
            written beside TREC qrels are read.

    Raises:
        RankbenchError: unreadable, no verdict in it, or a row that cannot be one, with its line.
        UsageError: no such scale.
    """
    path = Path(path)
    if not path.is_dir() and (rows := _own_rows(path)) is not None:
        read = [_verdict(row, line, path) for line, row in rows]
        if not read:
            raise RankbenchError(f"{path} holds no verdict.", "It has a header and no rows.")
        return VerdictFile(tuple(sorted(read, key=lambda verdict: verdict.given)), "csv")
    return _from_judgments(path, queries, scale)


def iso_time(given: float) -> str:
    """Unix seconds as ISO 8601 in UTC, to the microsecond; "" for 0 and for no time at all."""
    try:
        when = datetime.fromtimestamp(given, UTC) if given else None
    except (OverflowError, OSError, ValueError):
        return ""
    return "" if when is None else when.isoformat(timespec="microseconds")[:-6] + "Z"


def _from_judgments(path: Path, queries: Path | None, scale: str | None) -> VerdictFile:
    from engine.formats.judgments import read_judgments

    read = read_judgments(path, queries=queries, scale=scale)
    values = set(read.frame["value"].to_list())
    if scale is None and values <= {"0", "1", "2", "3"} and read.scale != "order":
        read = read_judgments(path, queries=queries, scale="0-3")
    rows = read.frame.select("query", "product_id", "grade").iter_rows()
    notes = [*read.notes]
    if read.scale != "letters":
        shown = ", ".join(f"{value} is {grade}" for value, grade in read.mapping.items())
        notes.append(f"Grades were read on the scale {read.scale}: {shown}.")
    notes += [f"{count:,} rows left out: {why}." for why, count in read.dropped.items()]
    repeated = read.counts["duplicates"] + read.counts["contradictions"]
    if repeated:
        notes.append(f"{repeated:,} rows left out that repeat an earlier query and product.")
    return VerdictFile(tuple(Verdict(*row) for row in rows), read.format, tuple(notes))


def _own_rows(path: Path) -> list[tuple[int, dict[str, str]]] | None:
    """(line, column -> text) of our own CSV; None for any other file."""
    with path.open("rb") if path.is_file() else io.BytesIO() as file:
        if file.read(4) in (b"PAR1", b"PK\x03\x04"):
            return None
    text = read_text(path).text
    csv.field_size_limit(sys.maxsize)
    delimiter = max(",;\t", key=text.split("\n", 1)[0].count)  # as a spreadsheet saved it
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if not (set(header) >= _REQUIRED and _OWN & set(header)):
            return None
        rows = [(reader.line_num, row) for row in reader if any(row)]
    except csv.Error as error:
        raise RankbenchError(
            f"Line {reader.line_num} of {path} is no CSV: {error}.", "Export it again."
        ) from None
    for line, row in rows:
        if len(row) > len(header):
            raise RankbenchError(
                f"Line {line} of {path} has {len(row)} fields, the header has {len(header)}.",
                "Quote a field that holds a comma.",
            )
    return [(line, dict(zip(header, map(_unescape, row), strict=False))) for line, row in rows]


def _verdict(row: Mapping[str, str], line: int, path: Path) -> Verdict:
    def refuse(what: str, todo: str) -> RankbenchError:
        return RankbenchError(f"Line {line} of {path}: {what}", todo)

    get = {name: row.get(name, "") for name in COLUMNS}
    grade, bad = WORDS.get(get["grade"].strip().upper()), get["bad"].strip().lower()
    if grade is None:
        raise refuse(f"{get['grade']!r} is not a grade.", "Give E, S, C or I.")
    if not get["query"].strip() or not get["product_id"]:
        raise refuse("a verdict needs a query and a product.", "Name both, or take the line out.")
    if bad not in _YES + _NO:
        raise refuse(f"bad is {get['bad']!r}.", "Give true or false.")
    rank = get["rank"].strip()
    if rank and not (rank.isdecimal() and int(rank) > 0):
        raise refuse(f"the rank {rank!r} is no whole number from 1.", "Mend it or leave it empty.")
    try:
        given = _seconds(get["given"].strip())
    except ValueError:
        raise refuse(
            f"{get['given']!r} is no time.", "Write it as 2026-01-31T12:00:00Z, or leave it empty."
        ) from None
    return Verdict(
        query=get["query"],
        product_id=get["product_id"],
        grade=grade,
        bad=bad in _YES,
        note=get["note"],
        side=get["side"],
        rank=int(rank) if rank else None,
        encoder=get["encoder"],
        judge=get["judge"],
        given=given,
    )


def _seconds(text: str) -> float:
    if not text:
        return 0.0
    when = datetime.fromisoformat(text)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _escape(text: str) -> str:
    def code(character: str) -> str:
        wide = ord(character) > 0xFF
        return _ESCAPED.get(character) or (
            f"\\u{ord(character):04x}" if wide else f"\\x{ord(character):02x}"
        )

    escaped = _TO_ESCAPE.sub(lambda found: code(found[0]), text)
    # An apostrophe would do too, and yet be a part of the text of files written before.
    return escaped if inert_cell(escaped) == escaped else code(escaped[0]) + escaped[1:]


def _unescape(text: str) -> str:
    plain = {"\\": "\\", "n": "\n", "r": "\r"}
    return _ESCAPE.sub(lambda m: plain[m[1]] if m[1] else chr(int(m[2] or m[3], 16)), text)
