"""Search logs: how often each query was searched. The newest log counts; older ones are kept."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from engine.catalog.normalise import normalise_query
from engine.records.database import Database

_SINCE = 4
"""The version of the file that has logs first."""


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

    def logged_queries(self) -> list[tuple[str, float]]:
        """(query, searches) of the newest log, judged or not, the most searched first."""
        if self._version < _SINCE:
            return []
        return self._query(
            "SELECT query, searches FROM log_queries WHERE log_id = (SELECT max(id) FROM logs)"
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
            "SELECT query_key, searches FROM log_queries WHERE log_id = (SELECT max(id) FROM logs)"
            " AND query_key IN (SELECT value FROM json_each(?))",
            json.dumps(list(alike)),
        )
        found = {key: searches / alike[key] for key, searches in rows}
        return {query_id: found[key] for query_id, key in keys.items() if key in found}
