"""The workspace's own query set through two of its sides."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from engine.catalog.queries import JudgedQuery
from engine.catalog.template import Template
from engine.evaluation.breakdowns import derive
from engine.evaluation.evaluate import RankedSide, evaluate
from engine.evaluation.frame import Evaluation
from engine.evaluation.holes import Holes, TopTens, find_holes, rank_top_tens
from engine.evaluation.intervals import RESAMPLES
from engine.evaluation.select import select
from engine.index.store import catalog_hash
from engine.ranking.comparer import Comparer
from engine.records import QuerySets

Choose = Callable[[Sequence[JudgedQuery], Sequence[RankedSide]], Sequence[JudgedQuery]]


def evaluate_query_set(
    comparer: Comparer,
    baseline: str = "base",
    candidate: str = "",
    candidates: str = "catalog",
    split: str = "unseen",
    *,
    query_set: str = "",
    verdicts: bool = True,
    resamples: int = RESAMPLES,
    keep_rankings: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score a split of the query set; sides as in `Comparer.compare`, the rest as in `evaluate`.

    Args:
        query_set: the name of a set of queries, "" for all of them.
        verdicts: whether people's verdicts count; without them it is the imported judgments
            alone, as they were before anyone flagged a result. `inputs["judgments"]` differs
            where a verdict changes a grade of the queries.

    Raises:
        RankbenchError: a side is unknown or not ready, or no query is left.
        UsageError: an unknown split or candidate set.
    """
    every: list[JudgedQuery] = []
    judged: list[JudgedQuery] = []
    chosen: list[JudgedQuery] = []
    seen_by: dict[str, int] = {}

    def choose(queries: Sequence[JudgedQuery], sides: Sequence[RankedSide]) -> list[JudgedQuery]:
        judged.extend(queries)
        every.extend(_of_set(comparer, queries, query_set))
        if split == "unseen":
            for side in sides:
                if known := sum(side.seen(query.query) for query in every):
                    seen_by[side.name] = known
        chosen.extend(select(every, split, sides, query_set))
        return chosen

    found = evaluate_chosen(
        comparer,
        choose,
        baseline,
        candidate,
        candidates,
        split,
        query_set=query_set,
        verdicts=verdicts,
        resamples=resamples,
        keep_rankings=keep_rankings,
        progress=progress,
    )
    taken = {query.query_id for query in chosen}
    rest = [query for query in every if query.query_id not in taken]
    outside = _values(rest, derive(rest, judged, comparer.categories()))
    return replace(found, asked=len(every), seen_by=seen_by, outside=outside)


def _values(
    queries: Sequence[JudgedQuery], derived: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, int]]:
    """Column -> value -> how many of the queries have it; a file's column before a derived one."""
    found: dict[str, dict[str, int]] = {}
    for query in queries:
        values = {"split": query.split or "", **derived[query.query_id], **query.columns}
        for column, value in values.items():
            held = found.setdefault(column, {})
            held[value] = held.get(value, 0) + 1
    return found


def evaluate_chosen(
    comparer: Comparer,
    choose: Choose,
    baseline: str,
    candidate: str,
    candidates: str,
    split: str,
    *,
    query_set: str = "",
    verdicts: bool = True,
    resamples: int = RESAMPLES,
    keep_rankings: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """As `evaluate_query_set`, over the queries that `choose` takes from the query set.

    Args:
        choose: (queries, both sides) -> the queries to evaluate.
        split, query_set: what to call them.
    """
    settings = comparer.ws.settings
    names = (baseline, candidate or comparer.default_candidate())
    sides = [comparer.side(name) for name in names]
    queries = comparer.judged_queries() if verdicts else comparer.imported_queries()
    found = evaluate(
        sides[0],
        sides[1],
        choose(queries, sides),
        comparer.titles(),
        gains=settings.gains,
        candidates=candidates,
        unchanged=settings.unchanged,
        p=settings.rbo_p,
        split=split,
        inputs={
            "catalog": catalog_hash(comparer.ws),
            "template": Template(settings.template).hash,
            **{
                f"{place} encoder": side.fingerprint
                for place, side in zip(("baseline", "candidate"), sides, strict=True)
                if side.fingerprint
            },
        },
        resamples=resamples,
        keep_rankings=keep_rankings,
        progress=progress,
    )
    derived = derive(found.rows, queries, comparer.categories())
    rows = (replace(row, derived=derived[row.query_id]) for row in found.rows)
    judgments = "all" if verdicts else "imported"
    return replace(found, rows=tuple(rows), query_set=query_set, judgments=judgments)


def _of_set(
    comparer: Comparer, queries: Sequence[JudgedQuery], query_set: str
) -> Sequence[JudgedQuery]:
    if not query_set:
        return queries
    with QuerySets(comparer.ws.records_path) as sets:
        members = sets.members(query_set)
    return [query for query in queries if query.query_id in members]


def top_tens(
    comparer: Comparer,
    baseline: str = "base",
    candidate: str = "",
    split: str = "unseen",
    progress: Callable[[int, int], None] | None = None,
    *,
    query_set: str = "",
    only: Collection[str] | None = None,
) -> TopTens:
    """What both sides rank first for a split of the query set, or of the named set `query_set`.

    Args:
        only: ids of queries; of the split no others are ranked, and it may be that none is left.

    Raises:
        As `evaluate_query_set`.
    """
    names = (baseline, candidate or comparer.default_candidate())
    sides = [comparer.side(name) for name in names]
    queries = select(
        _of_set(comparer, comparer.judged_queries(), query_set), split, sides, query_set
    )
    if only is not None:
        queries = [query for query in queries if query.query_id in only]
    return replace(rank_top_tens(*sides, queries, split, progress), query_set=query_set)


def holes_of(comparer: Comparer, tops: TopTens) -> Holes:
    """The holes in `tops` by what is judged now, people's verdicts included."""
    gains = comparer.ws.settings.gains
    return find_holes(tops, comparer.judged_queries(), comparer.titles(), gains)
