"""Vectors of many texts, and the base's hits before a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.catalog.normalise import clean_query
from engine.catalog.queries import JudgedQuery
from engine.training.outcome import Report, ShouldStop, check_stop

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from engine.encoders.load import Encoder

BaseVectors = tuple[Sequence[str], np.ndarray]
"""Product ids and the base's unit document vectors [n, d], row by row."""


def known_vectors(
    texts: Mapping[str, str], base_vectors: BaseVectors | None
) -> dict[str, np.ndarray]:
    """Text -> its vector [d] by the base; empty without an index."""
    if base_vectors is None:
        return {}
    ids, matrix = base_vectors
    return {
        texts[product]: vector
        for product, vector in zip(ids, matrix, strict=True)
        if texts.get(product)
    }


def vectors_of(
    model: SentenceTransformer, needed: Sequence[str], known: Mapping[str, np.ndarray]
) -> Mapping[str, np.ndarray]:
    """Text -> its vector [d]: what is known, and what `model` gives of the rest of `needed`."""
    from engine.encoders.load import SentenceEncoder

    missing = [text for text in needed if text not in known]
    if not missing:
        return known
    found = SentenceEncoder(model).encode_documents(missing)
    return {**known, **dict(zip(missing, found, strict=True))}


def encode_all(
    encoder: Encoder,
    texts: Sequence[str],
    report: Report,
    should_stop: ShouldStop,
    *,
    phase: str = "indexing",
    part: int = 256,
) -> np.ndarray:
    """Unit vectors [n, dim] float32 of documents, the longest first so that a batch is of one
    length; after each `part` of them told as progress of `phase`.

    Raises:
        Cancelled: the person asked for it, between two parts.
    """
    vectors = np.zeros((len(texts), encoder.dim), np.float32)
    order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
    for start in range(0, len(order), part):
        check_stop(should_stop)
        rows = order[start : start + part]
        vectors[rows] = encoder.encode_documents([texts[i] for i in rows])
        done = start + len(rows)
        report({"event": "progress", "phase": phase, "step": done, "steps": len(texts)})
    return vectors


def base_hits(
    model: SentenceTransformer, queries: Sequence[JudgedQuery], base_vectors: BaseVectors | None
) -> dict[str, list[str]]:
    """Query id -> the base's best products, best first; empty without an index."""
    from engine.encoders.load import SentenceEncoder
    from engine.training.selection import BASE_DEPTH

    if base_vectors is None or not queries:
        return {}
    ids, matrix = base_vectors
    vectors = SentenceEncoder(model).encode_queries([clean_query(q.query) for q in queries])
    hits = {}
    for query, vector in zip(queries, vectors, strict=True):
        rows = np.argsort(-(matrix @ vector), kind="stable")[:BASE_DEPTH]
        hits[query.query_id] = [ids[row] for row in rows]
    return hits
