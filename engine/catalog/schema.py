"""The canonical product row, and what was found on the way to it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from engine.errors import RankbenchError

CANONICAL = (
    "product_id",
    "title",
    "description",
    "bullet_points",
    "brand",
    "color",
    "category",
)
# Columns that the index makes beside the catalog's own.
DERIVED = ("text", "full_text", "hash", "row_hash")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# How exporters write "nothing" as text. A product titled exactly `nan` is one of these too.
MISSING_TEXTS = ("", "nan", "NaN", "null", "NULL", "None", "<NA>", "\\N")


@dataclass(frozen=True, slots=True)
class CatalogReport:
    """What reading a catalog found.

    Attributes:
        rows: rows in the file.
        kept: rows in the catalog.
        duplicates: rows left out because an earlier one has their product id.
        missing: canonical column -> kept rows without a value in it.
        no_id: rows left out because they have no product id.
        further: the file's column -> the catalog's, for those that are mapped to nothing.
        notes: one sentence each on what was decided for the person.
    """

    rows: int
    kept: int
    duplicates: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)
    no_id: int = 0
    further: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def canonicalise(
    frame: pl.DataFrame, columns: Mapping[str, str]
) -> tuple[pl.DataFrame, CatalogReport]:
    """Bring a source table into canonical form.

    Args:
        frame: the source rows; every column is read as text.
        columns: canonical name -> source name. Without `product_id` the row number, from 1, is
            the id.

    Returns:
        The catalog and its report. Columns: `product_id` (non-null, unique), `title` (non-null,
        "" where missing), the other canonical ones that are mapped (null where missing), then the
        remaining source columns under the names of `plain_names`. All are strings. Of equal ids
        the first row is kept.

    Raises:
        RankbenchError: a mapped column is not in the frame, or no row is left.
    """
    _check_columns(frame, columns)
    notes: list[str] = []
    selected = [_text(source).alias(name) for name, source in _in_order(columns)]
    if "product_id" not in columns:
        notes.append("There is no id column: the row number, from 1, is the product id.")
        rows = pl.int_range(1, pl.len() + 1).cast(pl.String).alias("product_id")
        selected.insert(0, rows)
    used = set(columns.values())
    extras = [name for name in frame.columns if name not in used]
    names = plain_names(extras)
    selected += [_text(name).alias(names[name]) for name in extras]
    renamed = [f"{name!r} is {names[name]}" for name in extras if names[name] != name]
    if renamed:
        notes.append(f"Further columns got names that the index can hold: {', '.join(renamed)}.")
    table = frame.select(selected)
    if "title" not in columns:
        table = table.with_columns(pl.lit(None, pl.String).alias("title"))
    with_id = table.filter(pl.col("product_id").is_not_null())
    kept = with_id.unique("product_id", keep="first", maintain_order=True)
    if kept.is_empty():
        source = columns.get("product_id", "")
        raise RankbenchError(
            f"The catalog holds no product: no row has a product id in the column {source!r}.",
            "Name the id column with `--column product_id=NAME`.",
        )
    first = [name for name in CANONICAL if name in kept.columns]
    missing = {name: kept[name].null_count() for name in first[1:]}
    report = CatalogReport(
        rows=frame.height,
        kept=kept.height,
        duplicates=with_id.height - kept.height,
        missing=missing,
        no_id=frame.height - with_id.height,
        further=names,
        notes=tuple(notes),
    )
    rest = [name for name in kept.columns if name not in CANONICAL]
    return kept.select(*first, *rest).with_columns(pl.col("title").fill_null("")), report


def _check_columns(frame: pl.DataFrame, columns: Mapping[str, str]) -> None:
    unknown = [name for name in columns if name not in CANONICAL]
    if unknown:
        raise RankbenchError(
            f"There is no canonical column {', '.join(unknown)}.",
            f"The canonical columns are {', '.join(CANONICAL)}.",
        )
    absent = [source for source in columns.values() if source not in frame.columns]
    if absent:
        raise RankbenchError(
            f"The catalog has no column {', '.join(map(repr, absent))}.",
            f"Its columns are: {', '.join(frame.columns)}.",
        )


def _in_order(columns: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, columns[name]) for name in CANONICAL if name in columns]


def plain_names(names: Sequence[str]) -> dict[str, str]:
    """Further column -> a name that any store can hold, unique whatever the case of letters.

    A letter, then letters, digits and `_`. Where a name is canonical, made by the index or opens
    with something else, it gets `file_` before it; a plain name is never changed for another's
    sake, and of others that fold to one name the later get `_2`, `_3`.
    """
    reserved = {*CANONICAL, *DERIVED}
    taken: set[str] = set(reserved)
    found: dict[str, str] = {}
    for name in sorted(names, key=lambda name: not _is_plain(name, reserved)):
        base = name if _is_plain(name, reserved) else _plain(name, reserved)
        chosen, count = base, 2
        while chosen.lower() in taken:
            chosen, count = f"{base}_{count}", count + 1
        taken.add(chosen.lower())
        found[name] = chosen
    return {name: found[name] for name in names}


def _is_plain(name: str, reserved: set[str]) -> bool:
    return bool(_PLAIN.fullmatch(name)) and name.lower() not in reserved


def _plain(name: str, reserved: set[str]) -> str:
    if not _PLAIN.fullmatch(name.lstrip("_")):
        ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
        name = re.sub(r"[^A-Za-z0-9_]+", "_", ascii_only).strip("_") or "column"
    return name if _is_plain(name, reserved) else f"file_{name}"


def _text(source: str) -> pl.Expr:
    value = pl.col(source).cast(pl.String).str.strip_chars()
    return pl.when(value.is_in(MISSING_TEXTS)).then(pl.lit(None, pl.String)).otherwise(value)
