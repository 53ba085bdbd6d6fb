"""SQLite's write-ahead log, switched on by whoever opens a file first."""

from __future__ import annotations

import sqlite3
import time

TIMEOUT_S = 10.0
"""How long a connection waits for another one."""


def use_wal(connection: sqlite3.Connection) -> None:
    """Write ahead, as every connection of a new file asks at first.

    For this SQLite does not wait: who meets another in it is refused at once, whatever `timeout`.

    Raises:
        sqlite3.OperationalError: refused for `TIMEOUT_S`, or the disk cannot be written.
    """
    limit = time.monotonic() + TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > limit:
                raise
        time.sleep(0.01)
