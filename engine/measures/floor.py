"""What a random ranking scores: the floor that every NDCG and RBO-to-ideal table shows.

The expectations over all permutations are exact, so they need neither samples nor a seed: DCG and
overlap are sums over ranks, and the expectation of a sum is the sum of the expectations.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from engine.errors import RankbenchError
from engine.measures import RBO_P
from engine.measures.checks import check_depth, check_p, checked_gains
from engine.measures.ndcg import discounts, ideal_dcg

# Ranks beyond the one where p^rank falls below this cannot move a figure that anyone reads.
_NEGLIGIBLE = 1e-12


def ndcg_floor(
    judged_gains: ArrayLike, k: int | None = None, population: int | None = None
) -> float | None:
    """Expected NDCG of a random ranking, in [0, 1]; None where no gain is positive.

    Args:
        judged_gains: the gains of the query's judged products, in any order.
        k: the depth of the cut.
        population: how many products are ranked; by default the judged ones alone. The rest of a
            larger population gains 0.

    Raises:
        RankbenchError: a bad gain or depth, or a population smaller than the judged products.
    """
    check_depth(k)
    gains = checked_gains(judged_gains, "The judged gains")
    size = len(gains) if population is None else population
    if size < len(gains):
        raise RankbenchError(
            f"{len(gains)} judged products do not fit in a catalog of {size}.",
            "Leave out the judged products that the catalog lacks.",
        )
    ideal = ideal_dcg(gains, k)
    if ideal <= 0:
        return None
    depth = size if k is None else min(k, size)
    return float(gains.sum() / size * discounts(depth).sum() / ideal)


def rbo_ideal_floor(judged_gains: ArrayLike, p: float = RBO_P) -> float | None:
    """Expected `rbo_ideal` (ties free) of a random ranking; None where nothing is judged.

    At depth d the ideal holds every product of the grades above the one it is cutting and, of that
    one, the b that the ranking itself puts first. With H of the grade's s products in the ranking's
    first d, H hypergeometric, the overlap is d (n above) / n + min(b, H).
    """
    check_p(p)
    gains = checked_gains(judged_gains, "The judged gains")
    n = len(gains)
    if not n:
        return None
    sizes = np.unique(gains, return_counts=True)[1][::-1]
    depth = _depth(n, p)
    d = np.arange(1, depth + 1)
    size = np.repeat(sizes, sizes)[:depth]
    above = np.repeat(np.cumsum(sizes) - sizes, sizes)[:depth]
    hits = np.arange(int(size.max()) + 1)
    chance = _hypergeometric(n, size[:, None], d[:, None], hits[None, :])
    cut = (np.minimum((d - above)[:, None], hits[None, :]) * chance).sum(axis=1)
    return _rbo_of_overlap(d * above / n + cut, n, p)


def rbo_ideal_strict_floor(judged: int, p: float = RBO_P) -> float | None:
    """Expected `rbo_ideal_strict` of a random ranking of `judged` products; None for none."""
    check_p(p)
    if judged < 1:
        return None
    d = np.arange(1, _depth(judged, p) + 1)
    return _rbo_of_overlap(d * d / judged, judged, p)


def search_floors(
    judged_gains: ArrayLike, catalog_size: int, p: float = RBO_P
) -> dict[str, float | None]:
    """The floors of `measure_search`: `ndcg` over the judged products, `ndcg@10` over the catalog.

    Args:
        judged_gains: the gains of the query's judged products that the catalog holds.
    """
    gains = checked_gains(judged_gains, "The judged gains")
    if not (gains > 0).any():
        return dict.fromkeys(("ndcg", "ndcg@10", "rbo_ideal", "rbo_ideal_strict"))
    return {
        "ndcg": ndcg_floor(gains),
        "ndcg@10": ndcg_floor(gains, 10, catalog_size),
        "rbo_ideal": rbo_ideal_floor(gains, p),
        "rbo_ideal_strict": rbo_ideal_strict_floor(len(gains), p),
    }


def _rbo_of_overlap(overlap: np.ndarray, n: int, p: float) -> float:
    """Extrapolated RBO of two orders of the same n products from the overlap at each depth."""
    d = np.arange(1, len(overlap) + 1)
    return float(((1 - p) * p ** (d - 1) * overlap / d).sum() + p**n)


def _depth(n: int, p: float) -> int:
    return min(n, math.ceil(math.log(_NEGLIGIBLE) / math.log(p)))


def _hypergeometric(n: int, special: np.ndarray, drawn: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """Chance of `hits` special ones among `drawn` of n; the arguments broadcast."""
    log = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, n + 1)))))

    def log_choose(total: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        inside = (chosen >= 0) & (chosen <= total)
        kept = np.where(inside, chosen, 0)
        return np.where(inside, log[total] - log[kept] - log[total - kept], -np.inf)

    ways = log_choose(special, hits) + log_choose(n - special, drawn - hits)
    return np.exp(ways - log_choose(np.asarray(n), drawn))
