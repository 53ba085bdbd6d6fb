"""Search logs: how often each query was searched.

The newest log that was not taken back counts; all are kept, and taking one back is one more record.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.catalog.normalise import normalise_query
from engine.records.database import Database

_SINCE = 4
"""The version of the file that has logs first."""
_UNDO = "undo"
"""The format of the record that takes a log back; its `source` is that log's number."""
_UNDONE = f"SELECT CAST(source AS INTEGER) FROM logs WHERE format = '{_UNDO}'"
_NEWEST = f"(SELECT max(id) FROM logs WHERE format != '{_UNDO}' AND id NOT IN ({_UNDONE}))"


@dataclass(frozen=True, slots=True)
class UndoneLog:
    """A log that was taken back.

    Attributes:
        created: when it was imported, Unix seconds.
        queries, searches: how many different queries it holds, and searches of all of them.
        before: the source of the log that counts again; "" where none does.
    """

    number: int
    source: str
    created: float
    queries: int
    searches: float
    before: str


class SearchLogs(Database):
    """The search logs in `records.db`."""

    def add_log(self, queries: Mapping[str, tuple[str, float]], source: Path, format: str) -> int:
        """Append a log as a whole; returns its number.

        Args:
            queries: normalised query -> (spelling, searches).
            source: the file it came from; its path and SHA-256 are kept.
        """
        with Path(source).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        with self._transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO logs (source, sha256, format, created) VALUES (?, ?, ?, ?)",
                (str(source), digest, format, time.time()),
            )
            number = int(cursor.lastrowid or 0)
            connection.executemany(
                "INSERT INTO log_queries (log_id, query_key, query, searches) VALUES (?, ?, ?, ?)",
                ((number, key, *row) for key, row in queries.items()),
            )
        return number

    def undo_log(self) -> UndoneLog | None:
        """Take the newest log that stands back: the one before it counts again.

        Returns:
            The log; None without one.
        """
        if self._version < _SINCE:
            return None
        newest = f"SELECT id, source, created FROM logs WHERE id = {_NEWEST}"
        with self._transaction() as connection:
            found = connection.execute(newest).fetchone()
            if found is None:
                return None
            sizes = connection.execute(
                "SELECT count(*), total(searches) FROM log_queries WHERE log_id = ?", found[:1]
            ).fetchone()
            connection.execute(
                "INSERT INTO logs (source, sha256, format, created) VALUES (?, '', ?, ?)",
                (str(found[0]), _UNDO, time.time()),
            )
            before = connection.execute(newest).fetchone()
        return UndoneLog(*found, *sizes, before[1] if before else "")

    def logged_queries(self) -> list[tuple[str, float]]:
        """(query, searches) of the newest log, judged or not, the most searched first."""
        if self._version < _SINCE:
            return []
        return self._query(
            f"SELECT query, searches FROM log_queries WHERE log_id = {_NEWEST}"
            " ORDER BY searches DESC, query"
        )

    def searches_of(self, texts: Mapping[str, str]) -> dict[str, float]:
        """Query id -> searches in the newest log, for those of `texts` (by id) that it holds.

        Queries that are the same to the normaliser share theirs evenly, so that none counts twice.
        """
        if self._version < _SINCE or not self._query("SELECT 1 FROM logs LIMIT 1"):
            return {}
        keys = {query_id: normalise_query(text) for query_id, text in texts.items()}
        alike = Counter(keys.values())
        rows = self._query(
            f"SELECT query_key, searches FROM log_queries WHERE log_id = {_NEWEST}"
            " AND query_key IN (SELECT value FROM json_each(?))",
            json.dumps(list(alike)),
        )
        found = {key: searches / alike[key] for key, searches in rows}
        return {query_id: found[key] for query_id, key in keys.items() if key in found}
