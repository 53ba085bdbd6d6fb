"""What people said, in SQLite: imports of judgments, query sets and splits. Never derived.

Append only: importing a file again is a new import, and the newest import of a (query, product)
pair is the one that counts. Opening is cheap, and nothing here imports polars: the app opens its
records before it can paint.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from engine.catalog.queries import Added, Assigned, JudgedQuery
from engine.errors import RankbenchError

if TYPE_CHECKING:
    import polars as pl

SCHEMA = 1
TIMEOUT_S = 10.0
_TABLES = """
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
_SPLIT_NAMES = {
    "train": "train", "training": "train", "dev": "dev", "valid": "dev", "validation": "dev",
    "val": "dev", "development": "dev", "test": "test", "testing": "test",
}  # fmt: skip
# Ids grow with every import and a pair occurs once in each, so the largest id is the newest.
# (SQLite takes the bare columns from the row of the single max().)
_NEWEST_JUDGMENTS = """
SELECT query_id, product_id, grade, max(id) AS place FROM judgments WHERE query_set = ?
GROUP BY query_id, product_id ORDER BY query_id, place
"""


class Judgments(Protocol):
    """What is kept of a judgment file; `engine.formats.judgments.JudgmentFile` is one.

    Attributes:
        frame: query_id, product_id, grade, value (and more), one row a pair.
        queries: query_id, query, then further columns.
        made_ids: whether the query ids only number this file's queries.
    """

    @property
    def frame(self) -> pl.DataFrame: ...
    @property
    def queries(self) -> pl.DataFrame: ...
    @property
    def format(self) -> str: ...
    @property
    def scale(self) -> str: ...
    @property
    def mapping(self) -> Mapping[str, str]: ...
    @property
    def counts(self) -> Mapping[str, int]: ...
    @property
    def dropped(self) -> Mapping[str, int]: ...
    @property
    def made_ids(self) -> bool: ...


