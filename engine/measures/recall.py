"""Recall at a depth: Cleverdon, The Cranfield tests on index language devices, 1967."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import RankbenchError
from engine.measures.checks import check_depth


def recall(relevant: Sequence[bool], total: int, k: int | None = None) -> float:
    """Share of the `total` relevant products that stand within `k`; 0 where there are none.

    Args:
        relevant: best rank first, whether the product there is relevant.
        total: how many relevant products there are at all.

    Raises:
        RankbenchError: a depth below 1, or more relevant products ranked than there are.
    """
    check_depth(k)
    found = sum(map(bool, relevant[:k]))
    if found > total:
        raise RankbenchError(
            f"{found} relevant products are ranked, but there are only {total}.",
            "Count every relevant product in the total, and rank each once.",
        )
    return found / total if total else 0.0
