"""The catalog file read again into a workspace, where it or how it is read has changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import RankbenchError
from engine.workspace import Workspace

if TYPE_CHECKING:
    import polars as pl


def refresh_items(workspace: Workspace) -> str:
    """Read the catalog file again where it, its columns or the template changed by content, or
    where the items cannot be read.

    Returns:
        What was done, or why not, in one line; empty where there was nothing to do.

    Raises:
        RankbenchError: the items are missing or outdated and the file cannot be read.
    """
    from engine.catalog.stamp import read_stamp, stamp
    from engine.catalog.template import Template
    from engine.formats.products import product_file, read_products

    settings = workspace.settings
    catalog = Path(settings.catalog)
    sound = _items_are_sound(workspace)
    # A workspace that was made without a file (`Path("")` is the current directory) has none.
    there = bool(settings.catalog) and catalog.exists()
    if sound and not there:
        if not settings.catalog:
            return ""
        return f"{catalog} is gone; indexing what was read from it before."
    content: dict[str, object] = {}
    if there:
        content = stamp(product_file(catalog), settings.columns, settings.template)
        if sound and content == read_stamp(workspace.cache_dir):
            return ""
    # A workspace keeps the whole mapping, so that a column once unset stays so.
    columns = dict(settings.columns)
    frame, _, _ = read_products(catalog, columns, exact=bool(columns))
    Template(settings.template).check(frame.columns, columns)
    rows = write_catalog(workspace, frame, content)
    return f"Read {rows:,} products from {catalog}."


def _items_are_sound(workspace: Workspace) -> bool:
    from engine.index.store import read_items

    try:
        return not read_items(workspace, ["product_id"]).is_empty()
    except RankbenchError:
        return False


def write_catalog(workspace: Workspace, frame: pl.DataFrame, content: Mapping[str, object]) -> int:
    """Write the items; what they were read from is only kept once they are whole."""
    from engine.catalog.stamp import keep_stamp
    from engine.index.store import write_items

    keep_stamp(workspace.cache_dir, None)
    rows = write_items(workspace, frame)
    keep_stamp(workspace.cache_dir, content)
    return rows
