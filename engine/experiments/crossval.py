"""Cross-validation of a recipe: every judged query is scored by an encoder that never saw it.

Folds are made of whole groups of linked queries. For each fold and seed the recipe runs afresh on
the other folds, a part of which (an inner dev split, again by groups) chooses epoch and
interpolation; the encoder lives in a temporary directory, ranks the held-out queries over the whole
catalog, and is thrown away. Scores are pooled over the folds and averaged over the seeds per query,
and intervals are bootstrapped over queries, since queries are what one would draw anew.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.catalog.normalise import clean_query
from engine.catalog.queries import JudgedQuery
from engine.catalog.splits import folds as make_folds
from engine.catalog.splits import folds_by, link
from engine.encoders.load import Encoder, load_encoder
from engine.errors import RankbenchError
from engine.experiments.results import CrossvalResult, pool
from engine.experiments.store import Store, held, settings_of
from engine.index.matrix import VectorMatrix, best
from engine.measures.floor import search_floors
from engine.measures.query import measure_search
from engine.training.outcome import Report, ShouldStop, check_stop
from engine.training.recipe import Recipe
from engine.training.train import BaseVectors, train
from engine.workspace import DEFAULT_GAINS

DEPTH = 1000
INNER_FOLDS = 7
"""One of seven groups of the training queries is the inner dev split: about 15 %."""
_PART = 256

Ranker = Callable[[str], Sequence[str]]
"""Query text -> product ids of the whole catalog that it finds, best first."""


@dataclass(frozen=True, slots=True)
class _Setting:
    """What every fold shares."""

    recipe: Recipe
    base_dir: Path
    texts: Mapping[str, str]
    queries: Mapping[str, JudgedQuery]
    fold_of: Mapping[str, int]
    base: BaseVectors
    gains: Mapping[str, float]
    rbo_p: float
    device: str | None


def crossval(
    recipe: Recipe,
    base_dir: Path,
    texts: Mapping[str, str],
    queries: Sequence[JudgedQuery],
    out_dir: Path,
    *,
    folds: int = 5,
    seeds: Sequence[int] = (0,),
    bm25: Ranker | None = None,
    base_vectors: BaseVectors | None = None,
    gains: Mapping[str, float] = DEFAULT_GAINS,
    unchanged: float = 0.01,
    rbo_p: float = 0.9,
    by: Sequence[str] = ("stratum",),
    progress: Report | None = None,
    should_stop: ShouldStop | None = None,
    device: str | None = None,
) -> CrossvalResult:
    """Out-of-fold scores of `recipe` on all `queries`, whatever split they are in.

    Args:
        texts: product id -> rendered text, the whole catalog.
        out_dir: scores and run files by fold and seed land here as soon as a fold ends; a rerun
            with the same inputs goes on from there.
        folds: of whole linked groups, the same for every seed.
        seeds: one run of every fold a seed; rows, batches, dropout and inner dev depend on it.
        bm25: a ranking to compare with besides the base.
        base_vectors: the base's document vectors, encoded here where not given.
        unchanged: a |delta| up to this counts as unchanged.
        by: query columns whose values are reported apart.
        progress: dicts as of `train`, with `fold`, `seed`, `run`, `runs` and `eta_s` of the whole.

    Raises:
        RankbenchError: too few linked groups, a fold without training rows, or `out_dir` holds
            another experiment or is another run's.
        Cancelled: folds that had ended stay in `out_dir`.
    """
    began = time.monotonic()
    report = progress or (lambda event: None)
    stop = should_stop or (lambda: False)
    if not seeds:
        raise RankbenchError("Cross-validation needs a seed.", "Give at least one, for example 0.")
    scored = _scorable(queries, texts, gains)
    links = link(scored)
    fold_of = folds_by(links.groups, scored, folds)
    with held(out_dir):
        store = Store(
            out_dir,
            settings_of(recipe, base_dir, texts, scored, folds, gains, rbo_p),
        )
        store.write_qrels(scored, gains, texts)
        vectors = base_vectors or _encode_base(base_dir, texts, device, report, stop)
        setting = _Setting(
            recipe,
            base_dir,
            texts,
            {query.query_id: query for query in scored},
            fold_of,
            vectors,
            gains,
            rbo_p,
            device,
        )
        _baselines(setting, store, bm25)
        _runs(setting, store, folds, seeds, report, stop)
        return pool(
            store,
            scored,
            _floors(setting),
            recipe=recipe,
            folds=folds,
            seeds=tuple(seeds),
            excluded=len(queries) - len(scored),
            linked_by=links.rule,
            unchanged=unchanged,
            by=by,
            seconds=time.monotonic() - began,
        )


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


def _scorable(
    queries: Sequence[JudgedQuery], texts: Mapping[str, str], gains: Mapping[str, float]
) -> list[JudgedQuery]:
    """Queries with text and a product of positive gain in the catalog, by id."""
    return [
        query
        for query in sorted(queries, key=lambda item: item.query_id)
        if clean_query(query.query)
        and any(gains[grade] > 0 and texts.get(product) for product, grade in query.grades.items())
    ]


def _runs(
    setting: _Setting,
    store: Store,
    folds: int,
    seeds: Sequence[int],
    report: Report,
    stop: ShouldStop,
) -> None:
    todo = [(seed, fold) for seed in seeds for fold in range(folds) if not store.has(fold, seed)]
    total = folds * len(seeds)
    began = time.monotonic()
    for number, (seed, fold) in enumerate(todo):
        check_stop(stop)
        elapsed = time.monotonic() - began
        where = {
            "fold": fold,
            "seed": seed,
            "run": total - len(todo) + number + 1,
            "runs": total,
            "total_eta_s": round(elapsed / number * (len(todo) - number), 1) if number else None,
        }
        _one(
            setting, store, fold, seed, lambda event, place=where: report({**event, **place}), stop
        )


def _one(
    setting: _Setting, store: Store, fold: int, seed: int, report: Report, stop: ShouldStop
) -> None:
    """Train on the other folds, rank this one's queries, keep the scores."""
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
            gains=setting.gains,
            device=setting.device,
        )
        trained = time.monotonic()
        encoder = load_encoder(result.path, setting.device)
        ids = list(setting.base[0])
        if result.linear is None:
            texts = [setting.texts[product] for product in ids]
            vectors = _encode(encoder, texts, report, stop)
        else:
            from engine.training.adapter import apply

            vectors = apply(result.linear, setting.base[1])
        catalog, judged = _rank(encoder, VectorMatrix.of(ids, vectors), held_out)
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
    store.write_scores(
        store.name(fold, seed), _scores(setting, held_out, catalog, judged), catalog, judged, facts
    )
    report({"event": "log", "message": f"fold {fold} seed {seed}: {facts['seconds']} s"})


