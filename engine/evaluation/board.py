"""Every side against every query set, in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from engine.evaluation.evaluate import evaluate, summarise
from engine.evaluation.frame import Evaluation, QueryRow
from engine.evaluation.intervals import Delta
from engine.index.store import catalog_hash
from engine.measures import PRIMARY
from engine.ranking.comparer import Comparer
from engine.records import QuerySets

EVERY = "all"


@dataclass(frozen=True, slots=True)
class Cell:
    """One side on one query set, over the queries that neither it nor the baseline has seen.

    Attributes:
        query_set: a named set, a split ("train", "dev", "test"), or "all".
        n: queries in the means; seen: queries of the set left out because a side has seen them.
        baseline, candidate: mean catalog NDCG@10; None without a query.
        delta: candidate minus baseline.
        floor: mean of what a random ranking scores.
    """

    side: str
    query_set: str
    n: int
    seen: int
    baseline: float | None
    candidate: float | None
    delta: Delta
    floor: float | None

    def to_json(self) -> dict[str, Any]:
        fragile = self.delta.fragile
        return {**asdict(self), "fragile": fragile, "delta": self.delta.to_json()}


def board(
    comparer: Comparer,
    baseline: str,
    sides: Sequence[str] = (),
    progress: Callable[[str, int, int], None] | None = None,
    *,
    verdicts: bool = True,
) -> list[Cell]:
    """Catalog NDCG@10 of each side against `baseline` on each query set.

    Args:
        sides: side names; by default every encoder that is indexed, and bm25.
        progress: called with (side, queries done, queries).
        verdicts: whether people's verdicts count; without them the imported judgments alone do.

    Returns:
        By side, then: all queries, the three splits, the named sets; those without a query left
        out.

    Raises:
        RankbenchError: a side is unknown or not ready, or there is no judged query.
    """
    chosen = list(sides) or [
        side.name for side in comparer.sides() if side.ready and side.kind in ("encoder", "bm25")
    ]
    with QuerySets(comparer.ws.records_path) as sets:
        named = {name: sets.members(name) for name in sets.sizes()}
    cells: list[Cell] = []
    for side in chosen:
        if side != baseline:
            found = _whole(comparer, baseline, side, progress, verdicts)
            cells += _cells(side, found, named)
    return cells


def _whole(
    comparer: Comparer,
    baseline: str,
    side: str,
    progress: Callable[[str, int, int], None] | None,
    verdicts: bool,
) -> Evaluation:
    settings = comparer.ws.settings
    tell = None if progress is None else lambda done, total: progress(side, done, total)
    return evaluate(
        comparer.side(baseline),
        comparer.side(side),
        comparer.judged_queries() if verdicts else comparer.imported_queries(),
        comparer.titles(),
        gains=settings.gains,
        unchanged=settings.unchanged,
        p=settings.rbo_p,
        inputs={"catalog": catalog_hash(comparer.ws)},
        # The intervals that are shown are made below, for each set.
        resamples=100,
        progress=tell,
    )


def _cells(side: str, whole: Evaluation, named: Mapping[str, frozenset[str]]) -> list[Cell]:
    groups: dict[str, list[QueryRow]] = {EVERY: list(whole.rows)}
    for split in ("train", "dev", "test"):
        groups[split] = [row for row in whole.rows if row.split == split]
    for name, members in named.items():
        groups[name] = [row for row in whole.rows if row.query_id in members]
    cells = []
    for name, rows in groups.items():
        if not rows:
            continue
        unseen = [row for row in rows if not row.seen]
        found = summarise(unseen, unchanged=whole.unchanged)
        cells.append(
            Cell(
                side,
                name,
                found.n,
                len(rows) - found.n,
                found.baseline[PRIMARY],
                found.candidate[PRIMARY],
                found.delta[PRIMARY],
                found.floor[PRIMARY],
            )
        )
    return cells
