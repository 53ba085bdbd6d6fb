"""One fold and seed: train on the other folds, rank the held-out queries, keep the scores."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from engine.catalog.normalise import clean_query
from engine.catalog.queries import JudgedQuery
from engine.catalog.splits import folds as make_folds
from engine.encoders.load import Encoder, load_encoder
from engine.errors import RankbenchError
from engine.evaluation.pair_cosines import Fields, Pair, cosine_pairs
from engine.experiments.store import Store
from engine.index.matrix import VectorMatrix, best
from engine.measures.query import measure_search
from engine.training.outcome import Cancelled, Report, ShouldStop
from engine.training.recipe import Recipe
from engine.training.rows import NOTHING, Products
from engine.training.train import BaseVectors, train
from engine.training.vectors import encode_all

DEPTH = 1000
INNER_FOLDS = 7
"""One of seven groups of the training queries is the inner dev split: about 15 %."""

Ranker = Callable[[str], Sequence[str]]
"""Query text -> product ids of the whole catalog that it finds, best first."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What every fold shares."""

    recipe: Recipe
    base_dir: Path
    texts: Mapping[str, str]
    queries: Mapping[str, JudgedQuery]
    fold_of: Mapping[str, int]
    base: BaseVectors
    gains: Mapping[str, float]
    rbo_p: float
    fields: Fields = field(default_factory=dict)
    products: Products = NOTHING


@dataclass(frozen=True, slots=True)
class Ranked:
    """What one encoder makes of some queries: query id -> product ids, and the field cosines."""

    catalog: Mapping[str, Sequence[str]]
    judged: Mapping[str, Sequence[str]]
    pairs: Sequence[Pair] = ()


def run_fold(
    setting: Setting,
    store: Store,
    fold: int,
    seed: int,
    device: str | None,
    report: Report,
    stop: ShouldStop,
) -> None:
    """Train on the other folds, rank this one's queries, keep the scores.

    Raises:
        Cancelled: nothing of this fold is kept.
    """
    began = time.monotonic()
    held_out = [q for q in setting.queries.values() if setting.fold_of[q.query_id] == fold]
    rest = [q for q in setting.queries.values() if setting.fold_of[q.query_id] != fold]
    train_queries, dev_queries = inner_split(rest, seed)
    with tempfile.TemporaryDirectory(prefix=store.work_prefix, dir=store.path) as work:
        result = train(
            setting.recipe,
            setting.base_dir,
            train_queries,
            dev_queries,
            setting.texts,
            Path(work) / "encoder",
            seed=seed,
            report=report,
            should_stop=stop,
            base_vectors=setting.base,
            products=setting.products,
            gains=setting.gains,
            device=device,
        )
        if result.cancelled is not None:  # the best so far are not what the recipe makes
            raise Cancelled
        trained = time.monotonic()
        encoder = load_encoder(result.path, device)
        ids = list(setting.base[0])
        if result.linear is None:
            texts = [setting.texts[product] for product in ids]
            vectors = encode_all(encoder, texts, report, stop)
        else:
            from engine.training.adapter import apply

            vectors = apply(result.linear, setting.base[1])
        ranked = _ranked(encoder, VectorMatrix.of(ids, vectors), held_out, setting, report, stop)
    # The trainer and its model refer to each other; unasked, they would stay for some folds more.
    gc.collect()
    facts = {
        "chosen": result.card.scores.get("chosen"),
        "dev": {key: result.card.scores.get(key) for key in ("measure", "base", "tuned")},
        "rows": result.rows,
        "train_queries": len(train_queries),
        "dev_queries": len(dev_queries),
        "train_seconds": round(trained - began, 2),
        "seconds": round(time.monotonic() - began, 2),
    }
    _keep(setting, store, store.name(fold, seed), held_out, ranked, facts)
    report({"event": "log", "message": f"fold {fold} seed {seed}: {facts['seconds']} s"})


def run_baselines(
    setting: Setting,
    store: Store,
    bm25: Ranker | None,
    device: str | None,
    report: Report,
    stop: ShouldStop,
) -> None:
    """Scores of the base and of bm25 on every query, once."""
    queries = list(setting.queries.values())
    if not store.has_baseline("base"):
        encoder = load_encoder(setting.base_dir, device)
        ranked = _ranked(encoder, VectorMatrix.of(*setting.base), queries, setting, report, stop)
        _keep(setting, store, "base", queries, ranked, {})
    if bm25 is not None and not store.has_baseline("bm25"):
        catalog, judged = {}, {}
        present = set(setting.base[0])
        for query in queries:
            ranking = [product for product in bm25(query.query) if product in present]
            found = [product for product in ranking if product in query.grades]
            missing = sorted(present.intersection(query.grades).difference(found))
            catalog[query.query_id] = ranking[:DEPTH]
            judged[query.query_id] = [*found, *missing]
        _keep(setting, store, "bm25", queries, Ranked(catalog, judged), {})


def inner_split(
    queries: Sequence[JudgedQuery], seed: int
) -> tuple[list[JudgedQuery], list[JudgedQuery]]:
    """Training queries and an inner dev split of about 15 %, by linked groups.

    Too few groups for a split leave dev empty; the recipe's defaults are then used.
    """
    try:
        part = make_folds(queries, INNER_FOLDS, seed)
    except RankbenchError:
        return list(queries), []
    dev = [query for query in queries if part[query.query_id] == 0]
    return [query for query in queries if part[query.query_id] != 0], dev


def _ranked(
    encoder: Encoder,
    matrix: VectorMatrix,
    queries: Sequence[JudgedQuery],
    setting: Setting,
    report: Report,
    stop: ShouldStop,
) -> Ranked:
    """Catalog ranking, `DEPTH` deep, judged ranking and cosines of each query; ties by id."""
    catalog, judged = {}, {}
    vectors = encoder.encode_queries([clean_query(query.query) for query in queries])
    for query, vector in zip(queries, vectors, strict=True):
        scores = matrix.scores(vector)
        rows, _ = best(scores, DEPTH)
        catalog[query.query_id] = [matrix.ids[row] for row in rows]
        present = np.array(sorted(matrix.rows[p] for p in query.grades if p in matrix.rows), int)
        order, _ = best(scores[present], len(present))
        judged[query.query_id] = [matrix.ids[row] for row in present[order]]
    known = [_present(query, matrix.rows) for query in queries]
    pairs = cosine_pairs(
        encoder,
        known,
        setting.fields,
        lambda encoder, texts: encode_all(encoder, texts, report, stop),
    )
    return Ranked(catalog, judged, pairs)


def _keep(
    setting: Setting,
    store: Store,
    name: str,
    queries: Sequence[JudgedQuery],
    ranked: Ranked,
    facts: Mapping[str, object],
) -> None:
    store.write_pairs(name, ranked.pairs)
    scores = _scores(setting, queries, ranked.catalog, ranked.judged)
    store.write_scores(name, scores, ranked.catalog, ranked.judged, facts)


def _scores(
    setting: Setting,
    queries: Sequence[JudgedQuery],
    catalog: Mapping[str, Sequence[str]],
    judged: Mapping[str, Sequence[str]],
) -> dict[str, dict[str, float | None]]:
    present = set(setting.base[0])
    return {
        query.query_id: measure_search(
            catalog[query.query_id],
            judged[query.query_id],
            _present(query, present).grades,
            setting.gains,
            setting.rbo_p,
        )
        for query in queries
    }


def _present(query: JudgedQuery, products: Mapping[str, int] | set[str]) -> JudgedQuery:
    """The query with the grades of the catalog's products alone."""
    return replace(query, grades={p: g for p, g in query.grades.items() if p in products})
