"""Simulated paired differences of two encoders whose true mean difference is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from engine.evaluation.intervals import intervals

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
