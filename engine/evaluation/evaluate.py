"""A query set through both sides."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from engine.catalog.queries import JudgedQuery, judgments_hash
from engine.errors import RankbenchError, UsageError
from engine.evaluation.bounds import ndcg_delta_bounds
from engine.evaluation.breakdowns import DERIVED, derive, in_order
from engine.evaluation.frame import Evaluation, Group, Measures, QueryRow, SideMeans
from engine.evaluation.intervals import RESAMPLES, paired_deltas
from engine.evaluation.prepared import prepared
from engine.evaluation.select import select
from engine.evaluation.traffic import weighted_means
from engine.measures import (
    CATALOG_DEPTH,
    DEFINITIONS,
    LARGEST_DELTA,
    RBO_P,
    UNCHANGED,
    measures_hash,
)
from engine.measures.checks import check_p
from engine.measures.floor import ndcg_floor, rbo_ideal_floor, rbo_ideal_strict_floor
from engine.measures.query import CANDIDATES, measure_query, measure_unanswered
from engine.measures.rbo import rbo
from engine.ranking.ranking import Ranking

__all__ = [
    "Evaluation",
    "Progress",
    "breakdown",
    "evaluate",
    "ids_hash",
    "judgments_hash",
    "select",
    "summarise",
]

Progress = Callable[[int, int], None]
FLOORS = ("ndcg", "ndcg@10", "rbo_ideal", "rbo_ideal_strict")
GRADES = ("E", "S", "C", "I")


class RankedSide(Protocol):
    """What an evaluation needs of a side; `engine.ranking.sides.Side` is one."""

    @property
    def name(self) -> str: ...
    @property
    def build(self) -> str: ...
    def rank(self, query: str, depth: int = CATALOG_DEPTH) -> Ranking: ...
    def rank_judged(self, query: str, product_ids: Collection[str]) -> Ranking: ...
    def answers(self, query: str) -> bool: ...
    def seen(self, query: str) -> bool: ...
    def prepare(self, queries: Sequence[str]) -> None: ...


def evaluate(
    baseline: RankedSide,
    candidate: RankedSide,
    queries: Sequence[JudgedQuery],
    catalog_ids: Collection[str],
    *,
    gains: Mapping[str, float],
    candidates: str = "catalog",
    unchanged: float = UNCHANGED,
    p: float = RBO_P,
    split: str = "all",
    inputs: Mapping[str, str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    keep_rankings: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure both sides over the queries.

    Args:
        queries: as `select` chose them.
        catalog_ids: every product id of the catalog; judged products outside it are left out.
        gains: grade -> gain, for E, S, C and I, finite and from 0.
        candidates: "catalog" (depth 1,000, unjudged products gain 0) or "judged".
        unchanged: a |delta| up to this counts as unchanged.
        p: persistence of RBO.
        split: the name of the selection, for the record.
        inputs: the hashes "catalog", "judgments" and "measures" where the caller has better ones
            than the catalog's ids and these queries' grades give.
        resamples, seed: of the intervals and p values.
        keep_rankings: keep the rankings, which `write_runs` needs.
        progress: as in `prepared`.

    Raises:
        UsageError: another candidate set.
        RankbenchError: a bad gain, p or threshold; two queries with one id; or what a side raises.
    """
    _check(queries, gains, candidates, p)
    catalog = catalog_ids if isinstance(catalog_ids, (set, frozenset)) else frozenset(catalog_ids)
    kept, excluded, absent = _in_catalog(queries, catalog, gains)
    rows = []
    ready = prepared((baseline, candidate), [query for query, _ in kept], progress)
    for query, (_, grades) in zip(ready, kept, strict=True):
        row = _row(baseline, candidate, query, grades, gains, candidates, p, len(catalog))
        rows.append(row if keep_rankings else replace(row, rankings=None))
    every = summarise(rows, unchanged=unchanged, resamples=resamples, seed=seed)
    return Evaluation(
        baseline=_side_means(baseline, every.baseline, rows),
        candidate=_side_means(candidate, every.candidate, rows),
        excluded=tuple(excluded),
        absent=absent,
        split=split,
        candidates=candidates,
        inputs={
            "catalog": ids_hash(catalog),
            "judgments": judgments_hash(queries),
            "measures": measures_hash(gains, p, unchanged),
            **(inputs or {}),
        },
        gains=dict(gains),
        rbo_p=p,
        unchanged=unchanged,
        rbo=_mean(row.rbo for row in rows),
        delta=every.delta,
        bounds=every.bounds,
        floor=every.floor,
        rows=tuple(rows),
        weighted=every.weighted,
    )


