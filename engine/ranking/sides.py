"""The sides of a comparison: an encoder's name, `bm25`, `hybrid:<encoder>` or `run:<file>`."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from engine.catalog.normalise import clean_query, normalise_query
from engine.encoders.load import Encoder, load_encoder
from engine.encoders.registry import encoder_fingerprint, resolve
from engine.errors import RankbenchError
from engine.index.build import active_build
from engine.index.matrix import VectorMatrix, best, read_build
from engine.index.store import ITEMS, open_table, reading
from engine.ranking.ranking import Ranking
from engine.ranking.side_name import parse_side
from engine.state import Build
from engine.workspace import Workspace

if TYPE_CHECKING:
    from lancedb.table import Table

DEPTH = 1000
# Reciprocal rank fusion's constant (Cormack, Clarke and Buettcher, SIGIR 2009).
FUSION_K = 60
_CACHED_QUERIES = 4096


class Side(Protocol):
    """What a comparison and an evaluation need of a side. Blocking; for one thread.

    Attributes:
        name: as typed.
        build: the index build that answers, or "".
        fingerprint: of the encoder that answers, or of a run's rankings; "" for bm25, which the
            catalog decides.
    """

    name: str
    build: str
    fingerprint: str

    def rank(self, query: str, depth: int = DEPTH) -> Ranking:
        """The best `depth` products of the whole catalog, ties by product id."""
        ...

    def rank_judged(self, query: str, product_ids: Collection[str]) -> Ranking:
        """All of `product_ids`, ranked; products the side does not find come last, by id.

        Nothing where the side does not answer the query.
        """
        ...

    def answers(self, query: str) -> bool:
        """Whether the side can answer the query: a run holds some queries only."""
        ...

    def seen(self, query: str) -> bool:
        """Whether the side, or a parent of it, was trained on the query."""
        ...

    def prepare(self, queries: Sequence[str]) -> None:
        """Make ready for many queries (an encoder encodes them in batches)."""
        ...


class EncoderSide:
    """Exact cosine search over one encoder's active build."""

    def __init__(
        self,
        name: str,
        index: Build,
        encoder: Encoder,
        matrix: VectorMatrix,
        trained: frozenset[str],
    ) -> None:
        self.name, self.index, self.build, self.matrix = name, index, index.build, matrix
        self.fingerprint = index.fingerprint
        self.encoder = encoder
        self._trained = trained
        self._vectors: OrderedDict[str, np.ndarray] = OrderedDict()

    def rank(self, query: str, depth: int = DEPTH) -> Ranking:
        return self._ranking(*self.matrix.top(self.vector(query), depth))

    def rank_judged(self, query: str, product_ids: Collection[str]) -> Ranking:
        rows = np.sort([self.matrix.rows[p] for p in product_ids if p in self.matrix.rows])
        rows = rows.astype(np.int64)
        order, scores = best(self.matrix.vectors[rows] @ self.vector(query), len(rows))
        found = self._ranking(rows[order], scores)
        return with_missing(found, product_ids)

    def answers(self, query: str) -> bool:
        return True

    def seen(self, query: str) -> bool:
        return normalise_query(query) in self._trained

    def prepare(self, queries: Sequence[str]) -> None:
        missing = [q for q in dict.fromkeys(map(clean_query, queries)) if q not in self._vectors]
        for query, vector in zip(missing, self.encoder.encode_queries(missing), strict=True):
            self._remember(query, vector)

    def vector(self, query: str) -> np.ndarray:
        """The query's unit vector [dim]; the last few thousand are kept."""
        text = clean_query(query)
        if text not in self._vectors:
            self._remember(text, self.encoder.encode_queries([text])[0])
        self._vectors.move_to_end(text)
        return self._vectors[text]

    def _remember(self, text: str, vector: np.ndarray) -> None:
        self._vectors[text] = vector
        if len(self._vectors) > _CACHED_QUERIES:
            self._vectors.popitem(last=False)

    def _ranking(self, rows: np.ndarray, scores: np.ndarray) -> Ranking:
        ids = self.matrix.ids
        return Ranking(tuple(ids[row] for row in rows), tuple(scores.tolist()))


