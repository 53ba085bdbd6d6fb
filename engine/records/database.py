"""`records.db`: one connection, its tables, and its errors in words."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from engine.errors import RankbenchError
from engine.wal import TIMEOUT_S, use_wal
from engine.workspace import refused

_JUDGMENTS = """
CREATE TABLE imports (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, query_set TEXT NOT NULL, source TEXT NOT NULL,
    sha256 TEXT NOT NULL, mapping TEXT NOT NULL, counts TEXT NOT NULL, created REAL NOT NULL
);
CREATE TABLE judgments (
    id INTEGER PRIMARY KEY, import_id INTEGER NOT NULL REFERENCES imports (id),
    query_set TEXT NOT NULL, query_id TEXT NOT NULL, product_id TEXT NOT NULL,
    grade TEXT NOT NULL CHECK (grade IN ('E', 'S', 'C', 'I')), value TEXT NOT NULL
);
CREATE INDEX judgments_by_pair ON judgments (query_set, query_id, product_id, import_id);
CREATE TABLE queries (
    import_id INTEGER NOT NULL REFERENCES imports (id), query_set TEXT NOT NULL,
    query_id TEXT NOT NULL, query TEXT NOT NULL, columns TEXT NOT NULL,
    PRIMARY KEY (query_set, query_id, import_id)
);
CREATE TABLE splits (
    query_set TEXT NOT NULL, query_id TEXT NOT NULL,
    split TEXT NOT NULL CHECK (split IN ('train', 'dev', 'test')),
    PRIMARY KEY (query_set, query_id)
);
"""
_VERDICTS = """
CREATE TABLE verdicts (
    id INTEGER PRIMARY KEY,
    action TEXT NOT NULL CHECK (action IN ('grade', 'separate', 'undo', 'redo')),
    batch INTEGER NOT NULL, target INTEGER, author TEXT NOT NULL, created REAL NOT NULL,
    query TEXT NOT NULL DEFAULT '', query_key TEXT NOT NULL DEFAULT '',
    product_id TEXT NOT NULL DEFAULT '',
    grade TEXT CHECK (grade IN ('E', 'S', 'C', 'I')), bad INTEGER NOT NULL DEFAULT 0,
    note TEXT NOT NULL DEFAULT '', side TEXT NOT NULL DEFAULT '', rank INTEGER,
    encoder TEXT NOT NULL DEFAULT '', judge TEXT NOT NULL DEFAULT '', given REAL
);
CREATE INDEX verdicts_by_batch ON verdicts (batch);
"""
_QUERY_SETS = """
CREATE TABLE query_sets (
    id INTEGER PRIMARY KEY, definition INTEGER NOT NULL, name TEXT NOT NULL,
    query_id TEXT NOT NULL, created REAL NOT NULL
);
CREATE INDEX query_sets_by_name ON query_sets (name, definition);
"""
_LOGS = """
CREATE TABLE logs (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL, sha256 TEXT NOT NULL, format TEXT NOT NULL,
    created REAL NOT NULL
);
CREATE TABLE log_queries (
    log_id INTEGER NOT NULL REFERENCES logs (id), query_key TEXT NOT NULL, query TEXT NOT NULL,
    searches REAL NOT NULL, PRIMARY KEY (log_id, query_key)
) WITHOUT ROWID
"""
# Version n of the file has the first n of these; none is ever changed.
_STEPS = (_JUDGMENTS, _VERDICTS, _QUERY_SETS, _LOGS)
SCHEMA = len(_STEPS)


class Database:
    """One connection to a workspace's `records.db`, made where there is none.

    It may be used from several threads; another process may hold its own. A writer waits up to
    ten seconds for another one. Where the disk cannot be written, reading still works.

    Args:
        read_only: of a session that may write nothing: a file of an older version is refused
            instead of upgraded, and so is every change.

    Raises (every method):
        RankbenchError: the file is no database, is from a newer version, is locked for longer
            than ten seconds, or cannot be written.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = Path(path)
        self._lock = threading.RLock()
        # What is in memory alone is nobody's: its tables have to be made.
        self._session_reads = read_only and self.path != Path(":memory:")
        self._read_only = self._session_reads
        self._version = 0
        with self._translated():
            self._connection = self._open()
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        """Close the connection; closing twice is fine."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> sqlite3.Connection:
        # Autocommit: transactions are begun where they belong, in `_transaction`.
        return sqlite3.connect(
            self.path, timeout=TIMEOUT_S, isolation_level=None, check_same_thread=False
        )

    def _prepare(self) -> None:
        try:
            if self._session_reads:
                self._only_read()
            else:
                self._upgrade()
        except sqlite3.OperationalError:
            # WAL needs a writable directory even for reading. With nothing left in the log the
            # file alone is the truth and can be read as it is.
            log = self.path.with_name(self.path.name + "-wal")
            if not self.path.is_file() or (log.exists() and log.stat().st_size):
                raise
            if self._can_write():
                raise
            self._connection.close()
            uri = f"{self.path.resolve().as_uri()}?mode=ro&immutable=1"
            self._connection = sqlite3.connect(
                uri, uri=True, isolation_level=None, check_same_thread=False
            )
            self._read_only = True
            self._check_version()

    def _can_write(self) -> bool:
        return os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)

    def _only_read(self) -> None:
        """Leave the file as it is, in its version and its journal, and see that it stays so."""
        version = self._check_version()
        # Where nobody can write, nobody can upgrade: there an older file is read as it is.
        if version < SCHEMA and self._can_write():
            raise RankbenchError(
                f"{self.path} was made by an older Rankbench (records {version}, this one reads "
                f"{SCHEMA}), and a read-only session upgrades nothing.",
                "Open the workspace once without --read-only: `rankbench flags` is enough.",
            )
        self._connection.execute("PRAGMA query_only = ON")

    def _upgrade(self) -> None:
        connection = self._connection
        version = self._check_version()
        use_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        if version == SCHEMA:
            return
        # Two processes may open a new workspace at once: look again once the lock is held.
        connection.execute("BEGIN IMMEDIATE")
        try:
            for step in _STEPS[self._check_version() :]:
                for statement in step.split(";"):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
            connection.execute("COMMIT")
            self._version = SCHEMA
        except BaseException:
            connection.execute("ROLLBACK")
            raise

    def _check_version(self) -> int:
        version = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
        if version > SCHEMA:
            raise RankbenchError(
                f"{self.path} was made by a newer Rankbench (records {version}, this one reads "
                f"{SCHEMA}).",
                "Upgrade Rankbench; nothing was changed.",
            )
        self._version = version
        return version

    def _query(self, sql: str, *parameters: object) -> list[tuple]:
        with self._lock, self._translated():
            return self._connection.execute(sql, parameters).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._translated():
            if self._session_reads:
                raise refused()
            if self._read_only:
                raise sqlite3.OperationalError("attempt to write a readonly database")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._error(error) from error

    def _error(self, error: sqlite3.Error) -> RankbenchError:
        text = str(error)
        if "locked" in text or "busy" in text:
            return RankbenchError(
                f"{self.path} is in use by another process.", "Wait for it to end, then try again."
            )
        if "readonly" in text or "unable to open" in text or "full" in text or "I/O" in text:
            return RankbenchError(
                f"{self.path} cannot be opened or written: {text}.",
                "Make the directory writable, free some space, or choose another with `-w DIR`.",
            )
        return RankbenchError(
            f"{self.path} cannot be used: {text}.", "Restore it from a copy; nothing was changed."
        )
