"""The bounds of a delta against every assignment there is."""

from __future__ import annotations

import random
from itertools import product

import pytest

from engine.errors import RankbenchError
from engine.evaluation.bounds import ndcg_delta_bounds
from engine.measures.ndcg import ndcg

GAINS = [1.0, 0.1, 0.01, 0.0]


def delta(a: list[str], b: list[str], gains: dict[str, float], k: int) -> float:
    every = list(gains.values())
    right, left = (ndcg([gains.get(x, 0.0) for x in ids[:k]], every, k) for ids in (b, a))
    return right - left


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("irrelevant", [0.0, 0.05])
def test_the_bounds_are_those_of_every_assignment(seed: int, irrelevant: float) -> None:
    rng = random.Random(seed)
    k = rng.choice([3, 5])
    pool = [f"p{i}" for i in range(10)]
    a, b = rng.sample(pool, 8), rng.sample(pool, rng.choice([2, 8]))
    judged = {x: rng.choice(GAINS) for x in rng.sample([*pool, "q", "r"], 6)} | {"z": 1.0}
    open_ = sorted({*a[:k], *b[:k]} - set(judged))
    found = [
        delta(a, b, judged | dict(zip(open_, values, strict=True)), k)
        for values in product((1.0, irrelevant), repeat=len(open_))
    ]
    bounds = ndcg_delta_bounds(a, b, judged, exact=1.0, irrelevant=irrelevant, k=k)
    assert bounds == pytest.approx((min(found), max(found)), abs=1e-12)


def test_judged_hits_leave_no_room() -> None:
    gains = {"a": 1.0, "b": 0.1}
    low, high = ndcg_delta_bounds(["b", "a"], ["a", "b"], gains)
    assert low == high == pytest.approx(delta(["b", "a"], ["a", "b"], gains, 10))


def test_the_delta_lies_within() -> None:
    gains = {"a": 1.0}
    a, b = [*"xyzuvwa"], [*"aklmno"]
    low, high = ndcg_delta_bounds(a, b, gains)
    assert low < delta(a, b, gains, 10) < high


def test_nothing_relevant_is_undefined() -> None:
    assert ndcg_delta_bounds(["a"], ["a"], {"a": 0.0}) is None


def test_a_repeated_product_is_refused() -> None:
    with pytest.raises(RankbenchError, match="twice"):
        ndcg_delta_bounds(["a", "a"], ["a"], {"a": 1.0})
