"""Builds: the vectors of (encoder, template), encoded where they changed, verified, then live."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from engine.encoders.load import Encoder, load_encoder
from engine.encoders.registry import discard, encoder_fingerprint, resolve
from engine.errors import RankbenchError
from engine.index.matrix import VectorMatrix, check_vectors, read_build
from engine.index.store import (
    BATCH,
    connect,
    open_or_create,
    read_items,
    reading,
    table_names,
    upsert,
)
from engine.state import Build, State
from engine.workspace import Workspace, unwritable

if TYPE_CHECKING:
    import polars as pl
    from lancedb.table import Table

# Rows between two words of progress.
_STEP = 256

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What one run of `build_index` did: rows encoded of rows in the catalog, in seconds."""

    build: Build
    encoded: int
    seconds: float


def build_index(
    ws: Workspace,
    name: str = "base",
    progress: Progress | None = None,
    *,
    encoder: Encoder | None = None,
    rebuild: bool = False,
    lock_timeout: float = 0,
) -> BuildReport:
    """Encode the texts whose hash changed, verify the table, make it the encoder's active build.

    A run that is stopped keeps the rows it had encoded; the next run goes on from there. The
    active build is switched by one update, after the check.

    Args:
        progress: called with (rows encoded, rows to encode).
        encoder: an encoder already loaded from the same directory.
        rebuild: encode everything into a new table; the former one answers until it is done.

    Raises:
        RankbenchError: no such encoder, another writer is at work, the disk refuses, or the new
            table fails its check (the former build stays active).
    """
    started = time.perf_counter()
    info = resolve(ws, name)
    mark = encoder_fingerprint(info)
    with ws.writer_lock(timeout=lock_timeout):
        items = read_items(ws, ["product_id", "text", "hash"])
        try:
            table_name = _target(ws, name, mark, rebuild)
            changed = _prepare(ws, table_name, items)
            dim = 0
            if changed.height:
                encoder = encoder or load_encoder(info.path)
                dim = encoder.dim
                _encode_changed(ws, table_name, changed, encoder, progress)
            build = _verified(ws, name, mark, table_name, items, dim, started)
        except OSError as error:
            raise unwritable(ws.lance_dir, error) from None
        live = _find_active(ws, name)
        if live is not None and _same_content(live, build):
            # Readers hold it by its record: it stays as it is.
            build = live
        else:
            _activate(ws, build)
        _sweep(ws, build)
    return BuildReport(build, changed.height, time.perf_counter() - started)


def load_matrix(ws: Workspace, name: str) -> VectorMatrix:
    """The vectors of the encoder's active build.

    Raises:
        RankbenchError: it was never indexed, or its table is damaged.
    """
    return read_build(ws, active_build(ws, name))


def active_build(ws: Workspace, name: str) -> Build:
    """The encoder's active build. Raises RankbenchError where there is none."""
    build = _find_active(ws, name)
    if build is None:
        resolve(ws, name)
        raise RankbenchError(
            f"{name} is not indexed yet.", f"Run `rankbench index --encoder {name}`."
        )
    return build


def remove_encoder(ws: Workspace, name: str) -> None:
    """Delete an encoder and its builds.

    Raises:
        RankbenchError: it is the base, there is none of that name, or another writer is at work.
    """
    with ws.writer_lock():
        discard(ws, name)
        state = State(ws.state_path)
        try:
            _drop(ws, state.forget(name))
        finally:
            state.close()


def _find_active(ws: Workspace, name: str) -> Build | None:
    state = State(ws.state_path, read_only=ws.read_only)
    try:
        return state.active_build(name)
    finally:
        state.close()


def _same_content(one: Build, other: Build) -> bool:
    return replace(one, seconds=0, created=0) == replace(other, seconds=0, created=0)


def _target(ws: Workspace, name: str, mark: str, rebuild: bool) -> str:
    """The table to bring up to date: the active one where it still fits, else another."""
    parts = [name, mark, ws.settings.template]
    if rebuild:
        parts.append(str(time.time_ns()))
    else:
        active = _find_active(ws, name)
        if active and (active.fingerprint, active.template) == (mark, ws.settings.template):
            return active.table_name
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]
    return f"vec_{name}_{digest}"


