"""A catalog from any table file, the ESCI products or the WANDS products."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from engine.catalog.schema import CatalogReport, canonicalise
from engine.errors import RankbenchError
from engine.formats import esci, wands
from engine.formats.columns import PRODUCT_NAMES, apply_overrides, guess_columns, slug
from engine.formats.tables import Table, load_table


def read_products(
    path: Path, overrides: Mapping[str, str] | None = None, *, exact: bool = False
) -> tuple[pl.DataFrame, dict[str, str], CatalogReport]:
    """Read a catalog and bring it into canonical form.

    Args:
        path: a file that `load_table` reads, or a directory that holds the ESCI or WANDS files.
        overrides: canonical name -> source name, over the guesses; "" unsets one.
        exact: take `overrides` as the whole mapping and guess nothing, as when a catalog is read
            again with the columns that a workspace keeps.

    Returns:
        The canonical frame, canonical name -> source name, and what was found. A file with a
        single text column needs no id: the row number is it.

    Raises:
        RankbenchError: an unreadable file, no id column among several, no title column.
        UsageError: an override names a column the file lacks.
    """
    path = product_file(Path(path))
    table = load_table(path)
    frame, notes = _with_header(table, path)
    if exact:
        _check_kept(overrides or {}, frame.columns, path)
    guessed = {} if exact else guess_columns(frame)
    columns = apply_overrides(guessed, overrides or {}, frame.columns)
    if "product_id" not in columns and frame.width > 1:
        raise RankbenchError(
            f"{path} has no column that looks like a product id (it has "
            f"{', '.join(frame.columns)}).",
            "Name it with `--column product_id=NAME`.",
        )
    if frame.width == 1:
        # One column is the text, whatever it is called, unless a person says otherwise.
        columns = columns if overrides else {"title": frame.columns[0]}
    if "title" not in columns:
        raise RankbenchError(
            f"{path} has no column that looks like a title (it has {', '.join(frame.columns)}).",
            "Name it with `--column title=NAME`.",
        )
    catalog, report = canonicalise(frame, columns)
    notes += _locale_notes(frame)
    return catalog, columns, replace(report, notes=(*notes, *report.notes))


def product_file(path: Path) -> Path:
    """The file that `read_products` reads: `path`, or the catalog in the directory `path`.

    Raises:
        RankbenchError: a directory without a catalog that Rankbench knows.
    """
    if not path.is_dir():
        return path
    found = esci.find_products(path) or wands.find_products(path)
    if found is None:
        raise RankbenchError(
            f"{path} is a directory without a catalog that Rankbench knows.",
            "Name a file, or a directory with the ESCI parquet pair or the WANDS files.",
        )
    return found


def _check_kept(columns: Mapping[str, str], names: list[str], path: Path) -> None:
    absent = [repr(source) for source in columns.values() if source and source not in names]
    if absent:
        raise RankbenchError(
            f"{path} no longer has the column {', '.join(absent)} (it has {', '.join(names)}).",
            "Name the columns anew: `rankbench init --catalog FILE --force --column …`.",
        )


def _with_header(table: Table, path: Path) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """A plain list of titles has no header: then the first line is a product too."""
    frame = table.frame
    plain = path.name.lower().removesuffix(".gz").endswith(".txt")
    known = {name for names in PRODUCT_NAMES.values() for name in names}
    if not plain or frame.width != 1 or slug(frame.columns[0]) in known:
        return frame, table.notes
    first = pl.DataFrame({"title": [frame.columns[0]]})
    lines = pl.concat([first, frame.rename({frame.columns[0]: "title"})])
    return lines, (*table.notes, "The file has no header: every line is a title.")


def _locale_notes(frame: pl.DataFrame) -> tuple[str, ...]:
    if "product_locale" not in frame.columns or frame["product_locale"].n_unique() < 2:
        return ()
    locales = ", ".join(frame["product_locale"].drop_nulls().unique().sort().to_list())
    return (f"The catalog mixes locales ({locales}); an id in several is kept once.",)
