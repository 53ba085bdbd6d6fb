"""Verdicts: what a person said of a result, with who, where and when. Undo is a record too.

Records are ordered by their number, never by the clock. One act (a key, an imported file) is one
batch, and undo and redo take whole batches of their author. Of a judge's several verdicts on one
(query, product) pair the newest that is not undone stands.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass

from engine.catalog.normalise import clean_query, normalise_query
from engine.errors import RankbenchError
from engine.records.database import Database

GRADES = ("E", "S", "C", "I")
# A batch is undone where the last undo or redo of it says so.
_TURNED = """
SELECT target FROM (
    SELECT target, action, max(id) FROM verdicts WHERE action IN ('undo', 'redo'){} GROUP BY target
) WHERE action = 'undo'
"""
_UNDONE, _UNDONE_THEN = _TURNED.format(""), _TURNED.format(" AND id <= ?")
_ALL = (1 << 63) - 1
"""A number that no record has: the largest SQLite can hold."""
_COLUMNS = "query, product_id, grade, bad, note, side, rank, encoder, judge, given, id"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judge's word on one result.

    Attributes:
        query: as it was typed, cleaned.
        grade: "E", "S", "C" or "I".
        bad: flagged as a bad result, rather than graded I in passing.
        side, rank, encoder: where it was seen: side name, rank from 1, `Side.fingerprint`;
            "", None, "" where nowhere.
        given: Unix seconds, by the clock of the machine it was given on.
        number: of the record, 0 before it is one; the order of verdicts.
    """

    query: str
    product_id: str
    grade: str
    bad: bool = False
    note: str = ""
    side: str = ""
    rank: int | None = None
    encoder: str = ""
    judge: str = ""
    given: float = 0.0
    number: int = 0

    @property
    def key(self) -> str:
        """The normalised query: spellings that share it are equivalents."""
        return normalise_query(self.query)


@dataclass(frozen=True, slots=True)
class Act:
    """What an undo or a redo took back or gave again.

    Attributes:
        verdicts: those of the batch; empty where a query was separated.
        separated: the query of which the separation was undone or redone, or "".
    """

    verdicts: tuple[Verdict, ...]
    separated: str = ""


