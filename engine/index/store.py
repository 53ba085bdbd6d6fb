"""The LanceDB directory of a workspace: the items table, its full text, and reading them back."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from engine.errors import RankbenchError
from engine.workspace import Workspace, unwritable

if TYPE_CHECKING:
    import polars as pl
    from lancedb.db import DBConnection
    from lancedb.table import Table

ITEMS = "items"
BATCH = 4096
# What bm25 searches: everything a shop's own full-text index would hold.
FULL_TEXT_FIELDS = ("title", "brand", "color", "category", "bullet_points", "description")

T = TypeVar("T")


def connect(ws: Workspace) -> DBConnection:
    """Open `lance/`. The library's own warnings would land on the app's screen: silenced."""
    os.environ.setdefault("LANCEDB_LOG", "error")
    import lancedb

    return lancedb.connect(ws.lance_dir)


def open_table(ws: Workspace, name: str) -> Table:
    """Open one table.

    Raises:
        RankbenchError: it is missing or will not open; the index must be made again.
    """
    try:
        return connect(ws).open_table(name)
    except (ValueError, RuntimeError, OSError, FileNotFoundError):
        raise RankbenchError(
            f"The index table {name} is missing or damaged.",
            "Run `rankbench index`; it is made again from the catalog.",
        ) from None


def write_items(ws: Workspace, catalog: pl.DataFrame) -> int:
    """Bring the items table to the state of `catalog`: changed rows replaced, gone rows deleted.

    Args:
        catalog: canonical rows (`engine.catalog.schema`); `product_id` unique and non-null.

    Returns:
        The number of rows in the table.

    Raises:
        RankbenchError: the catalog is empty, another writer is at work, or the disk refuses.
    """
    if catalog.height == 0:
        raise RankbenchError("The catalog has no products.", "Check the file and its columns.")
    rows = _item_rows(ws, catalog)
    with ws.writer_lock():
        try:
            return _merge_items(ws, rows.to_arrow())
        except (RuntimeError, ValueError):
            # The catalog has it all: a table that cannot be merged into is set aside, not mended.
            _quarantine(ws, ITEMS)
            return _merge_items(ws, rows.to_arrow())
        except OSError as error:
            raise unwritable(ws.lance_dir, error) from None


def read_items(ws: Workspace, columns: list[str] | None = None) -> pl.DataFrame:
    """The items, ordered by product id; `columns` limits what is read."""
    import polars as pl

    query = open_table(ws, ITEMS).search()
    if columns is not None:
        query = query.select(columns)
    return pl.DataFrame(pl.from_arrow(reading(query.to_arrow))).sort("product_id")


def empty_texts(ws: Workspace) -> int:
    """How many products have nothing in the text that is encoded."""
    import polars as pl

    return read_items(ws, ["product_id", "text"]).filter(pl.col("text") == "").height


def catalog_hash(ws: Workspace) -> str:
    """16 hexadecimal digits over the items' ids and content hashes."""
    items = read_items(ws, ["product_id", "row_hash"])
    digest = hashlib.sha256()
    for row in items.iter_rows():
        digest.update("\0".join(row).encode() + b"\n")
    return digest.hexdigest()[:16]


def open_or_create(db: DBConnection, name: str, like: Any, key: str) -> Table:
    """Open a table, or create it empty with the schema of `like` and its unenforced primary key.

    A table whose columns differ from `like` (a catalog with other columns) is made anew.
    """
    if name in table_names(db):
        table = db.open_table(name)
        if set(table.schema.names) == set(like.schema.names):
            return table
    import pyarrow as pa

    # Nullable columns for text, none for the key: merges need a key that cannot be null.
    fields = [pa.field(f.name, f.type, nullable=f.name != key) for f in like.schema]
    table = db.create_table(name, schema=pa.schema(fields), mode="overwrite")
    table.set_unenforced_primary_key(key)
    return table


def table_names(db: DBConnection) -> list[str]:
    """Every table's name; the listing comes in pages."""
    names: list[str] = []
    token = None
    while True:
        page = db.list_tables(page_token=token)
        names.extend(page.tables)
        token = page.page_token
        if not token:
            return names


def upsert(table: Table, rows: Any, key: str, *, delete_missing: bool) -> None:
    """Insert new rows, replace those whose `hash` differs, and delete missing ones if asked to."""
    hashed = "row_hash" if "row_hash" in rows.schema.names else "hash"
    merge = (
        table.merge_insert(key)
        .when_matched_update_all(where=f"target.{hashed} != source.{hashed}")
        .when_not_matched_insert_all()
    )
    if delete_missing:
        merge = merge.when_not_matched_by_source_delete()
    merge.execute(rows.cast(table.schema))


def reading(read: Callable[[], T]) -> T:
    """Run a read; a damaged or vanished data file becomes one clear error."""
    try:
        return read()
    except (RuntimeError, OSError, ValueError) as error:
        raise RankbenchError(
            f"The index cannot be read: {str(error).splitlines()[0][:160]}",
            "Run `rankbench index`; it is made again from the catalog.",
        ) from None


def _merge_items(ws: Workspace, rows: Any) -> int:
    table = open_or_create(connect(ws), ITEMS, rows, key="product_id")
    upsert(table, rows, key="product_id", delete_missing=True)
    _index_full_text(table)
    table.optimize(cleanup_older_than=timedelta(hours=1))
    return table.count_rows()


def _quarantine(ws: Workspace, name: str) -> None:
    """Move a table that will not open out of the store's sight."""
    broken = ws.lance_dir / f"{name}.lance"
    if broken.exists():
        shutil.rmtree(ws.root / "damaged", ignore_errors=True)
        (ws.root / "damaged").mkdir()
        shutil.move(broken, ws.root / "damaged" / broken.name)


def _item_rows(ws: Workspace, catalog: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    from engine.catalog.template import Template, content_hash

    fields = [name for name in FULL_TEXT_FIELDS if name in catalog.columns]
    joined = pl.concat_str([pl.col(f).fill_null("") for f in fields], separator=" ")
    everything = pl.concat_str(
        [pl.col(name).fill_null("").cast(pl.String) for name in sorted(catalog.columns)],
        separator="\x1f",
    )
    return catalog.with_columns(
        Template(ws.settings.template).expression().alias("text"),
        joined.str.strip_chars().alias("full_text"),
        everything.alias("row_hash"),
    ).with_columns(
        content_hash(pl.col("text")).alias("hash"),
        content_hash(pl.concat_str("row_hash", "text", separator="\x1f")).alias("row_hash"),
    )


def _index_full_text(table: Table) -> None:
    from lancedb.index import FTS

    config = FTS(with_position=False, stem=True, remove_stop_words=True, ascii_folding=True)
    table.create_index("full_text", config=config, replace=True)
