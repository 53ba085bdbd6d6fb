"""A mean delta with its 95 % interval, its p value and its counts.

The interval is a studentised wild bootstrap of the paired differences (Wu, Annals of Statistics
14(4), 1986; Liu, Annals of Statistics 16(4), 1988): each resample turns the sign of every centred
difference at random, and the 95 % quantile of |t*| scales the standard error of the mean. It was
chosen among six by how often the interval excludes zero where there is no difference. In 2,000
simulated null pairs, at n = 24 / n = 120, in per cent (the aim is 5):

    differences        normal      NDCG        NDCG, 40 % zeros  60 % zeros    MRR, 80 % zeros
    percentile         7.3 / 5.8   6.7 / 5.5    7.7 / 5.2        10.4 / 5.9     6.3 / 6.4
    BCa                7.5 / 6.0   6.8 / 5.6    9.9 / 5.8        16.9 / 8.0    17.1 / 8.5
    studentised        5.7 / 5.6   5.2 / 5.1    7.7 / 5.3        13.0 / 7.3    13.1 / 7.9
    the same, |t*|     5.3 / 5.3   4.6 / 5.1    3.7 / 4.7         1.6 / 3.9     1.4 / 3.4
    Student's t        5.2 / 5.2   4.7 / 4.8    4.6 / 4.6         4.3 / 4.5     1.4 / 4.8
    wild, |t*| (ours)  5.4 / 5.3   4.6 / 4.9    4.9 / 4.7         5.3 / 4.6     3.1 / 5.3

It pays for that where the differences are skewed around a true mean of zero: a sample of 24 that
happens to hold none of a few large gains looks like a sure loss. Where a side moves only a handful
of 24 queries it is conservative (MRR). `Delta.fragile` marks the intervals that such a sample can
make. In 2,000 samples, n = 24 / 60 / 120, it excludes zero in per cent:

    true mean 0                          excludes zero         and is not fragile
    exponential                           8.5 /  6.7 /  6.8     3.6 /  1.9 /  1.5
    60 % 0, 35 % -.02, 5 % +.14          27.2 / 12.6 /  8.4     0.1 /  1.4 /  1.1
    the same, times 2.5                  27.2 / 12.6 /  8.4     6.1 /  5.4 /  1.1
    60 % 0, 37 % -.02, 3 % +.25          45.9 / 16.4 / 13.2     0.0 /  4.2 /  3.3
    the second, sizes exponential        31.1 / 19.1 / 14.5     0.0 /  3.5 /  6.8
    NDCG, 40 % zeros                      5.0 /  5.2 /  5.5     5.0 /  5.2 /  5.5
    a true mean
    normal, .05 +- .09                   73.2 / 99.0 / 100     71.4 / 98.9 / 100
    the same, 40 % zeros                 79.4 / 99.5 / 100     79.2 / 99.5 / 100
    normal, .01 +- .03                   32.8 / 71.8 / 96.1     3.7 / 65.5 / 96.1

Both thresholds were chosen there: the sum of the differences sees the samples that lack the large
ones, which are not skewed; the skewness those that hold too few of them.

The p value is the paired sign-flip permutation test (Fisher, 1935): the chance, had the labels of
the sides been drawn at random for each query, of a mean at least as far from 0. Interval and p use
the same signs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from engine.errors import RankbenchError
from engine.evaluation.power import smallest_visible
from engine.measures import UNCHANGED

RESAMPLES = 9_999
LEVEL = 0.95
# Below six differences no sign-flip result reaches 5 %: all of five may point one way and p is
# still 2 / 2^5 = .06. So neither p nor an interval made of the same signs can say anything there,
# and Student's interval of two (13 standard errors each way) tells only how few they are.
FEWEST = 6
# The table above begins at 24 queries. Below 20 an interval of queries that differ by .15 is more
# than .14 wide, past most gains there are to find, and it and the p value disagree about zero in up
# to one sample of fifteen (simulated: n from 4 to 19; normal, half-zero and skewed differences).
FEW_QUERIES = 20
_BARELY = 0.0005
# See the table: up to this, one query that moves as much, which is not rare, cancels the mean.
CANCELLED = 0.5
# Against the mean: a long tail on the other side of it.
LOPSIDED = 1.0
_BLOCK = 4_000_000
# Equal differences leave rounding errors behind, which must not be studentised.
_EQUAL = 1e-12


@dataclass(frozen=True, slots=True)
class Delta:
    """Candidate minus baseline over n queries.

    Attributes:
        mean: None without a query.
        low, high: 95 % interval of the mean; None below `FEWEST` queries, of which nothing could
            leave zero out; a point where all differences are equal.
        p: two-sided, in (0, 1]; None below `FEWEST` queries.
        improved, unchanged, harmed: queries with a delta above, within and below the threshold.
        n: queries with a value on both sides.
        sd: standard deviation of the differences; None below two queries.
        skewness: of the differences, the third standardised moment; None below two queries.
    """

    mean: float | None
    low: float | None
    high: float | None
    p: float | None
    improved: int
    unchanged: int
    harmed: int
    n: int
    sd: float | None = None
    skewness: float | None = None

    FEWEST: ClassVar[int] = FEWEST

    @property
    def scarce(self) -> bool:
        """Whether there are queries, but too few for an interval and p."""
        return 0 < self.n < FEWEST

    @property
    def rough(self) -> bool:
        """Whether n is so small that the interval is wide and only approximately 95 %."""
        return FEWEST <= self.n < FEW_QUERIES

    @property
    def visible(self) -> float | None:
        """The smallest true difference that these n queries show with 80 % power.

        None below `FEWEST` queries, and where all differences are equal: they tell nothing of a
        spread.
        """
        return smallest_visible(self.n, self.sd) if self.sd and self.n >= FEWEST else None

    @property
    def too_few(self) -> bool:
        """Whether n is too small to tell: nothing is shown, and `mean` is below `visible`."""
        if self.visible is None or self.mean is None or self.low is None or self.high is None:
            return False
        return self.low <= 0 <= self.high and abs(self.mean) < self.visible

    @property
    def cancelled_by(self) -> float:
        """How far one query more would have to move the other way to cancel the mean."""
        return round(self.n * abs(self.mean or 0.0), 9)

    @property
    def barely(self) -> bool:
        """Whether zero is outside the interval and its nearer end is 0 to three decimals."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return False
        return min(abs(self.low), abs(self.high)) < _BARELY

    @property
    def fragile(self) -> bool:
        """Whether zero is outside the interval by what such a sample may lack by chance.

        Either one query more that moves at most `CANCELLED` the other way would cancel the mean,
        or the long tail of the differences points the other way (skewness past `LOPSIDED`). For
        measures from 0 to 1.
        """
        if self.mean is None or self.low is None or self.high is None or self.low <= 0 <= self.high:
            return False
        against = -math.copysign(1.0, self.mean) * (self.skewness or 0.0)
        return self.cancelled_by <= CANCELLED or against > LOPSIDED

    def to_json(self) -> dict[str, float | int | None]:
        return {
            "mean": self.mean,
            "low": self.low,
            "high": self.high,
            "p": self.p,
            "improved": self.improved,
            "unchanged": self.unchanged,
            "harmed": self.harmed,
            "n": self.n,
            "sd": self.sd,
            "visible": self.visible,
            "skewness": self.skewness,
            "fragile": self.fragile,
        }


