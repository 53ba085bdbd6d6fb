"""The judged queries nearest to a query, by one encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.catalog.normalise import clean_query
from engine.catalog.queries import JudgedQuery
from engine.catalog.template import content_hashes
from engine.encoders.kept_vectors import read_vectors, write_vectors
from engine.encoders.load import Encoder
from engine.index.matrix import best

NEAREST = 5
_STEP = 8
_WRITE_EVERY = 512


@dataclass(frozen=True, slots=True)
class NearQuery:
    """A judged query; `cosine` to the query asked for, and its `grade` of the product, if any."""

    query_id: str
    query: str
    cosine: float
    grade: str | None


@dataclass(frozen=True, slots=True)
class Nearby:
    """The judged queries nearest to one, nearest first; itself is not among them.

    Attributes:
        encoder: whose cosine it is; "" where neither side has one.
        done, total: judged queries that have a vector, of all; `hits` only when all have.
    """

    encoder: str
    done: int
    total: int
    hits: tuple[NearQuery, ...]

    @property
    def ready(self) -> bool:
        return self.done == self.total


class JudgedVectors:
    """Unit vectors of the judged queries by one encoder, made a few at a time and kept on disk."""

    def __init__(self, path: Path, encoder: Encoder, keep: bool = True) -> None:
        """`keep`: write what is made; what lies on disk is read in any case."""
        self._path = path
        self._keep = keep
        self._encoder = encoder
        self._kept: dict[str, np.ndarray] = {}
        self._queries: Sequence[JudgedQuery] | None = None
        self._keys: list[str] = []
        self._missing: list[tuple[str, str]] = []
        self._matrix = np.zeros((0, encoder.dim), np.float32)
        self._unwritten = 0

    def step(self, queries: Sequence[JudgedQuery]) -> int:
        """Encode the next few that have no vector yet; returns how many have one by now."""
        if queries is not self._queries:
            self._follow(queries)
        part, self._missing = self._missing[:_STEP], self._missing[_STEP:]
        if part:
            vectors = self._encoder.encode_queries([text for _, text in part])
            self._kept |= {key: vector for (key, _), vector in zip(part, vectors, strict=True)}
            self._unwritten += len(part)
        if (
            self._keep
            and self._unwritten
            and (not self._missing or self._unwritten >= _WRITE_EVERY)
        ):
            write_vectors(self._path, self._kept)
            self._unwritten = 0
        if not self._missing and len(self._matrix) != len(self._keys):
            self._matrix = np.stack([self._kept[key] for key in self._keys])
        return len(queries) - len(self._missing)

    def nearest(
        self, vector: np.ndarray, product_id: str, own: str | None, most: int = NEAREST
    ) -> tuple[NearQuery, ...]:
        """The queries nearest to the unit `vector` [dim], ties by their order; `own` left out.

        For when `step` has found them all.
        """
        assert self._queries is not None and not self._missing
        found = []
        for row, cosine in zip(*best(self._matrix @ vector, most + 1), strict=True):
            query = self._queries[row]
            if query.query_id != own:
                grade = query.grades.get(product_id)
                found.append(NearQuery(query.query_id, query.query, float(cosine), grade))
        return tuple(found[:most])

    def _follow(self, queries: Sequence[JudgedQuery]) -> None:
        """Take up another set of judged queries; what is known of them stays."""
        self._kept = self._kept or read_vectors(self._path, self._encoder.dim)
        texts = [clean_query(query.query) for query in queries]
        self._keys = content_hashes(texts)
        wanted = dict(zip(self._keys, texts, strict=True))
        self._missing = [(key, text) for key, text in wanted.items() if key not in self._kept]
        self._matrix = self._matrix[:0]
        self._queries = queries
