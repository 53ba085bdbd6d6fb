"""What can be derived again, in SQLite: the index builds and which of them is active."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.errors import RankbenchError
from engine.wal import use_wal
from engine.workspace import unwritable

_FORMAT = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS builds (
    build TEXT PRIMARY KEY,
    encoder TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    template TEXT NOT NULL,
    table_name TEXT NOT NULL,
    rows INTEGER NOT NULL,
    dim INTEGER NOT NULL,
    version INTEGER NOT NULL,
    seconds REAL NOT NULL,
    created REAL NOT NULL,
    active INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX IF NOT EXISTS one_active ON builds (encoder) WHERE active;
"""


@dataclass(frozen=True, slots=True)
class Build:
    """One verified state of a table of vectors: an encoder's, over the texts of one template.

    `version` is the Lance version that was verified: a run that changes the table leaves it as it
    is for readers until the next one is active.
    """

    build: str
    encoder: str
    fingerprint: str
    template: str
    table_name: str
    rows: int
    dim: int
    version: int
    seconds: float
    created: float


class State:
    """`state.db`. One object a thread; losing the file loses nothing that `index` cannot redo.

    Where the disk cannot be written, reading still works. `read_only` is of a session that may
    write nothing: a file of another format is refused instead of made anew.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        try:
            self._db = sqlite3.connect(path, timeout=10, isolation_level=None)
            try:
                if read_only and path != Path(":memory:"):
                    self._only_read(path)
                else:
                    self._prepare()
            except sqlite3.OperationalError:
                if not _is_read_only(path):
                    raise
                self._db.close()
                self._db = _open_read_only(path)
        except sqlite3.OperationalError as error:
            raise unwritable(path.parent, OSError(str(error))) from None
        except sqlite3.DatabaseError as error:
            raise RankbenchError(
                f"{path} is damaged: {error}.",
                "Delete it and run `rankbench index`; it is rebuilt from the other files.",
            ) from None

    def _only_read(self, path: Path) -> None:
        if self._format() != _FORMAT:
            self._db.close()
            raise RankbenchError(
                f"{path} was made by another version, and a read-only session upgrades nothing.",
                "Run `rankbench index`: it is rebuilt from the other files.",
            )
        self._db.execute("PRAGMA query_only = ON")

    def _prepare(self) -> None:
        use_wal(self._db)
        if self._format() != _FORMAT:
            # Two processes may open a new workspace at once: look again once the lock is held.
            with self._transaction():
                if self._format() != _FORMAT:
                    # Derived: what another format held is made again by `index`, from the tables.
                    self._db.execute("DROP TABLE IF EXISTS builds")
                    self._db.execute(f"PRAGMA user_version = {_FORMAT}")
        self._db.executescript(_SCHEMA)

    def _format(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    def active_build(self, encoder: str) -> Build | None:
        """The build that answers for `encoder`, or None where it was never indexed."""
        row = self._db.execute(
            "SELECT build, encoder, fingerprint, template, table_name, rows, dim, version, seconds,"
            " created FROM builds WHERE encoder = ? AND active",
            (encoder,),
        ).fetchone()
        return None if row is None else Build(*row)

    def activate(self, build: Build) -> None:
        """Make `build` its encoder's active one, in one transaction."""
        with self._transaction():
            self._db.execute("DELETE FROM builds WHERE encoder = ?", (build.encoder,))
            self._db.execute(
                "INSERT INTO builds VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
                (
                    build.build,
                    build.encoder,
                    build.fingerprint,
                    build.template,
                    build.table_name,
                    build.rows,
                    build.dim,
                    build.version,
                    build.seconds,
                    build.created or time.time(),
                ),
            )

    def forget(self, encoder: str) -> list[str]:
        """Drop the encoder's builds from the list; returns their tables."""
        with self._transaction():
            tables = self._db.execute(
                "SELECT table_name FROM builds WHERE encoder = ?", (encoder,)
            ).fetchall()
            self._db.execute("DELETE FROM builds WHERE encoder = ?", (encoder,))
        return [table for (table,) in tables]

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def _is_read_only(path: Path) -> bool:
    """Whether the file cannot be written and holds all that was ever said: nothing in its log."""
    log = path.with_name(f"{path.name}-wal")
    if not path.is_file() or (log.exists() and log.stat().st_size):
        return False
    return not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))


def _open_read_only(path: Path) -> sqlite3.Connection:
    """WAL needs a writable directory even for reading; as an immutable file it does not."""
    database = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None
    )
    if database.execute("PRAGMA user_version").fetchone()[0] != _FORMAT:
        database.close()
        raise sqlite3.OperationalError("it has another format and must be made again")
    return database
