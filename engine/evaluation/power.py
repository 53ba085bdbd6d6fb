"""How small a true mean difference a query set can show.

An interval says what the measured queries allow; this says what they could have seen. It follows
from n and the spread of the paired differences alone, never from the measured mean: power computed
from that says no more than the p value (Hoenig and Heisey, American Statistician 55(1), 2001).
"""

from __future__ import annotations

import math
from functools import lru_cache

from engine.errors import RankbenchError

POWER = 0.80
_ALPHA = 0.05


def smallest_visible(n: int, sd: float) -> float:
    """The smallest true mean difference whose 95 % interval excludes zero in 80 % of samples.

    The minimum detectable effect of Bloom (Evaluation Review 19(5), 1995): the standard error of
    the mean times the sum of the two quantiles of Student's t, at 1 - .05 / 2 and at .80. Simulated
    with the intervals used here (n from 12 to 120), normal differences of this size are shown in 78
    to 80 % of samples, those with 40 % zeros and a shift in the others in 81 (n 120) to 88 (n 12).

    Args:
        n: queries, at least two.
        sd: standard deviation of their paired differences, from 0.

    Raises:
        RankbenchError: fewer than two queries, or a bad standard deviation.
    """
    if n < 2 or not 0 <= sd < math.inf:
        raise RankbenchError(
            f"{n} queries with a standard deviation of {sd} have no power to compute.",
            "Give two queries or more, and a finite number from 0.",
        )
    return _multiple(n - 1) * sd / math.sqrt(n)


@lru_cache(maxsize=1024)
def _multiple(freedom: int) -> float:
    """How many standard errors the difference must measure; 2.8 for many queries."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 1 - _ALPHA / 2) + stdtrit(freedom, POWER))
