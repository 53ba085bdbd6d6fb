"""Rank-biased overlap: Webber, Moffat and Zobel, A similarity measure for indefinite rankings,
TOIS 28(4), 2010; extrapolated as in their equation 23, by the `rbo` package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.measures import RBO_DEPTH, RBO_P
from engine.measures.checks import check_depth, check_distinct, check_judged, check_p


def rbo(
    a: Sequence[str], b: Sequence[str], p: float = RBO_P, depth: int | None = RBO_DEPTH
) -> float:
    """Overlap of two rankings, in [0, 1]: 1 where they are equal, 0 where they share nothing.

    Args:
        a, b: product ids, best first.
        p: persistence; at .9 the first ten ranks carry 86 % of the weight.
        depth: ranks that are looked at; the agreement there is taken to go on. The shorter list
            cuts it further. Two empty lists agree (1), an empty and a filled one do not (0).

    Raises:
        RankbenchError: p outside (0, 1), a depth below 1, or a product that stands twice.
    """
    from rbo import RankingSimilarity

    check_p(p)
    check_depth(depth)
    first, second = list(a[:depth]), list(b[:depth])
    check_distinct(first)
    check_distinct(second)
    value = RankingSimilarity(first, second).rbo(k=depth, p=p, ext=True)
    # The package's sum may pass 1 by a rounding error.
    return min(1.0, max(0.0, float(value)))


def rbo_ideal(ranking: Sequence[str], gains: Mapping[str, float], p: float = RBO_P) -> float:
    """Overlap with the ideal ranking of the judged products, in [0, 1], ties in the ideal free.

    The ideal stands by descending gain and, within a gain, in the ranking's own order, so a ranking
    that never puts a lower grade above a higher one scores 1.

    Args:
        ranking: the judged products of a query, best first.
        gains: product id -> gain.

    Raises:
        RankbenchError: as `rbo`, or a ranked product without a gain.
    """
    check_judged(ranking, gains)
    # Sorting is stable: equal gains keep the ranking's order.
    ideal = sorted(ranking, key=lambda product: -gains[product])
    return rbo(ranking, ideal, p, None)


def rbo_ideal_strict(ranking: Sequence[str], gains: Mapping[str, float], p: float = RBO_P) -> float:
    """As `rbo_ideal` with ties in the ideal by product id: for comparison with published figures.

    It punishes a ranking for the order of equal grades, which no judgment asks for.
    """
    check_judged(ranking, gains)
    ideal = sorted(ranking, key=lambda product: (-gains[product], product))
    return rbo(ranking, ideal, p, None)