def summarise(
    rows: Sequence[QueryRow],
    *,
    unchanged: float = UNCHANGED,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Group:
    """Means, deltas, bounds and floor of some of an evaluation's rows."""
    differences = {
        name: [row.delta[name] for row in rows if row.delta[name] is not None]
        for name in DEFINITIONS
    }
    bounds = [row.bounds for row in rows]
    return Group(
        n=len(rows),
        baseline={name: _mean(row.baseline[name] for row in rows) for name in DEFINITIONS},
        candidate={name: _mean(row.candidate[name] for row in rows) for name in DEFINITIONS},
        delta=paired_deltas(
            differences, unchanged=unchanged, resamples=resamples, seed=seed, bound=LARGEST_DELTA
        ),
        # The assignments of two queries are independent, so the extremes of the mean are the means
        # of the extremes.
        bounds=(_mean(low for low, _ in bounds), _mean(high for _, high in bounds))
        if bounds
        else None,
        floor={name: _mean(row.floor[name] for row in rows) for name in FLOORS},
        weighted=weighted_means(rows, resamples=resamples, seed=seed),
    )


def breakdown(
    evaluation: Evaluation, column: str, *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Group]:
    """The same figures for each value of a query column, by value.

    Args:
        column: a column of the query file (a query without it is under ""), "split", "seen"
            ("seen" / "unseen"), or a derived one (`breakdowns.DERIVED`). Rows that carry no
            derived groups get them from what the evaluation holds: no category, and `head` by the
            traffic of its own queries.

    Raises:
        UsageError: no query has the column.
        RankbenchError: a derived column that nothing is known for, no traffic or no category.
    """
    rows = evaluation.rows
    if column in DERIVED and not any(row.derived for row in rows):
        derived = derive(rows, rows, {})
        rows = tuple(replace(row, derived=derived[row.query_id]) for row in rows)
    own = any(column in row.columns for row in rows)
    groups: dict[str, list[QueryRow]] = {}
    for row in rows:
        groups.setdefault(_value(row, column, own), []).append(row)
    if rows and set(groups) == {""} and not any(evaluation.outside.get(column, ())):
        raise _without(column, rows)
    return {
        value: summarise(
            groups[value], unchanged=evaluation.unchanged, resamples=resamples, seed=seed
        )
        for value in in_order(groups)
    }


def ids_hash(product_ids: Iterable[str]) -> str:
    """12 hex digits of a set of product ids."""
    return _hash(sorted(product_ids))


def _side_means(side: RankedSide, means: Measures, rows: Sequence[QueryRow]) -> SideMeans:
    unanswered = tuple(row.query_id for row in rows if not side.answers(row.query))
    return SideMeans(side.name, side.build, means, unanswered)


def _row(
    baseline: RankedSide,
    candidate: RankedSide,
    query: JudgedQuery,
    grades: Mapping[str, str],
    gains: Mapping[str, float],
    candidates: str,
    p: float,
    catalog_size: int,
) -> QueryRow:
    rankings: list[tuple[str, ...]] = []
    measures: list[dict[str, float | None]] = []
    full = candidates == "judged"
    for side in (baseline, candidate):
        if not side.answers(query.query):
            rankings.append(())
            measures.append(measure_unanswered(grades, gains, full=full))
            continue
        judged = side.rank_judged(query.query, grades.keys()).product_ids
        ranked = judged if full else side.rank(query.query, CATALOG_DEPTH).product_ids
        rankings.append(tuple(ranked))
        measures.append(measure_query(ranked, judged, grades, gains, candidates, p))
    left, right = measures
    gain_of = {product: gains[grade] for product, grade in grades.items()}
    bounds = ndcg_delta_bounds(*rankings, gain_of, exact=gains["E"], irrelevant=gains["I"])
    assert bounds is not None  # a query of the mean has a positive gain
    values = list(gain_of.values())
    return QueryRow(
        query_id=query.query_id,
        query=query.query,
        split=query.split or None,
        seen=baseline.seen(query.query) or candidate.seen(query.query),
        columns=query.columns,
        grades=grades,
        rbo=rbo(*rankings, p) if any(rankings) else None,
        baseline=left,
        candidate=right,
        delta={name: _minus(right[name], left[name]) for name in DEFINITIONS},
        bounds=bounds,
        floor={
            "ndcg": ndcg_floor(values) if full else None,
            "ndcg@10": ndcg_floor(values, 10, len(values) if full else catalog_size),
            "rbo_ideal": rbo_ideal_floor(values, p),
            "rbo_ideal_strict": rbo_ideal_strict_floor(len(values), p),
        },
        rankings=(rankings[0], rankings[1]),
    )


def _in_catalog(
    queries: Sequence[JudgedQuery], catalog: Collection[str], gains: Mapping[str, float]
) -> tuple[list[tuple[JudgedQuery, dict[str, str]]], list[str], int]:
    """Queries with their grades in the catalog, ids of those without a gain, judgments left out."""
    kept, excluded, absent = [], [], 0
    for query in queries:
        grades = {product: grade for product, grade in query.grades.items() if product in catalog}
        absent += len(query.grades) - len(grades)
        if any(gains[grade] > 0 for grade in grades.values()):
            kept.append((query, grades))
        else:
            excluded.append(query.query_id)
    return kept, excluded, absent


def _check(
    queries: Sequence[JudgedQuery], gains: Mapping[str, float], candidates: str, p: float
) -> None:
    if candidates not in CANDIDATES:
        raise UsageError(f"No candidate set {candidates!r}.", "Choose judged or catalog.")
    check_p(p)
    for grade in GRADES:
        gain = gains.get(grade)
        if gain is None or not 0 <= gain < float("inf"):
            raise RankbenchError(
                f"The gain of grade {grade} is {gain}.", "Give E, S, C and I a number from 0 each."
            )
    seen: set[str] = set()
    for query in queries:
        if query.query_id in seen:
            raise RankbenchError(
                f"Two queries have the id {query.query_id!r}.", "Give each query its own."
            )
        seen.add(query.query_id)
        unknown = next((g for g in query.grades.values() if g not in GRADES), None)
        if unknown is not None:
            raise RankbenchError(
                f"Query {query.query_id} has the grade {unknown!r}.", "Grades are E, S, C and I."
            )


def _value(row: QueryRow, column: str, own: bool) -> str:
    """`own`: the query file has the column."""
    if column == "split":
        return row.split or ""
    if column == "seen":
        return "seen" if row.seen else "unseen"
    return (row.columns if own else row.derived).get(column, "")


def _without(column: str, rows: Sequence[QueryRow]) -> RankbenchError:
    if column == "head":
        return RankbenchError(
            "Head and tail follow the traffic, and no query has any.",
            "Bring a search log, `rankbench import log FILE`, or give the queries a `weight` "
            "column, such as searches a month: `rankbench import judgments FILE`, or with it "
            "`--queries FILE`.",
        )
    if column == "category":
        return RankbenchError(
            "No Exact product of these queries has a category.",
            "Name the catalog's column: `rankbench init DIR --catalog FILE --force "
            "--column category=NAME`.",
        )
    known = sorted({name for row in rows for name in row.columns} - {*DERIVED})
    return UsageError(
        f"No query has a column {column!r}.",
        f"Choose one of {', '.join(['split', 'seen', *DERIVED, *known])}.",
    )


def _minus(right: float | None, left: float | None) -> float | None:
    return None if right is None or left is None else right - left


def _mean(values: Iterable[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return sum(found) / len(found) if found else None


def _hash(content: object) -> str:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