def _prepare(ws: Workspace, table_name: str, items: pl.DataFrame) -> pl.DataFrame:
    """Drop what must not stay and return the rows that need encoding."""
    import polars as pl

    db = connect(ws)
    if table_name not in table_names(db):
        return items
    try:
        table = db.open_table(table_name)
        arrow = reading(lambda: table.search().select(["product_id", "hash"]).to_arrow())
    except (RankbenchError, RuntimeError, ValueError):
        # Vectors are derived: a table that will not open is made again.
        db.drop_table(table_name)
        return items
    present = pl.DataFrame(pl.from_arrow(arrow))
    gone = present.join(items, on="product_id", how="anti")["product_id"].to_list()
    for start in range(0, len(gone), 1000):
        quoted = ", ".join("'" + p.replace("'", "''") + "'" for p in gone[start : start + 1000])
        table.delete(f"product_id IN ({quoted})")
    return items.join(present, on=["product_id", "hash"], how="anti")


def _encode_changed(
    ws: Workspace,
    table_name: str,
    changed: pl.DataFrame,
    encoder: Encoder,
    progress: Progress | None,
) -> None:
    import polars as pl

    table: Table | None = None
    done = 0
    if progress is not None:
        progress(0, changed.height)
    # Longest first: equal lengths share a batch, so padding costs nothing.
    longest_first = changed.sort(pl.col("text").str.len_chars(), descending=True)
    for rows in longest_first.iter_slices(BATCH):
        parts = []
        for part in rows.iter_slices(_STEP):
            parts.append(encoder.encode_documents(part["text"].to_list()))
            done += part.height
            if progress is not None:
                progress(done, changed.height)
        batch = _vector_rows(rows, np.concatenate(parts))
        table = table or open_or_create(connect(ws), table_name, batch, key="product_id")
        upsert(table, batch, key="product_id", delete_missing=False)
    if table is not None:
        # Before the check: the version that is checked is the one readers get.
        table.optimize(cleanup_older_than=timedelta(hours=1))


def _vector_rows(rows: pl.DataFrame, vectors: np.ndarray) -> object:
    import pyarrow as pa

    flat = pa.array(vectors.reshape(-1), pa.float32())
    return pa.table(
        {
            "product_id": pa.array(rows["product_id"].to_list(), pa.string()),
            "hash": pa.array(rows["hash"].to_list(), pa.string()),
            "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
        }
    )


def _verified(
    ws: Workspace,
    name: str,
    mark: str,
    table_name: str,
    items: pl.DataFrame,
    dim: int,
    started: float,
) -> Build:
    """Read the table back and check count, ids, hashes, norms and one probe search."""
    import polars as pl

    table = connect(ws).open_table(table_name)
    arrow = reading(lambda: table.search().select(["product_id", "hash", "vector"]).to_arrow())
    column = arrow.column("vector").combine_chunks()
    vectors = column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)
    check_vectors(vectors, items.height, dim or vectors.shape[1])
    stored = pl.DataFrame(pl.from_arrow(arrow.select(["product_id", "hash"])))
    if stored.join(items, on=["product_id", "hash"], how="anti").height:
        raise RankbenchError(
            f"The new build of {name} does not hold the catalog's texts.",
            f"Run `rankbench index --encoder {name} --rebuild`.",
        )
    matrix = VectorMatrix.of(stored["product_id"].to_list(), vectors)
    rows, scores = matrix.top(matrix.vectors[0], 1)
    if not len(rows) or scores[0] < 0.999:
        raise RankbenchError(
            f"The new build of {name} does not find its own first product.",
            f"Run `rankbench index --encoder {name} --rebuild`.",
        )
    return Build(
        build=table_name.rpartition("_")[2],
        encoder=name,
        fingerprint=mark,
        template=ws.settings.template,
        table_name=table_name,
        rows=items.height,
        dim=vectors.shape[1],
        version=table.version,
        seconds=time.perf_counter() - started,
        created=time.time(),
    )


def _activate(ws: Workspace, build: Build) -> None:
    state = State(ws.state_path)
    try:
        state.activate(build)
    finally:
        state.close()


def _sweep(ws: Workspace, build: Build) -> None:
    """Drop the encoder's other tables, also those that a run which was killed left behind."""
    own = re.compile(rf"vec_{re.escape(build.encoder)}_[0-9a-f]{{8}}")
    tables = table_names(connect(ws))
    _drop(ws, [t for t in tables if own.fullmatch(t) and t != build.table_name])


def _drop(ws: Workspace, tables: list[str]) -> None:
    db = connect(ws)
    present = set(table_names(db))
    for name in tables:
        if name in present:
            db.drop_table(name)
