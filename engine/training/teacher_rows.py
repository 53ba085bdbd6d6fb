"""What a cross-encoder is taught from: lists of a query's products with a graded target each.

The targets are those of `engine.training.graded`: what a file of scores or of an order says, else
the gain's place on a log scale, with the default gains E 1, S 2/3, C 1/3, I 0. A judged list holds
few products as wrong as most of a catalog is, so every list also gets products that nobody judged
for the query, half of them from the rankers' own candidates (what a teacher has to put down later),
half from the whole catalog, with target 0.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from engine.catalog.normalise import clean_query
from engine.catalog.queries import JudgedQuery
from engine.errors import RankbenchError
from engine.training.file_weights import mean_weight, times, too_few
from engine.training.graded import grade_targets
from engine.training.recipe import Recipe
from engine.training.reranking import Ranker, candidates
from engine.workspace import DEFAULT_GAINS


@dataclass(frozen=True, slots=True)
class GradedList:
    """Documents of one query, [k], and their targets from 0 to 1, [k]."""

    query_id: str
    query: str
    documents: tuple[str, ...]
    targets: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Dealt:
    """The products of one list of `query`, those judged for it and those that are not."""

    query: JudgedQuery
    judged: Sequence[str]
    others: Sequence[str]

    def graded(self, texts: Mapping[str, str], by_grade: Mapping[str, float]) -> GradedList:
        query = self.query
        targets = [query.targets.get(p, by_grade[query.grades[p]]) for p in self.judged]
        targets += [0.0] * len(self.others)
        documents = tuple(texts[product] for product in (*self.judged, *self.others))
        return GradedList(query.query_id, clean_query(query.query), documents, tuple(targets))


def graded_lists(
    queries: Sequence[JudgedQuery],
    texts: Mapping[str, str],
    recipe: Recipe,
    seed: int,
    rankers: Sequence[Ranker] = (),
    gains: Mapping[str, float] = DEFAULT_GAINS,
) -> list[GradedList]:
    """Every judged product once, in shuffled lists of about `documents`, plus `negatives` unjudged.

    Queries with one grade only teach no order among the judged; the unjudged still do. Where
    judgment files have weights, a list counts as the mean of its judged products, and for the loss
    on single pairs ("bce") each judged product by itself: 2 stands twice, .5 in half of the cases.

    Args:
        gains: grade -> gain.

    Raises:
        RankbenchError: no query, no Exact product in the catalog, all targets alike, or none left
            by the files' weights.
    """
    rng = random.Random(seed)
    every = sorted(product for product in texts if texts[product])
    dealt: list[_Dealt] = []
    for query in sorted(queries, key=lambda item: item.query_id):
        judged = sorted(product for product in query.grades if texts.get(product))
        if not clean_query(query.query) or not judged:
            continue
        rng.shuffle(judged)
        count = max(1, round(len(judged) / recipe["documents"]))
        others = _unjudged(query, count * recipe["negatives"], every, texts, rankers, rng)
        dealt += [_Dealt(query, judged[n::count], others[n::count]) for n in range(count)]
    if not any(one.query.grades[product] == "E" for one in dealt for product in one.judged):
        raise RankbenchError(
            "No training query has an Exact product in the catalog: there is nothing to teach.",
            "Import judgments with `rankbench import judgments FILE`; the train split is used.",
        )
    by_grade = grade_targets(gains, "log")
    lists = [one.graded(texts, by_grade) for one in _weighed(dealt, recipe.loss == "bce", seed)]
    if len({target for row in lists for target in row.targets}) == 1:
        raise RankbenchError(
            "All products to teach from have the same target: there is nothing to tell apart.",
            "Teach with unjudged products beside them (`--set negatives=8`), or grade some results "
            "otherwise.",
        )
    return lists


def lists_hash(lists: Sequence[GradedList]) -> str:
    """SHA-256 (16 hex) of the lists in their order."""
    digest = hashlib.sha256()
    for row in lists:
        digest.update(json.dumps([row.query, row.documents, row.targets]).encode())
    return digest.hexdigest()[:16]


def _weighed(dealt: Sequence[_Dealt], pairs: bool, seed: int) -> list[_Dealt]:
    """The lists by their judgment files' weights; with `pairs` each judged product by its own."""
    if not any(one.query.file_weights for one in dealt):
        return list(dealt)
    rng = random.Random(seed)
    found: list[_Dealt] = []
    for one in dealt:
        if pairs:
            weights = one.query.file_weights
            own = [p for p in one.judged for _ in range(times(weights.get(p, 1.0), rng))]
            found += [replace(one, judged=own)] * bool(own)
        else:
            found += [one] * times(mean_weight(one.query, one.judged), rng)
    if not found:
        raise too_few(0, len(dealt))
    return found


def _unjudged(
    query: JudgedQuery,
    count: int,
    every: Sequence[str],
    texts: Mapping[str, str],
    rankers: Sequence[Ranker],
    rng: random.Random,
) -> list[str]:
    """Up to `count` products that are neither judged nor worded as one that is; shuffled."""
    taken = {texts[product] for product in query.grades if texts.get(product)}

    def free(products: Sequence[str]) -> list[str]:
        return [p for p in products if p not in query.grades and texts[p] not in taken]

    near = free(candidates(clean_query(query.query), rankers, texts)) if rankers else []
    found = rng.sample(near, min(len(near), count // 2))
    # More than asked for, since some of a draw from the whole catalog are judged or drawn already.
    known = set(found)
    far = [p for p in free(rng.sample(every, min(len(every), 4 * count))) if p not in known]
    found += far[: count - len(found)]
    rng.shuffle(found)
    return found
