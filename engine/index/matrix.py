"""The vectors of one build in memory, and exact search over them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.errors import RankbenchError
from engine.index.store import open_table, reading
from engine.state import Build
from engine.workspace import Workspace


@dataclass(frozen=True, slots=True)
class VectorMatrix:
    """Unit vectors [n, dim] float32 and their product ids, ordered by id.

    The order makes ties come out by product id without a second sort key.
    """

    ids: tuple[str, ...]
    vectors: np.ndarray
    rows: dict[str, int] = field(repr=False)

    @classmethod
    def of(cls, ids: Sequence[str], vectors: np.ndarray) -> VectorMatrix:
        """Order rows by id. Raises ValueError where the counts differ."""
        if len(ids) != len(vectors):
            raise ValueError(f"{len(ids)} ids for {len(vectors)} vectors")
        order = np.argsort(np.asarray(ids, dtype=object), kind="stable")
        ordered = tuple(ids[i] for i in order)
        matrix = np.ascontiguousarray(vectors[order], dtype=np.float32)
        return cls(ordered, matrix, {product: row for row, product in enumerate(ordered)})

    def scores(self, query: np.ndarray) -> np.ndarray:
        """Cosine of a unit query vector [dim] with every row, [n] float32."""
        return self.vectors @ query

    def top(self, query: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows and scores of the `depth` nearest, best first, ties by product id."""
        return best(self.scores(query), depth)

    def only(self, ids: Collection[str]) -> VectorMatrix:
        """The rows of `ids`; itself where it holds no others."""
        kept = [row for row, product in enumerate(self.ids) if product in ids]
        if len(kept) == len(self.ids):
            return self
        return VectorMatrix.of([self.ids[row] for row in kept], self.vectors[kept])


def best(scores: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices and values of the `depth` highest scores, ties by index."""
    count = min(depth, len(scores))
    if count <= 0:
        return np.zeros(0, np.int64), np.zeros(0, scores.dtype)
    if count < len(scores):
        # Everything equal to the last score kept takes part, so that ties are cut by index.
        edge = np.partition(scores, len(scores) - count)[len(scores) - count]
        rows = np.flatnonzero(scores >= edge)
    else:
        rows = np.arange(len(scores))
    order = np.argsort(-scores[rows], kind="stable")[:count]
    return rows[order], scores[rows[order]]


def read_build(ws: Workspace, build: Build) -> VectorMatrix:
    """Read a build's vectors.

    Raises:
        RankbenchError: the table is damaged: wrong count, dimension or norms.
    """
    table = open_table(ws, build.table_name)

    def read() -> Any:
        table.checkout(build.version)
        return table.search().select(["product_id", "vector"]).to_arrow()

    arrow = reading(read).combine_chunks()
    column = arrow.column("vector").combine_chunks()
    vectors = column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)
    check_vectors(vectors, build.rows, build.dim)
    return VectorMatrix.of(arrow.column("product_id").to_pylist(), vectors)


def check_vectors(vectors: np.ndarray, rows: int, dim: int) -> None:
    """Our own check of what the store gives back: garbage in a data file is read silently."""
    if vectors.shape != (rows, dim):
        found = "damaged: it holds {} x {} numbers, not {} x {}".format(*vectors.shape, rows, dim)
    else:
        norms = np.einsum("ij,ij->i", vectors, vectors)
        if np.all(np.abs(norms - 1) < 1e-3):
            return
        found = "damaged: not all its vectors have length 1"
    raise RankbenchError(
        f"The vector index is {found}.", "Run `rankbench index --rebuild`; nothing else is lost."
    )