def paired_delta(
    baseline: ArrayLike,
    candidate: ArrayLike,
    *,
    unchanged: float = UNCHANGED,
    resamples: int = RESAMPLES,
    seed: int = 0,
    bound: float = math.inf,
) -> Delta:
    """The mean difference of two paired samples of one measure.

    Args:
        baseline, candidate: [n] the measure of each query, in the same order.
        unchanged: a |difference| up to this counts as unchanged.
        resamples: random sign vectors; all 2^n are used where they are no more than that.
        seed: of the random signs. The global random state is not touched.
        bound: the interval ends at - and + this: 1 for a measure in [0, 1].

    Raises:
        RankbenchError: different lengths, a value that is not finite, or a bad setting.
    """
    differences = _differences(baseline, candidate)
    found = paired_deltas(
        {"": differences}, unchanged=unchanged, resamples=resamples, seed=seed, bound=bound
    )
    return found[""]


def paired_deltas(
    differences: Mapping[str, ArrayLike],
    *,
    unchanged: float = UNCHANGED,
    resamples: int = RESAMPLES,
    seed: int = 0,
    bound: float = math.inf,
) -> dict[str, Delta]:
    """As `paired_delta` for several measures; those of equal length share their signs.

    Args:
        differences: measure -> [n] candidate minus baseline.
    """
    if resamples < 100:
        raise RankbenchError(f"{resamples} resamples are too few.", "Use at least 100.")
    if not 0 <= unchanged < math.inf:
        raise RankbenchError(
            f"{unchanged} is no threshold for unchanged.", "Give a number from 0, such as 0.01."
        )
    columns = {name: _differences(None, values) for name, values in differences.items()}
    found: dict[str, Delta] = {}
    for n in {len(values) for values in columns.values()}:
        names = [name for name, values in columns.items() if len(values) == n]
        matrix = np.stack([columns[name] for name in names], axis=1)
        low, high = np.clip(intervals(matrix, resamples=resamples, seed=seed), -bound, bound)
        p = sign_flip_p(matrix, resamples=resamples, seed=seed)
        for i, name in enumerate(names):
            found[name] = _delta(columns[name], low[i], high[i], p[i], unchanged)
    return {name: found[name] for name in differences}


