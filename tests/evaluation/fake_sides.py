"""Sides that rank by a score made from the text: no index, no encoder, the same on every run."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from engine.catalog.queries import JudgedQuery
from engine.ranking.ranking import Ranking


@dataclass
class ScoredSide:
    """Ranks the catalog by seeded random scores, judged Exact products `skill` higher."""

    name: str
    catalog: Sequence[str]
    queries: Sequence[JudgedQuery]
    skill: float = 0.0
    trained: frozenset[str] = frozenset()
    build: str = "b1"
    prepared: list[str] = field(default_factory=list)

    def rank(self, query: str, depth: int = 1000) -> Ranking:
        return self._ranked(query, self.catalog, depth)

    def rank_judged(self, query: str, product_ids: Collection[str]) -> Ranking:
        return self._ranked(query, product_ids, len(product_ids))

    def answers(self, query: str) -> bool:
        return True

    def seen(self, query: str) -> bool:
        return query in self.trained

    def prepare(self, queries: Sequence[str]) -> None:
        self.prepared.extend(queries)

    def _ranked(self, query: str, products: Collection[str], depth: int) -> Ranking:
        rng = random.Random(f"{self.name} {query}")
        base = {product: rng.random() for product in self.catalog}
        grades = next((q.grades for q in self.queries if q.query == query), {})
        lift = {"E": 1.0, "S": 0.6, "C": 0.3}
        score = {x: base[x] + self.skill * lift.get(grades.get(x, ""), 0.0) for x in products}
        best = sorted(score, key=lambda x: (-score[x], x))[:depth]
        return Ranking(tuple(best), tuple(score[x] for x in best))


def make_catalog(size: int = 300) -> list[str]:
    """Ids, one in twenty with a space in it."""
    return [f"p {i}" if i % 20 == 0 else f"p{i}" for i in range(size)]


def make_queries(catalog: Sequence[str], count: int = 30, judged: int = 25) -> list[JudgedQuery]:
    """Queries with random grades; every tenth has an id with a space and a foreign product."""
    rng = random.Random(11)
    found = []
    for number in range(count):
        products = rng.sample(list(catalog), judged)
        grades = {product: rng.choice("EESSCI") for product in products}
        odd = number % 10 == 0
        if odd:
            grades["gone"] = "E"
        found.append(
            JudgedQuery(
                query_id=f"q {number}" if odd else f"q{number}",
                query=f"query {number}",
                split=("train", "dev", "test")[number % 3],
                grades=grades,
                columns={"stratum": "met" if number % 2 else "new"},
            )
        )
    return found
