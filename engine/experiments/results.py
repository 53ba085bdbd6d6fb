"""Out-of-fold scores pooled into a table with intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from engine.catalog.queries import JudgedQuery
from engine.evaluation.intervals import Delta, paired_delta
from engine.evaluation.pair_cosines import NAMES, cosine_delta, cosine_means, mean_pairs
from engine.experiments.store import Scores, Store
from engine.measures import DEFINITIONS, LARGEST_DELTA
from engine.training.recipe import Recipe

Folds = Mapping[str, int]
"""Query id -> the fold that held it out."""


@dataclass(frozen=True, slots=True)
class Row:
    """One measure: each system's mean over the queries where it is defined, and the deltas.

    Attributes:
        means: system ("base", "tuned", "bm25") -> mean; None where no query defines it.
        deltas: "base" or "bm25" -> tuned minus that one, paired by query.
        floor: mean of what a random ranking scores, for the measures that have one.
        by_fold: system, and "random" where there is a floor -> its mean in each fold; None where a
            fold has no query that defines it.
    """

    measure: str
    means: Mapping[str, float | None]
    deltas: Mapping[str, Delta]
    floor: float | None = None
    by_fold: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)

    def relative(self, other: str = "base") -> float | None:
        """The tuned side's change in parts of the other's mean; None where that is not above 0."""
        delta, mean = self.deltas.get(other), self.means.get(other)
        if delta is None or delta.mean is None or mean is None or mean <= 0:
            return None
        return delta.mean / mean

    def over_folds(self) -> dict[str, float | None]:
        """`by_fold`'s keys -> the mean of the folds' means, each fold alike."""
        return {name: _mean_of(values) for name, values in self.by_fold.items()}


@dataclass(frozen=True, slots=True)
class CrossvalResult:
    """A cross-validation's outcome.

    Attributes:
        queries: in the means; excluded: without a positive grade in the catalog.
        linked_by: the rule by which queries were linked (`engine.catalog.splits.link`) before
            whole groups were dealt to the folds.
        table: one row a measure, over all queries.
        cosines: one row a field's cosine and margin, over all their pairs; empty without fields.
        unchanged: a |delta| up to this counted as unchanged.
        strata: "column=value" -> rows over those queries; n is in the rows' deltas.
        per_query: query id, query, fold, scores of each system; tuned is the mean over seeds.
        runs: what each fold and seed chose and took.
    """

    recipe: Mapping[str, Any]
    folds: int
    seeds: tuple[int, ...]
    queries: int
    excluded: int
    linked_by: str
    unchanged: float
    table: tuple[Row, ...]
    cosines: tuple[Row, ...]
    strata: Mapping[str, tuple[Row, ...]]
    per_query: tuple[Mapping[str, Any], ...]
    runs: tuple[Mapping[str, Any], ...]
    inputs: Mapping[str, Any]
    seconds: float

    def row(self, measure: str) -> Row:
        return next(row for row in self.table + self.cosines if row.measure == measure)

    def to_json(self) -> dict[str, Any]:
        found = asdict(self)
        for name in ("table", "cosines"):
            for row, shown in zip(getattr(self, name), found[name], strict=True):
                shown["relative"] = {other: row.relative(other) for other in row.deltas}
        # What a query adds to a mean over pairs is no improvement or harm of its ranking.
        for delta in (delta for row in found["cosines"] for delta in row["deltas"].values()):
            for count in ("improved", "unchanged", "harmed"):
                del delta[count]
        return found


def pool(
    store: Store,
    queries: Sequence[JudgedQuery],
    floors: Scores,
    *,
    recipe: Recipe,
    folds: int,
    seeds: tuple[int, ...],
    excluded: int,
    linked_by: str,
    unchanged: float,
    by: Sequence[str],
    seconds: float,
) -> CrossvalResult:
    """Read every fold and seed back and make the table; also written as `result.json`.

    Args:
        floors: query id -> measure -> what a random ranking scores.
    """
    systems: dict[str, Scores] = {"base": store.read("base")["queries"]}
    runs = []
    seen: dict[str, list[Mapping[str, float | None]]] = {}
    fold_of: dict[str, int] = {}
    for seed in seeds:
        for fold in range(folds):
            data = store.read(store.name(fold, seed))
            for query_id, scores in data.pop("queries").items():
                seen.setdefault(query_id, []).append(scores)
                fold_of[query_id] = fold
            runs.append({"fold": fold, "seed": seed, **data})
    systems["tuned"] = {query_id: _mean(scores) for query_id, scores in seen.items()}
    if store.has_baseline("bm25"):
        systems["bm25"] = store.read("bm25")["queries"]
    strata: dict[str, tuple[Row, ...]] = {}
    for column in by:
        for value in sorted({q.columns[column] for q in queries if q.columns.get(column)}):
            ids = [q.query_id for q in queries if q.columns.get(column) == value]
            strata[f"{column}={value}"] = _rows(systems, ids, floors, unchanged)
    result = CrossvalResult(
        recipe=recipe.to_json(),
        folds=folds,
        seeds=seeds,
        queries=len(queries),
        excluded=excluded,
        linked_by=linked_by,
        unchanged=unchanged,
        table=tuple(
            replace(row, by_fold=_by_fold(row.measure, systems, floors, fold_of, folds))
            for row in _rows(systems, [query.query_id for query in queries], floors, unchanged)
        ),
        cosines=_cosines(store, fold_of, folds, seeds),
        strata=strata,
        per_query=tuple(
            {
                "query_id": query.query_id,
                "query": query.query,
                "fold": fold_of[query.query_id],
                **{name: scores[query.query_id] for name, scores in systems.items()},
            }
            for query in queries
        ),
        runs=tuple(runs),
        inputs=store.settings,
        seconds=round(seconds, 2),
    )
    store.write_result(result.to_json())
    return result


def _mean(scores: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """The mean over seeds; a measure undefined for a query is so under every seed."""
    found: dict[str, float | None] = {}
    for measure in DEFINITIONS:
        found[measure] = _mean_of(one[measure] for one in scores)
    return found


def _rows(
    systems: Mapping[str, Scores], ids: Sequence[str], floors: Scores, unchanged: float
) -> tuple[Row, ...]:
    rows = []
    for measure in DEFINITIONS:
        means: dict[str, float | None] = {}
        for name, scores in systems.items():
            means[name] = _mean_of(scores[i][measure] for i in ids)
        deltas = {}
        for name in ("base", "bm25"):
            if name not in systems:
                continue
            pairs = [(systems[name][i][measure], systems["tuned"][i][measure]) for i in ids]
            both = [(a, b) for a, b in pairs if a is not None and b is not None]
            if both:
                left, right = zip(*both, strict=True)
                deltas[name] = paired_delta(left, right, unchanged=unchanged, bound=LARGEST_DELTA)
        floor = _mean_of(floors[i].get(measure) for i in ids)
        rows.append(Row(measure, means, deltas, floor))
    return tuple(rows)


def _by_fold(
    measure: str, systems: Mapping[str, Scores], floors: Scores, fold_of: Folds, folds: int
) -> dict[str, tuple[float | None, ...]]:
    found = {
        name: tuple(
            _mean_of(scores[i].get(measure) for i, place in fold_of.items() if place == fold)
            for fold in range(folds)
        )
        for name, scores in {**systems, "random": floors}.items()
    }
    if not any(measure in floor for floor in floors.values()):
        del found["random"]
    return found


def _cosines(store: Store, fold_of: Folds, folds: int, seeds: tuple[int, ...]) -> tuple[Row, ...]:
    """Rows over all pairs; a pair's tuned cosine is its mean over the seeds."""
    base = store.read_pairs("base")
    if not base:
        return ()
    parts = {
        "base": [[pair for pair in base if fold_of[pair.query_id] == f] for f in range(folds)],
        "tuned": [
            mean_pairs([store.read_pairs(store.name(fold, seed)) for seed in seeds])
            for fold in range(folds)
        ],
    }
    tuned = [pair for pairs in parts["tuned"] for pair in pairs]
    before, after = cosine_means(base), cosine_means(tuned)
    of_folds = {system: [cosine_means(pairs) for pairs in found] for system, found in parts.items()}
    rows = []
    for name in NAMES:
        delta = cosine_delta(name, base, tuned)
        rows.append(
            Row(
                name,
                {"base": before[name], "tuned": after[name]},
                {"base": delta} if delta else {},
                by_fold={
                    system: tuple(means[name] for means in found)
                    for system, found in of_folds.items()
                },
            )
        )
    return tuple(rows)


def _mean_of(values: Iterable[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return float(np.mean(found)) if found else None