def intervals(
    differences: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % intervals of the means of the columns of `differences` [n, m], each [m].

    NaN where there are fewer than `FEWEST` rows.
    """
    n, m = differences.shape
    if n < FEWEST:
        return np.full(m, np.nan), np.full(m, np.nan)
    mean = differences.mean(axis=0)
    centred = differences - mean
    error = np.sqrt((centred**2).sum(axis=0) / (n - 1) / n)
    error[np.ptp(differences, axis=0) <= _EQUAL] = 0.0
    width = _critical(centred, error, resamples, seed) * error
    return mean - width, mean + width


def sign_flip_p(
    differences: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0
) -> np.ndarray:
    """Two-sided p of each column of `differences` [n, m], in (0, 1], [m]; NaN without a row.

    Exact where 2^n is at most `resamples`; otherwise (count + 1) / (resamples + 1), which is never
    0 (Phipson and Smyth, 2010).
    """
    n, m = differences.shape
    if not n:
        return np.full(m, np.nan)
    observed = np.abs(differences.sum(axis=0)) - 1e-9 * np.abs(differences).sum(axis=0)
    count = np.zeros(m)
    drawn = 0
    for signs in _signs(n, resamples, seed):
        count += (np.abs(signs @ differences) >= observed).sum(axis=0)
        drawn += len(signs)
    return count / drawn if 2**n <= resamples else (count + 1) / (drawn + 1)


def _critical(centred: np.ndarray, error: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """The 95 % quantile of |t*| over the resamples of each column, [m]."""
    n = len(centred)
    second = (centred**2).mean(axis=0)
    size = []
    for signs in _signs(n, resamples, seed):
        mean = signs @ centred / n
        variance = np.maximum(second - mean**2, 1e-12 * second) / (n - 1)
        with np.errstate(invalid="ignore"):
            size.append(np.where(error > 0, np.abs(mean) / np.sqrt(variance), 0.0))
    t = np.concatenate(size)
    place = min(len(t) - 1, math.ceil(LEVEL * (len(t) + 1)) - 1)
    return np.partition(t, place, axis=0)[place]


def _signs(n: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Rows of n signs (-1, 1) in blocks: all 2^n of them, or `resamples` at random."""
    if 2**n <= resamples:
        every = np.arange(2**n)[:, None] >> np.arange(n)[None, :]
        yield (every & 1) * 2.0 - 1.0
        return
    generator = np.random.default_rng(seed)
    rows = max(1, _BLOCK // n)
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        bits = np.unpackbits(
            np.frombuffer(generator.bytes(-(-count * n // 8)), np.uint8), count=count * n
        )
        yield bits.reshape(count, n) * 2.0 - 1.0


def _delta(values: np.ndarray, low: float, high: float, p: float, unchanged: float) -> Delta:
    n = len(values)
    # A difference of exactly the threshold counts as unchanged in spite of its rounding error.
    limit = unchanged + 1e-12
    improved, harmed = int((values > limit).sum()), int((values < -limit).sum())
    sd = skewness = None
    if n > 1:
        sd = skewness = 0.0
        if np.ptp(values) > _EQUAL:
            sd = float(values.std(ddof=1))
            skewness = float((((values - values.mean()) / values.std()) ** 3).mean())
    return Delta(
        mean=float(values.mean()) if n else None,
        low=float(low) if n >= FEWEST else None,
        high=float(high) if n >= FEWEST else None,
        p=float(p) if n >= FEWEST else None,
        improved=improved,
        unchanged=n - improved - harmed,
        harmed=harmed,
        n=n,
        sd=sd,
        skewness=skewness,
    )


def _differences(baseline: ArrayLike | None, candidate: ArrayLike) -> np.ndarray:
    right = np.asarray(candidate, dtype=np.float64)
    left = np.zeros_like(right) if baseline is None else np.asarray(baseline, dtype=np.float64)
    if right.ndim != 1 or left.shape != right.shape:
        raise RankbenchError(
            f"The two sides have {left.size} and {right.size} values.",
            "Give one value a query for each side, in the same order.",
        )
    values = right - left
    if not np.isfinite(values).all():
        raise RankbenchError(
            "A measure is not a finite number.", "Leave out the queries where it is undefined."
        )
    return values
