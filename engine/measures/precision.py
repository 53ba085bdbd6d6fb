"""Precision at a depth, as in trec_eval: a list shorter than the depth is not excused."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import RankbenchError
from engine.measures.checks import check_depth


def precision(relevant: Sequence[bool], k: int) -> float:
    """Relevant products among the first `k`, over `k`, in [0, 1].

    Args:
        relevant: best rank first, whether the product there is relevant.

    Raises:
        RankbenchError: a depth below 1, or none.
    """
    if k is None:
        raise RankbenchError("Precision has no depth.", "Give one, such as 10.")
    check_depth(k)
    return sum(map(bool, relevant[:k])) / k
