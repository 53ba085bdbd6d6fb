"""Simulated paired differences of two encoders whose true mean difference is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from engine.evaluation.intervals import intervals, paired_deltas

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


def normal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.normal(0, 0.09, shape)


def noisy_ndcg(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Two noisy copies of the same per-query scores, cut to [0, 1] as NDCG is."""
    truth = rng.beta(2, 1.5, shape)
    sides = (np.clip(truth + rng.normal(0, 0.12, shape), 0, 1) for _ in range(2))
    return next(sides) - next(sides)


def mostly_equal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Two sides that agree exactly on two queries of five."""
    return np.where(rng.random(shape) < 0.4, 0.0, noisy_ndcg(rng, shape))


def heavy_tailed(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Sixty per cent zeros, the rest Laplace: a few queries move much."""
    return np.where(rng.random(shape) < 0.6, 0.0, rng.laplace(0, 0.08, shape))


NULL: Mapping[str, Draw] = {
    "normal": normal,
    "NDCG": noisy_ndcg,
    "NDCG, 40 % zeros": mostly_equal,
    "Laplace, 60 % zeros": heavy_tailed,
}
"""Differences whose true mean is 0."""


def exponential(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.exponential(0.09, shape) - 0.09


def few_gains(loss: float, gains: float) -> Draw:
    """Sixty per cent zeros, many losses of this size, this share of large gains."""

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        where = rng.random(shape)
        gain = loss * (0.4 - gains) / gains
        return np.where(where < 0.6, 0.0, np.where(where < 1 - gains, -loss, gain))

    return draw


def sparse_ranks(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """MRR where four queries of five do not move."""
    moved = 1 / rng.integers(1, 11, shape) - 1 / rng.integers(1, 11, shape)
    return np.where(rng.random(shape) < 0.8, 0.0, moved)


SKEWED: Mapping[str, Draw] = {
    "exponential": exponential,
    "35 % -.02, 5 % +.14": few_gains(0.02, 0.05),
    "35 % -.05, 5 % +.35": few_gains(0.05, 0.05),
    "37 % -.02, 3 % +.25": few_gains(0.02, 0.03),
    "MRR, 80 % zeros": sparse_ranks,
}
"""Differences whose true mean is 0 and whose intervals are not what they say."""


def around(mean: float, sd: float) -> Draw:
    """Normal differences of a known mean."""
    return lambda rng, shape: rng.normal(mean, sd, shape)


def partly_equal(mean: float, sd: float) -> Draw:
    """Differences of this mean and standard deviation over all queries, two of five exactly 0."""
    share = 0.6
    spread = math.sqrt((sd**2 + mean**2) / share - (mean / share) ** 2)

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        return np.where(rng.random(shape) < share, rng.normal(mean / share, spread, shape), 0.0)

    return draw


def share_excluding_zero(differences: np.ndarray, resamples: int = 1999) -> float:
    """Of the columns of `differences` [n, samples], the share whose interval excludes 0."""
    low, high = intervals(differences, resamples=resamples)
    return float(((low > 0) | (high < 0)).mean())


def share_sure(differences: np.ndarray, resamples: int = 1999) -> float:
    """The share whose interval excludes 0 and that is not said to be fragile."""
    columns = {str(at): column for at, column in enumerate(differences.T)}
    found = paired_deltas(columns, resamples=resamples).values()
    sure = [not (delta.low <= 0 <= delta.high or delta.fragile) for delta in found]  # type: ignore[operator]
    return sum(sure) / len(sure)
