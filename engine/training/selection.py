"""Choosing among tuned weights on dev queries, cheaply: a fixed part of the catalog is ranked.

Ranking the whole catalog by every epoch and interpolation would cost more than the training. The
part holds every judged product of the dev queries, then the base's best hits, then a seeded random
sample. The score is therefore higher than a catalog NDCG@10, comparable only between candidates of
one run, and is named `dev catalog NDCG@10 (reduced to n products)` wherever it is shown.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from engine.catalog.normalise import clean_query
from engine.catalog.queries import JudgedQuery
from engine.encoders.load import SentenceEncoder
from engine.measures.ndcg import ndcg

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MIN_QUERIES = 5
"""Below this a dev score says nothing: per-query differences have a standard deviation near .1."""
BASE_DEPTH = 100
DEPTH = 10


@dataclass(frozen=True, slots=True)
class DevSet:
    """The dev queries and the products they rank.

    Attributes:
        queries: cleaned texts, [q]; ids: their query ids.
        product_ids, texts: the products ranked, [n].
        gains: [q, n] float32, the gain of each product for each query; 0 where unjudged.
        whole: whether the products are the whole catalog.
    """

    queries: tuple[str, ...]
    ids: tuple[str, ...]
    product_ids: tuple[str, ...]
    texts: tuple[str, ...]
    gains: np.ndarray
    whole: bool

    @property
    def measure(self) -> str:
        if self.whole:
            return "dev catalog NDCG@10"
        return f"dev catalog NDCG@10 (reduced to {len(self.product_ids)} products)"

    def told(self, base: Sequence[float]) -> str:
        """The base's score for the log."""
        return f"base {self.measure} {fmean(base):.4f} (n {len(base)})"

    def score_vectors(self, queries: np.ndarray, documents: np.ndarray) -> tuple[float, ...]:
        """NDCG@10 of each query by unit vectors [q, d] and [n, d]; ties by product id."""
        cosines = queries @ documents.T
        return tuple(self._one(row, scores) for row, scores in enumerate(cosines))

    def score(self, model: SentenceTransformer) -> tuple[float, ...]:
        """NDCG@10 of each query; the texts are encoded anew, in bfloat16 where that is fast.

        Vectors of an index are float32: a score made of these compares with none made here.
        """
        encoder = SentenceEncoder(model)
        with fast_inference(model):
            queries = encoder.encode_queries(self.queries)
            documents = encoder.encode_documents(self.texts)
        return self.score_vectors(queries, documents)

    def _one(self, row: int, scores: np.ndarray) -> float:
        # `product_ids` are sorted, so a stable sort leaves equal scores in the order of their ids.
        top = np.argsort(-scores, kind="stable")[:DEPTH]
        gains = self.gains[row]
        return float(ndcg(gains[top], gains[gains > 0], DEPTH) or 0.0)


def dev_set(
    queries: Sequence[JudgedQuery],
    texts: Mapping[str, str],
    gains: Mapping[str, float],
    *,
    limit: int,
    seed: int,
    base_hits: Mapping[str, Sequence[str]] | None = None,
) -> DevSet | None:
    """The dev set of a run, or None where fewer than `MIN_QUERIES` queries can be scored.

    Args:
        texts: product id -> rendered text, the whole catalog.
        gains: grade -> gain.
        limit: products ranked at most; judged ones are kept even past it.
        base_hits: query id -> the base's best products, best first; the hard part of the catalog.
    """
    scored = [
        query
        for query in sorted(queries, key=lambda item: item.query_id)
        if clean_query(query.query)
        and any(gains[grade] > 0 for p, grade in query.grades.items() if texts.get(p))
    ]
    if len(scored) < MIN_QUERIES:
        return None
    chosen = _products(scored, texts, limit, seed, base_hits or {})
    place = {product: column for column, product in enumerate(chosen)}
    matrix = np.zeros((len(scored), len(chosen)), np.float32)
    for row, query in enumerate(scored):
        for product, grade in query.grades.items():
            if product in place:
                matrix[row, place[product]] = gains[grade]
    return DevSet(
        tuple(clean_query(query.query) for query in scored),
        tuple(query.query_id for query in scored),
        tuple(chosen),
        tuple(texts[product] for product in chosen),
        matrix,
        whole=len(chosen) == sum(bool(text) for text in texts.values()),
    )


def _products(
    queries: Sequence[JudgedQuery],
    texts: Mapping[str, str],
    limit: int,
    seed: int,
    base_hits: Mapping[str, Sequence[str]],
) -> list[str]:
    chosen = {product for query in queries for product in query.grades if texts.get(product)}
    # A tenth of the room, at least, stays for products that nobody chose.
    room = limit - limit // 10
    for rank in range(BASE_DEPTH):
        for query in queries:
            hits = base_hits.get(query.query_id, ())
            if len(chosen) < room and rank < len(hits) and texts.get(hits[rank]):
                chosen.add(hits[rank])
    rest = sorted(product for product in texts if texts[product] and product not in chosen)
    count = min(len(rest), max(0, limit - len(chosen)))
    chosen.update(random.Random(seed).sample(rest, count))
    return sorted(chosen)


def bf16_is_fast(device: str) -> bool:
    """Whether the processor multiplies bfloat16 in hardware: training is 2-3 times faster so."""
    import torch

    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    # torch has no public question for this; without the private ones the answer is no.
    asks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, ask, bool)() for ask in asks)


@contextmanager
def fast_inference(model: SentenceTransformer) -> Iterator[None]:
    """Autocast to bfloat16 where that is fast: cosines move by 1e-4, which chooses as well."""
    import torch

    device = model.device.type
    with torch.autocast(device, dtype=torch.bfloat16, enabled=bf16_is_fast(device)):
        yield
