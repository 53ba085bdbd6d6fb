"""What an evaluation comes to: the mean delta that is told a room, and which queries show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textual.message import Message

from engine.measures import LARGEST_DELTA, PRIMARY
from workbench.messages import EvaluationKey, Trouble

MOST = 4
"""Wins, and harms, of a list that nobody wrote."""


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The whole of an evaluation.

    Attributes:
        delta: NDCG@10 over the queries it counts (a `Delta`), None where it has none.
        means: of both sides over the same queries.
        seen: whether a side was trained on these queries, because there are no others.
        excluded: queries without a product of positive gain.
        proposed: the best wins and worst harms, in turn.
    """

    delta: Any | None = None
    means: tuple[float, float] = (0.0, 0.0)
    seen: bool = False
    excluded: int = 0
    proposed: tuple[str, ...] = ()


class Concluded(Message):
    """What an evaluation comes to, or trouble."""

    def __init__(
        self, key: EvaluationKey, conclusion: Conclusion | None, trouble: Trouble | None = None
    ) -> None:
        super().__init__()
        self.key = key
        self.conclusion = conclusion
        self.trouble = trouble


def conclusion_of(result: Mapping[str, Any], unchanged: float) -> Conclusion:
    """The mean delta of NDCG@10 with its interval, and the queries to present.

    Args:
        result: the `eval` JSON with `per_query`.
        unchanged: a |delta| up to this counts as unchanged.
    """
    from engine.evaluation.intervals import paired_delta

    every = [row for row in result.get("per_query", ()) if row["delta"].get(PRIMARY) is not None]
    unseen = [row for row in every if not row["seen"]]
    rows, excluded = unseen or every, int(result.get("excluded", 0))
    if not rows:
        return Conclusion(excluded=excluded)
    left, right = ([row[side][PRIMARY] for row in rows] for side in ("baseline", "candidate"))
    delta = paired_delta(left, right, unchanged=unchanged, bound=LARGEST_DELTA)
    means = (sum(left) / len(left), sum(right) / len(right))
    return Conclusion(delta, means, not unseen, excluded, _proposed(unseen, unchanged))


def _proposed(rows: Sequence[Mapping[str, Any]], unchanged: float) -> tuple[str, ...]:
    """As many wins as harms, in turn; where there is only the one kind, that."""
    from engine.evaluation.distribution import extremes

    texts = {str(row["query_id"]): str(row["query"]) for row in rows}
    deltas = {str(row["query_id"]): row["delta"][PRIMARY] for row in rows}
    harms, wins = extremes(deltas, MOST, unchanged)
    most = min(len(harms), len(wins)) or MOST
    pairs = [(wins[i : i + 1], harms[i : i + 1]) for i in range(most)]
    return tuple(texts[query] for pair in pairs for kind in pair for query in kind)
