"""What an encoder that was made smaller keeps of its parent's catalog NDCG@10."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.catalog.normalise import clean_query, normalise_query
from engine.catalog.queries import JudgedQuery
from engine.encoders.registry import EncoderInfo, resolve
from engine.errors import RankbenchError
from engine.evaluation.intervals import paired_delta
from engine.index.build import Progress, build_index, load_matrix
from engine.index.matrix import VectorMatrix
from engine.index.store import read_items
from engine.measures.ndcg import ndcg
from engine.records import Records
from engine.workspace import Workspace

DEPTH = 10


@dataclass(frozen=True, slots=True)
class Parent:
    """The encoder to be made smaller, and what it is measured on.

    Attributes:
        matrix: its document vectors, by product id.
        texts: product id -> rendered text, of the products in `matrix`.
        queries: judged queries that neither it nor a parent of it has seen, with a positive gain
            in the catalog.
        seen: judged queries left out because it has.
        gains: grade -> gain.
    """

    info: EncoderInfo
    matrix: VectorMatrix
    texts: Mapping[str, str]
    queries: tuple[JudgedQuery, ...]
    seen: int
    gains: Mapping[str, float]

    @property
    def directory(self) -> Path:
        return self.info.path

    def query_texts(self) -> list[str]:
        return [clean_query(query.query) for query in self.queries]


@dataclass(frozen=True, slots=True)
class Kept:
    """Catalog NDCG@10 beside the parent's on the same queries.

    Attributes:
        parent, own: means over n queries.
        share: own / parent, and the ends of its 95 % interval: those of the paired difference,
            over the parent's mean as if that were known exactly. None where there is nothing to
            divide by.
        improved, unchanged, harmed: queries, as `paired_delta` counts them.
    """

    parent: float
    own: float
    share: float | None
    low: float | None
    high: float | None
    improved: int
    unchanged: int
    harmed: int
    n: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def read_parent(ws: Workspace, name: str, progress: Progress | None = None) -> Parent:
    """Bring the encoder's index up to date and read what it is measured on.

    Raises:
        RankbenchError: no such encoder, an index that cannot be made, or no product with text.
    """
    info = resolve(ws, name)
    build_index(ws, name, progress)
    matrix = load_matrix(ws, name)
    items = read_items(ws, ["product_id", "text"])
    pairs = zip(items["product_id"].to_list(), items["text"].to_list(), strict=True)
    texts = {product: text for product, text in pairs if product in matrix.rows}
    if not any(texts.values()):
        raise RankbenchError("The catalog has no text.", "`rankbench init` makes it from a file.")
    gains = ws.settings.gains
    with Records(ws.records_path) as records:
        judged = [query for query in records.judged_queries() if clean_query(query.query)]
    scorable = [
        query
        for query in sorted(judged, key=lambda item: item.query_id)
        if any(gains[g] > 0 and p in matrix.rows for p, g in query.grades.items())
    ]
    trained = set(map(normalise_query, info.card.seen_queries() if info.card else ()))
    unseen = tuple(q for q in scorable if normalise_query(q.query) not in trained)
    return Parent(info, matrix, texts, unseen, len(scorable) - len(unseen), gains)


def scores(parent: Parent, queries: np.ndarray, documents: np.ndarray | None = None) -> list[float]:
    """Catalog NDCG@10 of each of the parent's queries.

    Args:
        queries: unit vectors [q, dim], in the order of `parent.queries`.
        documents: unit vectors [n, dim], in the order of `parent.matrix.ids`; by default its own.
    """
    matrix = parent.matrix
    if documents is not None:
        matrix = VectorMatrix(matrix.ids, documents, matrix.rows)
    found = []
    for query, vector in zip(parent.queries, queries, strict=True):
        rows, _ = matrix.top(vector, DEPTH)
        gained = [parent.gains.get(query.grades.get(matrix.ids[row], ""), 0.0) for row in rows]
        ideal = [parent.gains[g] for p, g in query.grades.items() if p in matrix.rows]
        found.append(float(ndcg(gained, ideal, DEPTH) or 0.0))
    return found


def kept(own: Sequence[float], parent: Sequence[float], unchanged: float) -> Kept | None:
    """Compare two lists of scores of the same queries; None without a query."""
    if not own:
        return None
    delta = paired_delta(parent, own, unchanged=unchanged, bound=1)
    mean = float(np.mean(parent))

    def share(value: float | None) -> float | None:
        return 1 + value / mean if mean > 0 and value is not None else None

    return Kept(
        mean,
        float(np.mean(own)),
        share(delta.mean),
        share(delta.low),
        share(delta.high),
        delta.improved,
        delta.unchanged,
        delta.harmed,
        delta.n,
    )
