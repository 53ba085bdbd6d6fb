"""Checks that the measures share."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import ArrayLike

from engine.errors import RankbenchError


def check_depth(k: int | None) -> None:
    """Raise RankbenchError unless `k` is None or a whole number of at least 1."""
    if k is not None and (k != int(k) or k < 1):
        raise RankbenchError(f"{k} is no depth.", "A depth is a whole number from 1.")


def check_p(p: float) -> None:
    """Raise RankbenchError unless 0 < p < 1."""
    if not 0.0 < p < 1.0:
        raise RankbenchError(f"{p} is no persistence p.", "Give a p between 0 and 1, such as 0.9.")


def check_distinct(ids: Sequence[str], what: str = "A ranking") -> None:
    """Raise RankbenchError where a product stands twice."""
    if len(set(ids)) != len(ids):
        twice = next(product for i, product in enumerate(ids) if product in ids[:i])
        raise RankbenchError(f"{what} holds {twice!r} twice.", "Keep its best place only.")


def check_judged(ids: Collection[str], gains: Collection[str]) -> None:
    """Raise RankbenchError where a product of `ids` has no gain."""
    unknown = next((product for product in ids if product not in gains), None)
    if unknown is not None:
        raise RankbenchError(
            f"{unknown!r} is ranked among the judged products without a judgment.",
            "Rank the judged products of the query alone.",
        )


def checked_gains(gains: ArrayLike, what: str) -> np.ndarray:
    """`gains` as float64 [n]; RankbenchError unless flat, finite and not negative."""
    values = np.asarray(gains, dtype=np.float64)
    if values.ndim != 1:
        raise RankbenchError(f"{what} have {values.ndim} dimensions.", "Give one list of numbers.")
    # One comparison refuses NaN, infinity and negative numbers alike.
    if values.size and not (values.min() >= 0.0 and values.max() < np.inf):
        raise RankbenchError(
            f"{what} hold a number that is negative or not finite.", "A gain is a number from 0."
        )
    return values
