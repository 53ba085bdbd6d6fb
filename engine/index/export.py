"""An encoder's vectors out of the workspace, for a production index."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.encoders.registry import encoder_fingerprint, resolve
from engine.errors import RankbenchError
from engine.index.build import active_build
from engine.index.matrix import check_vectors
from engine.index.store import open_table, read_items, reading
from engine.state import Build
from engine.workspace import Workspace, unwritable

if TYPE_CHECKING:
    import pyarrow as pa

Progress = Callable[[int, int], None]
_ROWS = 8192


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        rows, dim: vectors and their length.
        notes: where the index is behind the workspace, a sentence each.
    """

    rows: int
    dim: int
    notes: tuple[str, ...] = ()


def export_vectors(
    ws: Workspace,
    name: str,
    target: Path,
    progress: Progress | None = None,
    *,
    replace: bool = False,
) -> Exported:
    """Write the active build of `name` as Parquet.

    Columns: `product_id` (text), `text_hash` (of the text that was encoded; text) and `vector`
    (fixed-size list of float32, unit length), sorted by product id. The file's metadata has
    `rankbench.encoder`, `.fingerprint`, `.build` and `.template`.

    Args:
        progress: called with (rows written, rows in all).
        replace: write over a file of that name.

    Raises:
        RankbenchError: the encoder is not indexed, its table is damaged, `target` exists, or the
            disk refuses.
    """
    build = active_build(ws, name)
    target = Path(target).expanduser().resolve()
    if target.is_dir():
        raise RankbenchError(f"{target} is a directory.", "Name a file, such as vectors.parquet.")
    if target.exists() and not replace:
        raise RankbenchError(
            f"{target} exists already.", "Name another file, or add `--force` to replace it."
        )
    rows = _rows(ws, build)
    beside = target.with_name(f".{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(rows, beside, progress or (lambda done, total: None))
        os.replace(beside, target)
    except OSError as error:
        raise unwritable(target.parent, error) from None
    finally:
        _remove(beside)
    return Exported(rows.num_rows, build.dim, _behind(ws, build, rows))


def _rows(ws: Workspace, build: Build) -> pa.Table:
    """The build's rows, checked, by product id."""
    import numpy as np
    import pyarrow as pa

    table = open_table(ws, build.table_name)

    def read() -> Any:
        table.checkout(build.version)
        return table.search().select(["product_id", "hash", "vector"]).to_arrow()

    arrow = reading(read).sort_by("product_id").combine_chunks()
    column = arrow.column("vector").combine_chunks()
    vectors = column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)
    check_vectors(vectors, build.rows, build.dim)
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
    rows = pa.table(
        {
            "product_id": arrow.column("product_id").cast(pa.string()),
            "text_hash": arrow.column("hash").cast(pa.string()),
            "vector": pa.FixedSizeListArray.from_arrays(flat, build.dim),
        }
    )
    told = {
        "encoder": build.encoder,
        "fingerprint": build.fingerprint,
        "build": build.build,
        "template": build.template,
    }
    return rows.replace_schema_metadata({f"rankbench.{key}": text for key, text in told.items()})


def _write(rows: pa.Table, path: Path, progress: Progress) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, rows.schema) as writer:
        for start in range(0, rows.num_rows, _ROWS):
            writer.write_table(rows.slice(start, _ROWS))
            progress(min(start + _ROWS, rows.num_rows), rows.num_rows)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        # A directory on the way is a file, or gone: nothing was written.
        return


def _behind(ws: Workspace, build: Build, rows: pa.Table) -> tuple[str, ...]:
    """What a run of `index` would change."""
    import polars as pl

    again = f"`rankbench index --encoder {build.encoder}`"
    if encoder_fingerprint(resolve(ws, build.encoder)) != build.fingerprint:
        return (f"{build.encoder} was replaced since it was indexed: {again}, then export again.",)
    if build.template != ws.settings.template:
        return (
            f"The texts were made by the template {build.template!r}, which is now "
            f"{ws.settings.template!r}: {again}, then export again.",
        )
    keys = ["product_id", "hash"]
    written = pl.DataFrame(
        {"product_id": rows["product_id"].to_pylist(), "hash": rows["text_hash"].to_pylist()}
    )
    items = read_items(ws, keys)
    new = items.join(written, on=keys, how="anti").height
    gone = written.join(items, on="product_id", how="anti").height
    if not new + gone:
        return ()
    return (
        f"The index is behind the catalog: {new:,} products are new or changed, {gone:,} are gone. "
        f"{again}, then export again.",
    )
