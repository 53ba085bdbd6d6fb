"""What a cross-encoder is taught from: lists of a query's products with a graded target each.

The targets are log-scaled: E 1, S 2/3, C 1/3, I 0. On the raw gains 1, .1, .01, 0 the lower three
would nearly coincide. A judged list holds few products as wrong as most of a catalog is, so every
list also gets products that nobody judged for the query, half of them from the rankers' own
candidates (what a teacher has to put down later), half from the whole catalog, with target 0.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.catalog.normalise import clean_query
from engine.catalog.queries import JudgedQuery
from engine.errors import RankbenchError
from engine.training.graded import grade_targets
from engine.training.recipe import Recipe
from engine.training.reranking import Ranker, candidates
from engine.workspace import DEFAULT_GAINS

TARGETS = grade_targets(DEFAULT_GAINS, "log")


@dataclass(frozen=True, slots=True)
class GradedList:
    """Documents of one query, [k], and their targets from 0 to 1, [k]."""

    query_id: str
    query: str
    documents: tuple[str, ...]
    targets: tuple[float, ...]


def graded_lists(
    queries: Sequence[JudgedQuery],
    texts: Mapping[str, str],
    recipe: Recipe,
    seed: int,
    rankers: Sequence[Ranker] = (),
) -> list[GradedList]:
    """Every judged product once, in shuffled lists of about `documents`, plus `negatives` unjudged.

    Queries with one grade only teach no order among the judged; the unjudged still do.

    Raises:
        RankbenchError: no query, or no Exact product in the catalog.
    """
    rng = random.Random(seed)
    every = sorted(product for product in texts if texts[product])
    lists: list[GradedList] = []
    for query in sorted(queries, key=lambda item: item.query_id):
        text = clean_query(query.query)
        judged = sorted(product for product in query.grades if texts.get(product))
        if not text or not judged:
            continue
        rng.shuffle(judged)
        count = max(1, round(len(judged) / recipe["documents"]))
        others = _unjudged(query, count * recipe["negatives"], every, texts, rankers, rng)
        for turn in range(count):
            chosen = judged[turn::count]
            wrong = others[turn::count]
            documents = tuple(texts[product] for product in (*chosen, *wrong))
            targets = tuple(TARGETS[query.grades[product]] for product in chosen)
            lists.append(GradedList(query.query_id, text, documents, targets + (0.0,) * len(wrong)))
    if not any(1.0 in row.targets for row in lists):
        raise RankbenchError(
            "No training query has an Exact product in the catalog: there is nothing to teach.",
            "Import judgments with `rankbench import judgments FILE`; the train split is used.",
        )
    return lists


def lists_hash(lists: Sequence[GradedList]) -> str:
    """SHA-256 (16 hex) of the lists in their order."""
    digest = hashlib.sha256()
    for row in lists:
        digest.update(json.dumps([row.query, row.documents, row.targets]).encode())
    return digest.hexdigest()[:16]


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