class Verdicts(Database):
    """The verdicts in `records.db`. A record is on the disk when its call returns."""

    def add(self, verdicts: Sequence[Verdict], author: str) -> int:
        """Append one act; returns the number of its first record.

        Args:
            verdicts: their `judge` is `author` where it is empty, `given` now where it is 0.
            author: who undoes it.

        Raises:
            RankbenchError: an empty query or product, an unknown grade, or the disk refuses; then
                nothing of the act is kept.
        """
        now = time.time()
        rows = [_row(verdict, author, now) for verdict in verdicts]
        if not rows:
            return 0
        with self._transaction() as connection:
            first = _next_number(connection)
            connection.executemany(
                "INSERT INTO verdicts (action, batch, author, created, query, query_key,"
                " product_id, grade, bad, note, side, rank, encoder, judge, given)"
                " VALUES ('grade', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                ((first, author, now, *row) for row in rows),
            )
        return first

    def act(self, number: int) -> list[Verdict]:
        """The verdicts of the act that `add` gave this number, as stored, undone or not."""
        return self._select("action = 'grade' AND batch = ?", number)

    def separate(self, query: str, author: str) -> None:
        """Refuse sharing: `query` neither takes its equivalents' verdicts nor gives its own."""
        text = clean_query(query)
        if not text:
            raise RankbenchError("The query is empty.", "Type a word or two.")
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO verdicts (action, batch, author, created, query, query_key)"
                " VALUES ('separate', ?, ?, ?, ?, ?)",
                (_next_number(connection), author, time.time(), text, normalise_query(text)),
            )

    def undo(self, author: str) -> Act | None:
        """Take back the author's newest act that stands; None where there is none."""
        return self._turn(
            "undo",
            author,
            "SELECT max(batch) FROM verdicts WHERE author = ? AND action IN ('grade', 'separate')"
            f" AND batch NOT IN ({_UNDONE})",
        )

    def redo(self, author: str) -> Act | None:
        """Give again what the author's last undo took back; None where something came after."""
        return self._turn(
            "redo",
            author,
            "SELECT target FROM verdicts AS last WHERE author = ? AND action = 'undo'"
            f" AND target IN ({_UNDONE})"
            " AND NOT EXISTS (SELECT 1 FROM verdicts WHERE author = last.author"
            " AND action IN ('grade', 'separate') AND id > last.id)"
            " ORDER BY id DESC LIMIT 1",
        )

    def standing(self, until: int | None = None) -> list[Verdict]:
        """One verdict a judge, query and product: the newest not undone, oldest first.

        Args:
            until: as of the record with this number: nothing that came later counts.
        """
        newest = {(v.judge, v.query, v.product_id): v for v in self.kept(until)}
        return sorted(newest.values(), key=lambda verdict: verdict.number)

    def kept(self, until: int | None = None) -> list[Verdict]:
        """Every verdict that is not undone, those that a later one replaced too, oldest first."""
        last = _ALL if until is None else until
        where = f"action = 'grade' AND id <= ? AND batch NOT IN ({_UNDONE_THEN})"
        return self._select(where, last, last)

    def history(self) -> list[dict[str, object]]:
        """Every record as it was written, oldest first."""
        names = ("id", "action", "batch", "target", "author", "created", *_COLUMNS.split(", ")[:-1])
        rows = self._rows(f"SELECT {', '.join(names)} FROM verdicts ORDER BY id")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def separated(self, until: int | None = None) -> frozenset[str]:
        """The queries that share nothing with their equivalents; `until` as in `standing`."""
        last = _ALL if until is None else until
        rows = self._rows(
            "SELECT query FROM verdicts WHERE action = 'separate' AND id <= ?"
            f" AND batch NOT IN ({_UNDONE_THEN})",
            last,
            last,
        )
        return frozenset(query for (query,) in rows)

    def last_number(self) -> int:
        """The number of the newest record: another one means that something was said."""
        return int(self._rows("SELECT coalesce(max(id), 0) FROM verdicts", default=((0,),))[0][0])

    def _turn(self, action: str, author: str, choose: str) -> Act | None:
        with self._transaction() as connection:
            found = connection.execute(choose, (author,)).fetchone()
            if found is None or found[0] is None:
                return None
            connection.execute(
                "INSERT INTO verdicts (action, batch, target, author, created)"
                " VALUES (?, ?, ?, ?, ?)",
                (action, _next_number(connection), found[0], author, time.time()),
            )
            verdicts = tuple(self.act(found[0]))
            rows = connection.execute(
                "SELECT query FROM verdicts WHERE action = 'separate' AND batch = ?", found
            ).fetchall()
        return Act(verdicts, rows[0][0] if rows else "")

    def _select(self, where: str, *parameters: object) -> list[Verdict]:
        rows = self._rows(f"SELECT {_COLUMNS} FROM verdicts WHERE {where} ORDER BY id", *parameters)
        return [Verdict(*row[:3], bool(row[3]), *row[4:]) for row in rows]

    def _rows(
        self, sql: str, *parameters: object, default: Sequence[tuple] = ()
    ) -> Sequence[tuple]:
        # On a disk that cannot be written an older file stays as it is: without this table.
        return self._query(sql, *parameters) if self._version >= 2 else default


def _row(verdict: Verdict, author: str, now: float) -> tuple[object, ...]:
    query = clean_query(verdict.query)
    if not query or not verdict.product_id:
        raise RankbenchError("A verdict needs a query and a product.", "Name both.")
    if verdict.grade not in GRADES:
        raise RankbenchError(
            f"{verdict.grade!r} is not a grade.", "Give E, S, C or I (Exact to Irrelevant)."
        )
    # To the microsecond, so that the time survives an export.
    given = round(verdict.given or now, 6)
    return (
        query, normalise_query(query), _text(verdict.product_id), verdict.grade,
        int(verdict.bad), _text(verdict.note), _text(verdict.side), verdict.rank,
        _text(verdict.encoder), _text(verdict.judge or author), given,
    )  # fmt: skip


def _text(value: str) -> str:
    # SQLite takes no half of a surrogate pair, which a broken byte of a terminal becomes.
    return value.encode("utf-8", "replace").decode()


def _next_number(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT coalesce(max(id), 0) + 1 FROM verdicts").fetchone()[0])