def _baselines(setting: _Setting, store: Store, bm25: Ranker | None) -> None:
    """Scores of the base and of bm25 on every query, once."""
    queries = list(setting.queries.values())
    if not store.has_baseline("base"):
        encoder = load_encoder(setting.base_dir, setting.device)
        catalog, judged = _rank(encoder, VectorMatrix.of(*setting.base), queries)
        scores = _scores(setting, queries, catalog, judged)
        store.write_scores("base", scores, catalog, judged, {})
    if bm25 is not None and not store.has_baseline("bm25"):
        catalog, judged = {}, {}
        present = set(setting.base[0])
        for query in queries:
            ranking = [product for product in bm25(query.query) if product in present]
            found = [product for product in ranking if product in query.grades]
            missing = sorted(present.intersection(query.grades).difference(found))
            catalog[query.query_id] = ranking[:DEPTH]
            judged[query.query_id] = [*found, *missing]
        scores = _scores(setting, queries, catalog, judged)
        store.write_scores("bm25", scores, catalog, judged, {})


def _rank(
    encoder: Encoder, matrix: VectorMatrix, queries: Sequence[JudgedQuery]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Catalog ranking, `DEPTH` deep, and judged ranking of each query; ties by product id."""
    catalog, judged = {}, {}
    vectors = encoder.encode_queries([clean_query(query.query) for query in queries])
    for query, vector in zip(queries, vectors, strict=True):
        scores = matrix.scores(vector)
        rows, _ = best(scores, DEPTH)
        catalog[query.query_id] = [matrix.ids[row] for row in rows]
        present = np.array(sorted(matrix.rows[p] for p in query.grades if p in matrix.rows), int)
        order, _ = best(scores[present], len(present))
        judged[query.query_id] = [matrix.ids[row] for row in present[order]]
    return catalog, judged


def _scores(
    setting: _Setting,
    queries: Sequence[JudgedQuery],
    catalog: Mapping[str, Sequence[str]],
    judged: Mapping[str, Sequence[str]],
) -> dict[str, dict[str, float | None]]:
    present = set(setting.base[0])
    return {
        query.query_id: measure_search(
            catalog[query.query_id],
            judged[query.query_id],
            {p: grade for p, grade in query.grades.items() if p in present},
            setting.gains,
            setting.rbo_p,
        )
        for query in queries
    }


def _floors(setting: _Setting) -> dict[str, dict[str, float | None]]:
    """What a random ranking of the catalog scores for each query."""
    present = set(setting.base[0])
    return {
        query_id: search_floors(
            [setting.gains[grade] for p, grade in query.grades.items() if p in present],
            len(present),
            setting.rbo_p,
        )
        for query_id, query in setting.queries.items()
    }


def _encode_base(
    base_dir: Path, texts: Mapping[str, str], device: str | None, report: Report, stop: ShouldStop
) -> BaseVectors:
    ids = sorted(product for product, text in texts.items() if text)
    encoder = load_encoder(base_dir, device)
    return ids, _encode(encoder, [texts[product] for product in ids], report, stop)


def _encode(encoder: Encoder, texts: Sequence[str], report: Report, stop: ShouldStop) -> np.ndarray:
    """Vectors [n, dim] of documents in float32, longest first, told about and stoppable."""
    vectors = np.zeros((len(texts), encoder.dim), np.float32)
    order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
    for start in range(0, len(order), _PART):
        check_stop(stop)
        rows = order[start : start + _PART]
        vectors[rows] = encoder.encode_documents([texts[i] for i in rows])
        done = start + len(rows)
        report({"event": "progress", "phase": "indexing", "step": done, "steps": len(texts)})
    return vectors
