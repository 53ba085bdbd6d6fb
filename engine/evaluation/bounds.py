"""How far unjudged hits could move a delta of NDCG at a depth.

Every unjudged product in either side's first k is taken to be Exact or Irrelevant, the same for
both sides, and the ideal is made anew from the judged products and those. The bounds are the exact
minimum and maximum of candidate minus baseline over all 2^u such assignments. They need no search:
with m of the u products Exact the ideal is the same whichever m they are, and the difference of the
DCGs is a sum over products, so its extremes take the m products with the largest (or smallest)
weight on the candidate's side minus weight on the baseline's. After one sort, u + 1 cases remain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engine.measures.checks import check_depth, check_distinct
from engine.measures.ndcg import discounts, ideal_dcg


def ndcg_delta_bounds(
    baseline: Sequence[str],
    candidate: Sequence[str],
    judged_gains: Mapping[str, float],
    *,
    exact: float = 1.0,
    irrelevant: float = 0.0,
    k: int = 10,
) -> tuple[float, float] | None:
    """The least and the greatest delta of NDCG@k that judging every hit could show.

    Args:
        baseline, candidate: product ids, best first; only the first `k` matter.
        judged_gains: product id -> gain, of the query's judged products.
        exact, irrelevant: the gains an unjudged product may turn out to have.

    Returns:
        (low, high), each in [-1, 1]; equal where every hit is judged. None where no assignment has
        a positive gain.

    Raises:
        RankbenchError: a depth below 1, a bad gain, or a product twice on one side.
    """
    check_depth(k)
    weight: dict[str, float] = {}
    for sign, ranking in ((-1.0, baseline[:k]), (1.0, candidate[:k])):
        check_distinct(ranking)
        for product, discount in zip(ranking, discounts(len(ranking)).tolist(), strict=True):
            weight[product] = weight.get(product, 0.0) + sign * discount
    unjudged = sorted(w for product, w in weight.items() if product not in judged_gains)
    known = sum(w * judged_gains[p] for p, w in weight.items() if p in judged_gains)
    known += irrelevant * sum(unjudged)
    step = exact - irrelevant
    gains = list(judged_gains.values())
    u = len(unjudged)
    least, most = np.cumsum([0.0, *unjudged]), np.cumsum([0.0, *unjudged[::-1]])
    low, high = [], []
    for m in range(u + 1):
        ideal = ideal_dcg(gains + [exact] * m + [irrelevant] * (u - m), k)
        if ideal > 0:
            ends = (known + step * least[m], known + step * most[m])
            low.append(min(ends) / ideal)
            high.append(max(ends) / ideal)
    return (float(min(low)), float(max(high))) if low else None