class Records:
    """One connection to a workspace's `records.db`, made where there is none.

    It may be used from several threads; another process may hold its own. A writer waits up to
    ten seconds for another one. Where the disk cannot be written, reading still works.

    Raises (every method):
        RankbenchError: the file is no database, is from a newer version, is locked for longer
            than ten seconds, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._lock = threading.RLock()
        self._read_only = False
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

    def __enter__(self) -> Records:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add_judgments(self, file: Judgments, source: Path, query_set: str = "default") -> Added:
        """Append a file's judgments and queries as one import, or nothing at all.

        Queries are matched to known ones by text, so that the ids of two files may overlap or
        differ (`engine.catalog.query_ids`). The import keeps which ids it changed.

        Args:
            file: what `read_judgments` gave.
            source: the file it came from; its name and SHA-256 are kept.

        Returns:
            The import's number, and which of the file's query ids are others here.
        """
        from engine.catalog.query_ids import joined_and_renamed, place_queries

        digest = _sha256(Path(source))
        with self._transaction() as connection:
            known = {key: text for key, (text, _) in self._texts(query_set).items()}
            pairs = file.queries.select("query_id", "query").iter_rows()
            ids = place_queries(pairs, known, made=file.made_ids)
            # Made ids were nobody's, so nothing is to be told of them.
            changes = ({}, {}) if file.made_ids else joined_and_renamed(ids, known)
            kept = {"scale": file.scale, "grades": dict(file.mapping)}
            kept |= {"query_ids": changes[0] | changes[1]} if any(changes) else {}
            cursor = connection.execute(
                "INSERT INTO imports (kind, query_set, source, sha256, mapping, counts, created)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    f"judgments:{file.format}", query_set, str(source), digest,
                    json.dumps(kept),
                    json.dumps({**file.counts, "dropped": dict(file.dropped)}), time.time(),
                ),
            )  # fmt: skip
            number = int(cursor.lastrowid or 0)
            rows = file.frame.select("query_id", "product_id", "grade", "value").iter_rows()
            connection.executemany(
                "INSERT INTO judgments (import_id, query_set, query_id, product_id, grade, value)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                ((number, query_set, ids[row[0]], *row[1:]) for row in rows),
            )
            connection.executemany(
                "INSERT INTO queries (import_id, query_set, query_id, query, columns)"
                " VALUES (?, ?, ?, ?, ?)",
                (
                    (number, query_set, ids[row["query_id"]], row["query"],
                     json.dumps(_further(row), ensure_ascii=False))
                    for row in file.queries.iter_rows(named=True)
                ),
            )  # fmt: skip
        return Added(number, *changes)

    def imports(self) -> list[dict[str, object]]:
        """Every import, oldest first: id, kind, query_set, source, sha256, mapping, counts,
        created (Unix seconds)."""
        names = ("id", "kind", "query_set", "source", "sha256", "mapping", "counts", "created")
        rows = self._query(f"SELECT {', '.join(names)} FROM imports ORDER BY id")
        found = [dict(zip(names, row, strict=True)) for row in rows]
        for row in found:
            row |= {key: json.loads(str(row[key])) for key in ("mapping", "counts")}
        return found

    def judged_queries(self, query_set: str = "default") -> list[JudgedQuery]:
        """The queries with their newest judgments, by query id.

        `columns` are those of the newest import of the query, without its split column.
        """
        with self._lock:
            splits = self.splits(query_set)
            texts = self._texts(query_set)
            rows = self._query(_NEWEST_JUDGMENTS, query_set)
        grades: dict[str, dict[str, str]] = {}
        for query_id, product, grade, _ in rows:
            grades.setdefault(query_id, {})[product] = grade
        return [
            JudgedQuery(
                query_id,
                texts[query_id][0],
                splits.get(query_id, ""),
                grades[query_id],
                {name: value for name, value in texts[query_id][1].items() if name != "split"},
            )
            for query_id in sorted(grades)
        ]

    def splits(self, query_set: str = "default") -> dict[str, str]:
        """Query id -> "train", "dev" or "test", for the queries that have one."""
        rows = self._query("SELECT query_id, split FROM splits WHERE query_set = ?", query_set)
        return dict(rows)

    def set_splits(self, splits: Mapping[str, str], query_set: str = "default") -> int:
        """Assign splits; a query that has one keeps it. Returns how many were assigned."""
        with self._transaction() as connection:
            before = connection.total_changes
            connection.executemany(
                "INSERT OR IGNORE INTO splits (query_set, query_id, split) VALUES (?, ?, ?)",
                ((query_set, query_id, split) for query_id, split in splits.items()),
            )
            return connection.total_changes - before

    def assign_missing_splits(self, seed: int = 0, query_set: str = "default") -> Assigned:
        """Give every judged query without a split one.

        A query keeps the split that it has, else takes the file's own (a `split` column of train,
        dev or validation, test), else joins its linked group's, else is assigned 60 / 15 / 25 by
        whole groups.
        """
        from dataclasses import replace

        from engine.catalog.splits import assign_splits_by, link

        queries = self.judged_queries(query_set)
        if all(query.split for query in queries):
            return Assigned(0)
        texts = self._texts(query_set)
        own = {
            query_id: _SPLIT_NAMES.get(columns.get("split", "").strip().lower(), "")
            for query_id, (_, columns) in texts.items()
        }
        given = [replace(query, split=query.split or own[query.query_id]) for query in queries]
        links = link(given)
        splits = assign_splits_by(links.groups, given, seed)
        return Assigned(self.set_splits(splits, query_set), links.rule)

    def judgments_hash(self, query_set: str = "default") -> str:
        """16 hex digits of the SHA-256 over the sorted (query text, product, grade) rows."""
        digest = hashlib.sha256()
        rows = sorted(
            (query.query, product, grade)
            for query in self.judged_queries(query_set)
            for product, grade in query.grades.items()
        )
        for row in rows:
            digest.update(json.dumps(row, ensure_ascii=False).encode())
        return digest.hexdigest()[:16]

    def _texts(self, query_set: str) -> dict[str, tuple[str, dict[str, str]]]:
        """Query id -> text and columns as the newest import has them."""
        rows = self._query(
            "SELECT query_id, query, columns, max(import_id) FROM queries"
            " WHERE query_set = ? GROUP BY query_id",
            query_set,
        )
        return {query_id: (query, json.loads(columns)) for query_id, query, columns, _ in rows}

    def _open(self) -> sqlite3.Connection:
        # Autocommit: transactions are begun where they belong, in `_transaction`.
        return sqlite3.connect(
            self.path, timeout=TIMEOUT_S, isolation_level=None, check_same_thread=False
        )

    def _prepare(self) -> None:
        try:
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
        import os

        return os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)

    def _upgrade(self) -> None:
        connection = self._connection
        version = self._check_version()
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if version == SCHEMA:
            return
        # Two processes may open a new workspace at once: look again once the lock is held.
        connection.execute("BEGIN IMMEDIATE")
        try:
            if self._check_version() != SCHEMA:
                for statement in _TABLES.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {SCHEMA}")
            connection.execute("COMMIT")
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
        return version

    def _query(self, sql: str, *parameters: object) -> list[tuple]:
        with self._lock, self._translated():
            return self._connection.execute(sql, parameters).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._translated():
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


def _further(row: Mapping[str, object]) -> dict[str, str]:
    return {
        name: str(value)
        for name, value in row.items()
        if name not in ("query_id", "query") and value is not None
    }


def _sha256(path: Path) -> str:
    """Of a file's bytes, or of the sizes and names in a directory; "" where it is gone."""
    digest = hashlib.sha256()
    try:
        if path.is_dir():
            for item in sorted(path.iterdir()):
                digest.update(f"{item.name} {item.stat().st_size}\n".encode())
        else:
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()
