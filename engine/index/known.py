"""Which products the catalog has, answered without opening LanceDB.

Importing LanceDB takes over a second, too long for a command that keeps one verdict. The items'
ids and titles are therefore copied into `cache/products.db` by the first command that asks, and
copied again once the items table has another version.
"""

from __future__ import annotations

import difflib
import os
import sqlite3
from collections.abc import Collection, Iterable
from contextlib import closing, suppress
from pathlib import Path

from engine.errors import RankbenchError
from engine.index.store import ITEMS, read_items
from engine.workspace import Workspace

FILE_NAME = "products.db"
_AT_ONCE = 500
_LIKE = 400


class KnownProducts:
    """The catalog's product ids and titles. For one thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def title(self, product_id: str) -> str | None:
        """The product's title; None where the catalog has no such product."""
        return self.titles([product_id]).get(product_id)

    def titles(self, product_ids: Collection[str]) -> dict[str, str]:
        """Product id -> title, of those that the catalog has."""
        wanted = list(dict.fromkeys(map(_whole, product_ids)))
        found: dict[str, str] = {}
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            marks = ", ".join("?" * len(part))
            sql = f"SELECT product_id, title FROM products WHERE product_id IN ({marks})"
            found.update(self._connection.execute(sql, part))
        return found

    def near(self, product_id: str) -> str:
        """The id that was probably meant: the same but for case, or a close one; "" for none."""
        asked = _whole(product_id).strip()
        half = (len(asked) + 1) // 2
        for where, value in (
            ("product_id = ? COLLATE NOCASE", asked),
            ("substr(product_id, 1, ?2) = ?1", asked[:half]),
            ("substr(product_id, -?2) = ?1", asked[-half:]),
        ):
            parameters = (value, half) if "?2" in where else (value,)
            sql = f"SELECT product_id FROM products WHERE {where} LIMIT {_LIKE}"
            found = [row[0] for row in self._connection.execute(sql, parameters)]
            if "NOCASE" in where and found:
                return found[0]
            if close := difflib.get_close_matches(asked, found, 1, 0.75):
                return close[0]
        return ""

    def close(self) -> None:
        self._connection.close()


def open_known(ws: Workspace) -> KnownProducts:
    """Open the copy, made anew where the items changed; on a read-only disk, made in memory.

    Raises:
        RankbenchError: the copy has to be made and the items cannot be read.
    """
    path, stamp = ws.cache_dir / FILE_NAME, _stamp(ws)
    if stamp and (connection := _open_current(path, stamp)):
        return KnownProducts(connection)
    rows = read_items(ws, ["product_id", "title"]).iter_rows()
    pairs = [(product, title or "") for product, title in rows]
    if stamp:
        _write(path, stamp, pairs)
        if connection := _open_current(path, stamp):
            return KnownProducts(connection)
    connection = sqlite3.connect(":memory:")
    _fill(connection, stamp, pairs)
    return KnownProducts(connection)


def title_of(ws: Workspace, product_id: str) -> str:
    """The product's title.

    Raises:
        RankbenchError: the catalog has no such product, or cannot be read.
    """
    known = open_known(ws)
    try:
        title = known.title(product_id)
        near = known.near(product_id) if title is None else ""
    finally:
        known.close()
    if title is None:
        raise RankbenchError(
            f"The catalog has no product {product_id!r}.",
            f"Is it {near!r}?" if near else "`rankbench search QUERY --ids` shows them.",
        )
    return title


def _stamp(ws: Workspace) -> str:
    """The items table's versions as the directory shows them; "" where there are none."""
    versions = ws.lance_dir / f"{ITEMS}.lance" / "_versions"
    try:
        files = sorted((file.name, file.stat().st_mtime_ns) for file in os.scandir(versions))
    except OSError:
        return ""
    return ";".join(f"{name} {changed}" for name, changed in files[:1] + files[-1:])


def _open_current(path: Path, stamp: str) -> sqlite3.Connection | None:
    with suppress(sqlite3.Error, OSError):
        uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        connection = sqlite3.connect(uri, uri=True)
        with suppress(sqlite3.Error):
            if connection.execute("SELECT stamp FROM made").fetchone() == (stamp,):
                return connection
        connection.close()
    return None


def _write(path: Path, stamp: str, pairs: Iterable[tuple[str, str]]) -> None:
    """Write beside and rename. A disk that refuses is no trouble: it is a copy."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with suppress(OSError, sqlite3.Error):
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(beside)) as connection:
            _fill(connection, stamp, pairs)
        os.replace(beside, path)
    with suppress(OSError):
        beside.unlink(missing_ok=True)


def _fill(connection: sqlite3.Connection, stamp: str, pairs: Iterable[tuple[str, str]]) -> None:
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("CREATE TABLE made (stamp TEXT)")
    connection.execute("CREATE TABLE products (product_id TEXT PRIMARY KEY, title TEXT)")
    connection.execute("INSERT INTO made VALUES (?)", (stamp,))
    connection.executemany("INSERT INTO products VALUES (?, ?)", pairs)
    connection.commit()


def _whole(text: str) -> str:
    # Half a surrogate pair, from a broken byte on the command line, is no text to SQLite.
    return text.encode("utf-8", "replace").decode()
