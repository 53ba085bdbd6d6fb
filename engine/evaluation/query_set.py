"""The workspace's own query set through two of its sides."""

from __future__ import annotations

from collections.abc import Callable

from engine.evaluation.evaluate import evaluate
from engine.evaluation.frame import Evaluation
from engine.evaluation.intervals import RESAMPLES
from engine.evaluation.select import select
from engine.index.store import catalog_hash
from engine.ranking.comparer import Comparer


def evaluate_query_set(
    comparer: Comparer,
    baseline: str = "base",
    candidate: str = "",
    candidates: str = "catalog",
    split: str = "unseen",
    *,
    verdicts: bool = True,
    resamples: int = RESAMPLES,
    keep_rankings: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score a split of the query set; sides as in `Comparer.compare`, the rest as in `evaluate`.

    Args:
        verdicts: whether people's verdicts count; without them it is the imported judgments
            alone, as they were before anyone flagged a result. `inputs["judgments"]` differs
            where a verdict changes a grade of the queries.

    Raises:
        RankbenchError: a side is unknown or not ready, or no query is left.
        UsageError: an unknown split or candidate set.
    """
    settings = comparer.ws.settings
    names = (baseline, candidate or comparer.default_candidate())
    sides = [comparer.side(name) for name in names]
    queries = comparer.judged_queries() if verdicts else comparer.imported_queries()
    return evaluate(
        sides[0],
        sides[1],
        select(queries, split, sides),
        comparer.titles(),
        gains=settings.gains,
        candidates=candidates,
        unchanged=settings.unchanged,
        p=settings.rbo_p,
        split=split,
        inputs={"catalog": catalog_hash(comparer.ws)},
        resamples=resamples,
        keep_rankings=keep_rankings,
        progress=progress,
    )