class FullTextSide:
    """LanceDB's native bm25 over the products' whole text."""

    name = "bm25"
    build = ""
    fingerprint = ""

    def __init__(self, table: Table) -> None:
        self._table = table

    def rank(self, query: str, depth: int = DEPTH) -> Ranking:
        return self._search(query, depth)

    def rank_judged(self, query: str, product_ids: Collection[str]) -> Ranking:
        if not product_ids:
            return Ranking((), ())
        # Asking for these alone gives the same scores; thousands of other matches cost more.
        quoted = ", ".join("'" + product.replace("'", "''") + "'" for product in product_ids)
        found = self._search(query, len(product_ids), f"product_id IN ({quoted})")
        return keep(found, product_ids)

    def _search(self, query: str, depth: int, where: str = "") -> Ranking:
        text = clean_query(query)
        if not text:
            return Ranking((), ())
        from lancedb.query import MatchQuery

        # As words: a bare string with quotes would be read as a phrase.
        asked = self._table.search(MatchQuery(text, "full_text"), query_type="fts")
        if where:
            asked = asked.where(where, prefilter=True)
        found = reading(asked.select(["product_id", "_score"]).limit(depth).to_arrow)
        pairs = zip(found["product_id"].to_pylist(), found["_score"].to_pylist(), strict=True)
        return by_score(dict(pairs))

    def answers(self, query: str) -> bool:
        return True

    def seen(self, query: str) -> bool:
        return False

    def prepare(self, queries: Sequence[str]) -> None:
        pass


class HybridSide:
    """Reciprocal rank fusion of an encoder's whole ranking and bm25's first 1,000."""

    def __init__(self, encoder: EncoderSide, full_text: FullTextSide) -> None:
        self.name, self.build = f"hybrid:{encoder.name}", encoder.build
        self.fingerprint = encoder.fingerprint
        self._encoder, self._full_text = encoder, full_text

    def rank(self, query: str, depth: int = DEPTH) -> Ranking:
        matrix = self._encoder.matrix
        by_cosine, _ = matrix.top(self._encoder.vector(query), len(matrix.ids))
        fused = np.empty(len(matrix.ids), np.float64)
        fused[by_cosine] = 1 / (FUSION_K + np.arange(1, len(by_cosine) + 1))
        for rank, product in enumerate(self._full_text.rank(query).product_ids, 1):
            if product in matrix.rows:
                fused[matrix.rows[product]] += 1 / (FUSION_K + rank)
        rows, scores = best(fused, depth)
        return Ranking(tuple(matrix.ids[row] for row in rows), tuple(scores.tolist()))

    def rank_judged(self, query: str, product_ids: Collection[str]) -> Ranking:
        return keep(self.rank(query, len(self._encoder.matrix.ids)), product_ids)

    def answers(self, query: str) -> bool:
        return True

    def seen(self, query: str) -> bool:
        return self._encoder.seen(query)

    def prepare(self, queries: Sequence[str]) -> None:
        self._encoder.prepare(queries)


class RunSide:
    """What another system returned: a run file, read once.

    A query that the run has is measured as bm25's are: judged products that it does not rank come
    last, by id. For a query that it lacks, or answers without one product of the catalog, nothing
    is ranked, not even the judged products: their order by id would be nobody's merit. Every
    measure is then 0 (`engine.measures.query.measure_unanswered`), and the query is counted.
    """

    build = ""

    def __init__(self, name: str, ranked: Mapping[str, Sequence[str]], catalog: Collection[str]):
        self.name, self.fingerprint = name, _rankings_hash(ranked)
        known = set(catalog)
        self._ranked = {
            query: tuple(product for product in products if product in known)
            for query, products in ranked.items()
        }

    def rank(self, query: str, depth: int = DEPTH) -> Ranking:
        products = self._ranked.get(normalise_query(query), ())[:depth]
        return Ranking(products, tuple(float(len(products) - i) for i in range(len(products))))

    def rank_judged(self, query: str, product_ids: Collection[str]) -> Ranking:
        if not self.answers(query):
            return Ranking((), ())
        return keep(
            self.rank(query, len(self._ranked.get(normalise_query(query), ()))), product_ids
        )

    def answers(self, query: str) -> bool:
        return bool(self._ranked.get(normalise_query(query)))

    def seen(self, query: str) -> bool:
        return False

    def prepare(self, queries: Sequence[str]) -> None:
        pass


