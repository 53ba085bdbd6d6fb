"""Training rows from judgments: a query, an Exact product, and products it must beat."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.catalog.normalise import clean_query, normalise_query
from engine.catalog.queries import JudgedQuery
from engine.errors import RankbenchError


@dataclass(frozen=True, slots=True)
class Example:
    """One row. Texts are the rendered template's; a hard negative is judged S, C or I.

    With `targets` the row's loss is graded: they are the documents', one each, and the first
    document is not better than the others.
    """

    query_id: str
    query: str
    positive_id: str
    positive: str
    negative_ids: tuple[str, ...]
    negatives: tuple[str, ...]
    targets: tuple[float, ...] = ()

    def documents(self) -> tuple[str, ...]:
        return (self.positive, *self.negatives)


@dataclass(frozen=True, slots=True)
class Examples:
    """The rows of a run, in a fixed order.

    Attributes:
        relevant: normalised query -> the texts of its Exact products. Text, not id: two products
            with one title are one document to the encoder.
        queries: those that gave at least one row.
        data_hash: SHA-256 (16 hex) of the rows: equal data and seed give an equal hash.
        notes: what was left out, for the card and the log.
        strata: what the rows of one batch should share, a text a row; () for nothing.
        wanted: of lists, normalised query -> the texts with a target above 0: what may not stand
            among its documents with target 0.
    """

    rows: tuple[Example, ...]
    relevant: Mapping[str, frozenset[str]]
    queries: tuple[JudgedQuery, ...]
    data_hash: str
    notes: tuple[str, ...]
    strata: tuple[str, ...] = ()
    wanted: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def negatives(self) -> int:
        """Hard negatives a row (the same for all)."""
        return len(self.rows[0].negatives)


def build_examples(
    queries: Sequence[JudgedQuery],
    texts: Mapping[str, str],
    *,
    max_per_query: int,
    negatives: int,
    seed: int,
) -> Examples:
    """Rows of (query, Exact product, `negatives` non-Exact products of the same query).

    At most `max_per_query` Exact products of a query, drawn at random, so that a query with many
    does not outweigh the others. A query without enough judged non-Exact products is filled with
    products judged for other queries, which is one more in-batch negative.

    Args:
        texts: product id -> rendered text; judged products that it lacks, or whose text is empty,
            are left out and counted.

    Raises:
        RankbenchError: no queries, no Exact product, only Exact products while `negatives` > 0, or
            a single query without negatives.
    """
    if not queries:
        raise RankbenchError(
            "There are no training queries.",
            "Import judgments with `rankbench import judgments FILE`; the train split is used.",
        )
    rng = random.Random(seed)
    ordered = sorted(queries, key=lambda query: query.query_id)
    relevant = relevant_texts(ordered, texts)
    pool = sorted({product for query in ordered for product in query.grades if texts.get(product)})
    judged = [product for query in ordered for product in query.grades]
    absent = sum(product not in texts for product in judged)
    empty = sum(texts.get(product) == "" for product in judged)
    rows: list[Example] = []
    used: list[JudgedQuery] = []
    hard = 0
    for query in ordered:
        text = clean_query(query.query)
        exact = relevant[normalise_query(query.query)]
        positives = [p for p, grade in query.grades.items() if grade == "E" and texts.get(p)]
        if not positives or not text:
            continue
        others = [p for p in query.grades if texts.get(p) and texts[p] not in exact]
        hard += bool(others)
        used.append(query)
        rng.shuffle(others)
        chosen = rng.sample(positives, min(max_per_query, len(positives)))
        for turn, product in enumerate(chosen):
            picked = _negatives(others, turn, negatives, pool, texts, exact, rng)
            rows.append(
                Example(
                    query.query_id,
                    text,
                    product,
                    texts[product],
                    tuple(picked),
                    tuple(texts[p] for p in picked),
                )
            )
    _check(rows, used, hard, negatives)
    filled = len(used) - hard if negatives else 0
    notes = _notes(len(ordered) - len(used), filled, absent, empty)
    return Examples(tuple(rows), relevant, tuple(used), hash_rows(rows), notes)


def relevant_texts(
    queries: Sequence[JudgedQuery], texts: Mapping[str, str]
) -> dict[str, frozenset[str]]:
    """Normalised query -> texts of its Exact products; spellings of one query are one query."""
    gathered: dict[str, set[str]] = {}
    for query in queries:
        exact = gathered.setdefault(normalise_query(query.query), set())
        exact.update(texts[product] for product in query.positives() if texts.get(product))
    return {query: frozenset(exact) for query, exact in gathered.items()}


def queries_hash(queries: Sequence[JudgedQuery]) -> str:
    """SHA-256 (16 hex) of queries with their ids, grades, and what else their files say of these
    (weights, scores), whatever their order.

    The rows are drawn by id: other ids are other data to a run, though not other judgments
    (`engine.catalog.queries.judgments_hash`).
    """
    rows = sorted(
        [
            query.query_id,
            query.query,
            sorted(query.grades.items()),
            *(sorted(said.items()) for said in (query.file_weights, query.targets) if said),
        ]
        for query in queries
    )
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def judged_hash(queries: Sequence[JudgedQuery]) -> str:
    """`queries_hash` of all that a run may look at: the queries of the train and dev splits."""
    return queries_hash([query for query in queries if query.split in ("train", "dev")])


def _negatives(
    others: Sequence[str],
    turn: int,
    count: int,
    pool: Sequence[str],
    texts: Mapping[str, str],
    exact: frozenset[str],
    rng: random.Random,
) -> list[str]:
    """`count` distinct products: the query's own in turn, then any that is not Exact for it."""
    start = turn * count
    picked = [others[(start + i) % len(others)] for i in range(min(count, len(others)))]
    tries = 0
    while len(picked) < count and tries < 200:
        product = rng.choice(pool)
        tries += 1
        if texts[product] not in exact and product not in picked:
            picked.append(product)
    while picked and len(picked) < count:
        picked.append(picked[-1])
    return picked


def _check(rows: Sequence[Example], used: Sequence[JudgedQuery], hard: int, negatives: int) -> None:
    if not rows:
        raise RankbenchError(
            "No training query has an Exact product in the catalog.",
            "Grade some results Exact, or check that the judgments name this catalog's products.",
        )
    if negatives and not hard:
        raise RankbenchError(
            "Every judged product of the training queries is Exact: there is nothing to contrast.",
            "Grade some results S, C or I, or train with in-batch negatives alone: `rankbench "
            "train --recipe infonce --set negatives=0`.",
        )
    if len(used) < 2 and not negatives:
        raise RankbenchError(
            "One query without hard negatives leaves nothing to contrast.",
            "Judge more queries, or set `negatives` above 0.",
        )


def _notes(without: int, filled: int, absent: int, empty: int) -> tuple[str, ...]:
    notes = []
    if without:
        notes.append(f"{without} training queries without an Exact product were left out")
    if filled:
        notes.append(f"{filled} queries had no judged non-Exact product: in-batch negatives only")
    if absent:
        notes.append(f"{absent} judgments of products that the catalog lacks were left out")
    if empty:
        notes.append(f"{empty} judgments of products whose encoded text is empty were left out")
    return tuple(notes)


def hash_rows(rows: Sequence[Example]) -> str:
    """SHA-256 (16 hex) of queries, documents and targets, in their order."""
    digest = hashlib.sha256()
    for row in rows:
        told = [row.query, row.positive, row.negatives, *([row.targets] if row.targets else [])]
        digest.update(json.dumps(told).encode())
    return digest.hexdigest()[:16]
