"""How far unjudged hits could move a delta of NDCG at a depth.

Every unjudged product in either side's first k is taken to be Exact or Irrelevant, the same for
both sides, and the ideal is made anew from the judged products and those. The bounds are the exact
minimum and maximum of candidate minus baseline over all 2^u such assignments. They need no search:
with m of the u products Exact the ideal is the same whichever m they are, and the difference of the
DCGs is a sum over products, so its extremes take the m products with the largest (or smallest)
weight on the candidate's side minus weight on the baseline's. After one sort, u + 1 cases remain.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate

from engine.measures.checks import check_depth, check_distinct
from engine.measures.ndcg import discounts, ideal_dcg


class DeltaRoom:
    """What the unjudged hits of one query leave open of its delta of NDCG@k.

    Attributes:
        unjudged: the products in either first k that nobody judged, the baseline's first.
        delta: candidate minus baseline as it counts now, unjudged products at gain 0, in [-1, 1];
            None where no judged product has a positive gain.
    """

    def __init__(
        self,
        baseline: Sequence[str],
        candidate: Sequence[str],
        judged_gains: Mapping[str, float],
        *,
        exact: float = 1.0,
        irrelevant: float = 0.0,
        k: int = 10,
    ) -> None:
        """Arguments and errors as `ndcg_delta_bounds`."""
        check_depth(k)
        weight: dict[str, float] = {}
        for sign, ranking in ((-1.0, baseline[:k]), (1.0, candidate[:k])):
            check_distinct(ranking)
            for product, discount in zip(ranking, discounts(len(ranking)).tolist(), strict=True):
                weight[product] = weight.get(product, 0.0) + sign * discount
        self._weight = weight
        self._exact, self._irrelevant, self._k = exact, irrelevant, k
        self._gains = list(judged_gains.values())
        self.unjudged = tuple(product for product in weight if product not in judged_gains)
        # Difference of the DCGs by the judged products alone.
        self._known = sum(w * judged_gains[p] for p, w in weight.items() if p in judged_gains)
        ideal = ideal_dcg(self._gains, k)
        self.delta = self._known / ideal if ideal > 0 else None
        self._ideals: list[float] = []

    def bounds(self, irrelevant: Collection[str] = ()) -> tuple[float, float] | None:
        """The least and the greatest delta, in [-1, 1]; None where no assignment has a gain.

        Args:
            irrelevant: those of `unjudged` that are known to be Irrelevant by now.
        """
        open_ = sorted(self._weight[p] for p in self.unjudged if p not in irrelevant)
        known = self._known + self._irrelevant * sum(self._weight[p] for p in self.unjudged)
        step = self._exact - self._irrelevant
        least = accumulate(open_, initial=0.0)
        most = accumulate(reversed(open_), initial=0.0)
        low, high = [], []
        # The ideal depends on how many are Exact alone, so what is known already changes none.
        for ideal, few, many in zip(self._every_ideal(), least, most, strict=False):
            if ideal > 0:
                ends = (known + step * few, known + step * many)
                low.append(min(ends) / ideal)
                high.append(max(ends) / ideal)
        return (min(low), max(high)) if low else None

    def swings(self) -> dict[str, float]:
        """Unjudged product -> the delta were it Exact minus the delta were it Irrelevant.

        The ideal is made anew for both; the other unjudged products go on counting 0. Empty where
        the delta is undefined.
        """
        if self.delta is None:
            return {}
        up = ideal_dcg([*self._gains, self._exact], self._k)
        down = ideal_dcg([*self._gains, self._irrelevant], self._k)
        return {
            product: (self._known + self._weight[product] * self._exact) / up
            - (self._known + self._weight[product] * self._irrelevant) / down
            for product in self.unjudged
        }

    def _every_ideal(self) -> list[float]:
        """The ideal DCG with 0, 1, ..., u of the unjudged products Exact."""
        if not self._ideals:
            u = len(self.unjudged)
            self._ideals = [
                ideal_dcg(self._gains + [self._exact] * m + [self._irrelevant] * (u - m), self._k)
                for m in range(u + 1)
            ]
        return self._ideals


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
    room = DeltaRoom(baseline, candidate, judged_gains, exact=exact, irrelevant=irrelevant, k=k)
    return room.bounds()
