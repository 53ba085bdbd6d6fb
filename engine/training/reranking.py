"""Reranking of catalog candidates by a cross-encoder, and whether it beats the encoder there.

The candidates of a query are the best `DEPTH` of each ranker, together. The encoder's own ten best
are among them, so its score over the candidates is its catalog NDCG@10.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.catalog.normalise import clean_query, normalise_query
from engine.catalog.queries import JudgedQuery
from engine.encoders.cross_encoder import score_pairs
from engine.evaluation.intervals import Delta, paired_delta
from engine.measures.ndcg import ndcg
from engine.training.outcome import Report, ShouldStop, check_stop

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

DEPTH = 100
CUT = 10
MEASURE = "catalog NDCG@10, reranking the candidates"
MIN_QUERIES = 5
"""Below this a check says nothing, as in `engine.training.selection`."""

Ranker = Callable[[str], Sequence[str]]
"""Cleaned query -> product ids of the whole catalog, best first."""


@dataclass(frozen=True, slots=True)
class Check:
    """A teacher against its student on judged queries that the teacher has not seen.

    Attributes:
        query_ids: [n]; student, teacher: NDCG@10 of each over the same candidates, [n].
        pairs: (query, product) pairs scored; seconds: that this took.
        left_out: queries that the teacher was trained or chosen on, not among the n.
        favoured: of the n, those that the student was trained or chosen on. They favour it: a
            teacher that beats it there all the same may be believed, one that does not may yet be
            the better one.
    """

    query_ids: tuple[str, ...]
    student: tuple[float, ...]
    teacher: tuple[float, ...]
    pairs: int
    seconds: float
    left_out: int = 0
    favoured: int = 0

    @property
    def delta(self) -> Delta:
        """Teacher minus student."""
        return paired_delta(self.student, self.teacher, bound=1.0)

    @property
    def enough(self) -> bool:
        """Whether the queries are enough to say anything."""
        return len(self.query_ids) >= MIN_QUERIES

    @property
    def beats(self) -> bool:
        """Whether the teacher's mean is above the student's, over enough queries to ask."""
        return self.enough and (self.delta.mean or 0.0) > 0.0

    def to_json(self) -> dict[str, Any]:
        delta = self.delta
        return {
            "measure": MEASURE,
            "n": len(self.query_ids),
            "student": float(np.mean(self.student)) if self.student else None,
            "teacher": float(np.mean(self.teacher)) if self.teacher else None,
            "delta": delta.mean,
            "low": delta.low,
            "high": delta.high,
            "pairs": self.pairs,
            "left_out": self.left_out,
            "favoured": self.favoured,
            "per_query": {
                query: [round(a, 5), round(b, 5)]
                for query, a, b in zip(self.query_ids, self.student, self.teacher, strict=True)
            },
        }


def candidates(query: str, rankers: Sequence[Ranker], texts: Mapping[str, str]) -> list[str]:
    """The best `DEPTH` products of each ranker together, those with a text, by id."""
    found = {product for rank in rankers for product in rank(query)[:DEPTH]}
    return sorted(product for product in found if texts.get(product))


def check(
    teacher: CrossEncoder,
    queries: Sequence[JudgedQuery],
    rankers: Sequence[Ranker],
    texts: Mapping[str, str],
    gains: Mapping[str, float],
    *,
    report: Report,
    should_stop: ShouldStop,
    seen: Collection[str] = (),
    student_seen: Collection[str] = (),
) -> Check:
    """Rerank every query's candidates by the teacher; the student is the first of `rankers`.

    Queries without a judged product of positive gain in the catalog are left out.

    Args:
        seen: normalised queries that the teacher was trained or chosen on, which are left out;
            student_seen: those of the student, which are counted.

    Raises:
        Cancelled: the person asked for it.
    """
    began = time.monotonic()
    useful = _useful(queries, texts, gains)
    scored = _unseen(useful, seen)
    favoured = sum(normalise_query(query.query) in student_seen for query in scored)
    before, after, pairs = [], [], 0
    for number, query in enumerate(scored):
        check_stop(should_stop)
        text = clean_query(query.query)
        pool = candidates(text, rankers, texts)
        scores = score_pairs(teacher, text, [texts[product] for product in pool])
        # `pool` stands by id: a stable sort leaves equal scores in that order.
        order = np.argsort(-scores, kind="stable")[:CUT]
        before.append(_ndcg(query, list(rankers[0](text)[:CUT]), texts, gains))
        after.append(_ndcg(query, [pool[place] for place in order], texts, gains))
        pairs += len(pool)
        spent = time.monotonic() - began
        left = spent / (number + 1) * (len(scored) - number - 1)
        report(
            {
                "event": "progress",
                "phase": "checking",
                "step": number + 1,
                "steps": len(scored),
                "eta_s": round(left, 1),
            }
        )
    ids = tuple(query.query_id for query in scored)
    spent = time.monotonic() - began
    left_out = len(useful) - len(scored)
    return Check(ids, tuple(before), tuple(after), pairs, spent, left_out, favoured)


def askable(
    queries: Sequence[JudgedQuery],
    texts: Mapping[str, str],
    gains: Mapping[str, float],
    seen: Collection[str] = (),
) -> tuple[int, int]:
    """How many queries `check` can ask, and how many it leaves out as seen; nothing is scored."""
    useful = _useful(queries, texts, gains)
    scored = _unseen(useful, seen)
    return len(scored), len(useful) - len(scored)


def _useful(
    queries: Sequence[JudgedQuery], texts: Mapping[str, str], gains: Mapping[str, float]
) -> list[JudgedQuery]:
    return [query for query in queries if clean_query(query.query) and _ideal(query, texts, gains)]


def _unseen(queries: Sequence[JudgedQuery], seen: Collection[str]) -> list[JudgedQuery]:
    return [query for query in queries if normalise_query(query.query) not in seen]


def _ideal(query: JudgedQuery, texts: Mapping[str, str], gains: Mapping[str, float]) -> list[float]:
    """The positive gains of the query's products in the catalog."""
    found = [gains[grade] for product, grade in query.grades.items() if product in texts]
    return [gain for gain in found if gain > 0]


def _ndcg(
    query: JudgedQuery, top: Sequence[str], texts: Mapping[str, str], gains: Mapping[str, float]
) -> float:
    got = [gains[query.grades[p]] if p in query.grades else 0.0 for p in top]
    return float(ndcg(got, _ideal(query, texts, gains), CUT) or 0.0)