def open_encoder_side(ws: Workspace, name: str) -> EncoderSide:
    """Open an encoder's side: its active build in memory and the encoder that made it.

    Raises:
        RankbenchError: no such encoder, not indexed yet, a damaged build, or one made by other
            weights.
    """
    info = resolve(ws, name)
    build = active_build(ws, name)
    if build.fingerprint != encoder_fingerprint(info):
        raise RankbenchError(
            f"The index of {name} was made by other weights than {info.path} holds now.",
            f"Run `rankbench index --encoder {name}`.",
        )
    trained = info.card.seen_queries() if info.card else ()
    return EncoderSide(
        name,
        build,
        load_encoder(info.path, live=True),
        read_build(ws, build),
        frozenset(map(normalise_query, trained)),
    )


def open_full_text_side(ws: Workspace) -> FullTextSide:
    """Open bm25. Raises RankbenchError where the items were never written."""
    return FullTextSide(open_table(ws, ITEMS))


def open_run_side(name: str, catalog: Collection[str], query_texts: Mapping[str, str]) -> RunSide:
    """Open `run:<file>`; `query_texts` turns its query ids into texts.

    Raises:
        RankbenchError: the file is missing, malformed, or knows none of the judged queries.
    """
    from engine.formats.runs import read_run

    ranked = read_run(Path(parse_side(name).argument).expanduser())
    known = {
        normalise_query(query_texts.get(query_id, query_id)): products
        for query_id, products in ranked.items()
    }
    ours = set(map(normalise_query, query_texts.values()))
    if ours and not ours.intersection(known):
        raise RankbenchError(
            f"{name} holds {len(ranked)} queries, none of them among the {len(ours)} judged ones.",
            "Give a run whose query ids or texts are the judgments' own.",
        )
    return RunSide(name, known, catalog)


def _rankings_hash(ranked: Mapping[str, Sequence[str]]) -> str:
    """16 hexadecimal digits of what a run ranks for which query."""
    digest = hashlib.sha256()
    for query in sorted(ranked):
        digest.update(json.dumps([query, *ranked[query]]).encode() + b"\n")
    return digest.hexdigest()[:16]


def by_score(scores: Mapping[str, float]) -> Ranking:
    """Order by score, ties by product id."""
    ordered = sorted(scores, key=lambda product: (-scores[product], product))
    return Ranking(tuple(ordered), tuple(scores[product] for product in ordered))


def keep(ranking: Ranking, product_ids: Collection[str]) -> Ranking:
    """The ranking limited to `product_ids`; those it lacks follow by id."""
    wanted = set(product_ids)
    pairs = zip(ranking.product_ids, ranking.scores, strict=True)
    kept = [(product, score) for product, score in pairs if product in wanted]
    found = Ranking(tuple(p for p, _ in kept), tuple(s for _, s in kept))
    return with_missing(found, product_ids)


def with_missing(found: Ranking, product_ids: Collection[str]) -> Ranking:
    """Append the products a ranking lacks, by id, below its lowest score."""
    missing = tuple(sorted(set(product_ids).difference(found.product_ids)))
    if not missing:
        return found
    floor = min((*found.scores, 0.0)) - 1.0
    scores = found.scores + (floor,) * len(missing)
    return Ranking(found.product_ids + missing, scores, len(missing))
