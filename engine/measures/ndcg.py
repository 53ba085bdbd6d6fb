"""Normalised discounted cumulative gain.

Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques, TOIS 20(4), 2002. Linear
gain over log2(rank + 1), as in trec_eval and in KDD Cup 2022, task 1.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from engine.measures.checks import check_depth, checked_gains


def ndcg(gains: ArrayLike, judged_gains: ArrayLike, k: int | None = None) -> float | None:
    """NDCG of one ranking, in [0, 1].

    Args:
        gains: [n] the gain of each ranked product, best rank first; 0 where unjudged.
        judged_gains: the gains of all the query's judged products, in any order.
        k: the depth at which both the ranking and its ideal are cut; None for no cut.

    Returns:
        The value, or None where no judged product has a positive gain.

    Raises:
        RankbenchError: a depth below 1, or a gain that is negative or not finite.
    """
    check_depth(k)
    ranked = checked_gains(gains, "The gains of a ranking")[:k]
    ideal = ideal_dcg(judged_gains, k)
    return float(ranked @ discounts(len(ranked))) / ideal if ideal > 0 else None


def ideal_dcg(judged_gains: ArrayLike, k: int | None = None) -> float:
    """DCG of the judged products in descending order of gain, cut at `k`; 0 without a gain."""
    ideal = np.sort(checked_gains(judged_gains, "The judged gains"))[::-1][:k]
    return float(ideal @ discounts(len(ideal)))


@lru_cache(maxsize=256)
def discounts(n: int) -> np.ndarray:
    """1 / log2(rank + 1) for the ranks 1 to n, [n]."""
    values = 1.0 / np.log2(np.arange(2, n + 2))
    values.flags.writeable = False
    return values
