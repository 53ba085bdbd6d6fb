"""Cross-validation of a recipe: every judged query is scored by an encoder that never saw it.

Folds are made of whole groups of linked queries. For each fold and seed the recipe runs afresh on
the other folds, a part of which (an inner dev split, again by groups) chooses epoch and
interpolation; the encoder lives in a temporary directory, ranks the held-out queries over the whole
catalog, and is thrown away. Scores are pooled over the folds and averaged over the seeds per query,
and intervals are bootstrapped over queries, since queries are what one would draw anew.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.catalog.normalise import clean_query, normalise_query
from engine.catalog.queries import JudgedQuery
from engine.catalog.splits import folds_by, link
from engine.encoders.card import read_card
from engine.encoders.load import load_encoder
from engine.errors import RankbenchError
from engine.evaluation.pair_cosines import Fields
from engine.experiments.fold import Ranker, Setting, run_baselines, run_fold
from engine.experiments.pace import Pace
from engine.experiments.parallel import run_on
from engine.experiments.results import CrossvalResult, pool
from engine.experiments.store import Store, held, settings_of
from engine.measures.floor import search_floors
from engine.training.outcome import Report, ShouldStop, check_stop
from engine.training.recipe import Recipe
from engine.training.rows import NOTHING, Products
from engine.training.train import BaseVectors
from engine.training.vectors import encode_all
from engine.workspace import DEFAULT_GAINS


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
    fields: Fields | None = None,
    products: Products = NOTHING,
    progress: Report | None = None,
    should_stop: ShouldStop | None = None,
    devices: Sequence[str | None] = (None,),
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
        fields: single fields of the products, for the cosines of queries with them.
        products: descriptions and categories, where the recipe reads them.
        devices: where folds run, as torch names them ("cuda:0"), None for the best there is. With
            several, as many folds run at once, a process each.
        progress: dicts as of `train`, with `fold`, `seed`, `run`, `runs` and `total_eta_s`.

    Raises:
        RankbenchError: the base has seen some of the queries, too few linked groups, a fold without
            training rows, or `out_dir` holds another experiment or is another run's.
        Cancelled: folds that had ended stay in `out_dir`.
    """
    began = time.monotonic()
    report = progress or (lambda event: None)
    stop = should_stop or (lambda: False)
    if "judgments" not in recipe.sources:
        raise RankbenchError(
            f"Recipe {recipe.name} does not train on judgments, which folds are made of.",
            "Cross-validate another; `rankbench recipes` lists them.",
        )
    if recipe.get("teacher", ""):
        raise RankbenchError(
            "A teacher may have been trained on the very queries that a fold holds out.",
            "Cross-validate without `--set teacher=…`.",
        )
    if not seeds or not devices:
        raise RankbenchError(
            "Cross-validation needs a seed and a device.", "Give at least one, for example 0."
        )
    _check_base(base_dir, queries)
    scored = _scorable(queries, texts, gains)
    if not scored:
        raise RankbenchError(
            f"None of the {len(queries)} judged queries has a right product in the catalog.",
            "Import judgments with grade E: `rankbench import judgments FILE`.",
        )
    links = link(scored)
    fold_of = folds_by(links.groups, scored, folds)
    with held(out_dir):
        store = Store(
            out_dir,
            settings_of(
                recipe, base_dir, texts, scored, folds, gains, rbo_p, fields or {}, products
            ),
        )
        store.write_qrels(scored, gains, texts)
        vectors = base_vectors or _encode_base(base_dir, texts, devices[0], report, stop)
        setting = Setting(
            recipe,
            base_dir,
            texts,
            {query.query_id: query for query in scored},
            fold_of,
            vectors,
            gains,
            rbo_p,
            fields or {},
            products,
        )
        run_baselines(setting, store, bm25, devices[0], report, stop)
        _runs(setting, store, folds, seeds, devices, report, stop)
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


def _check_base(base_dir: Path, queries: Sequence[JudgedQuery]) -> None:
    """Refuse a base that has seen queries: held out of a fold, they would be none that it has not.

    Leaving them out would not do: others of their groups share their products.
    """
    card = read_card(base_dir)
    seen = set(card.seen_queries()) if card else set()
    known = sum(normalise_query(query.query) in seen for query in queries)
    if known:
        raise RankbenchError(
            f"The base was trained or chosen on {known:,} of the {len(queries):,} judged queries: "
            "no fold of these would be scored by an encoder that never saw them.",
            "Cross-validate in a workspace with the untuned base: `rankbench init DIR --catalog "
            "FILE`; what this one does on the others, `rankbench eval --split unseen` tells.",
        )


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
    setting: Setting,
    store: Store,
    folds: int,
    seeds: Sequence[int],
    devices: Sequence[str | None],
    report: Report,
    stop: ShouldStop,
) -> None:
    todo = [(seed, fold) for seed in seeds for fold in range(folds) if not store.has(fold, seed)]
    total = folds * len(seeds)
    if len(devices) > 1:
        run_on(devices, setting, store, todo, total, report, stop)
        return
    pace = Pace(todo)
    for number, (seed, fold) in enumerate(todo):
        check_stop(stop)
        run = total - len(todo) + number + 1
        where = {"fold": fold, "seed": seed, "run": run, "runs": total}

        def tell(event: dict[str, Any], number: int = number, where: Any = where) -> None:
            left = pace.left(todo[number], event, todo[:number])
            report({**event, **where, "total_eta_s": left})

        run_fold(setting, store, fold, seed, devices[0], tell, stop)


def _floors(setting: Setting) -> dict[str, dict[str, float | None]]:
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
    return ids, encode_all(encoder, [texts[product] for product in ids], report, stop)
