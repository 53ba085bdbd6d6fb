"""Rank-biased overlap, between rankings and to the ideal."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RankbenchError
from engine.measures.rbo import rbo, rbo_ideal, rbo_ideal_strict

GAINS = {"E": 1.0, "S": 0.1, "C": 0.01, "I": 0.0}


def judged_list(grades: str) -> tuple[list[str], dict[str, float]]:
    """A ranking whose products have the grades of the string, with ids in no order of theirs."""
    ids = [f"p{(7 * i) % 101:03d}" for i in range(len(grades))]
    return ids, {product: GAINS[grade] for product, grade in zip(ids, grades, strict=True)}


def by_definition(a: list[str], b: list[str], p: float) -> float:
    """Webber, Moffat and Zobel's equation 23 at the shorter length, written out."""
    k = min(len(a), len(b))
    agreement = [len(set(a[:d]) & set(b[:d])) / d for d in range(1, k + 1)]
    return agreement[-1] * p**k + (1 - p) * sum(p**d * x for d, x in enumerate(agreement))


@given(st.integers(1, 120), st.integers(1, 120), st.integers(0, 10**6))
def test_rbo_is_the_papers(n: int, m: int, seed: int) -> None:
    rng = random.Random(seed)
    pool = [f"p{i}" for i in range(150)]
    a, b = rng.sample(pool, n), rng.sample(pool, m)
    found = rbo(a, b)
    assert found == pytest.approx(by_definition(a[:100], b[:100], 0.9), abs=1e-9)
    assert found == pytest.approx(rbo(b, a), abs=1e-12)
    assert 0.0 <= found <= 1.0


def test_rbo_is_the_packages() -> None:
    from rbo import RankingSimilarity

    a, b = list("abcdefgh"), list("badcxyzh")
    assert rbo(a, b, 0.8, 5) == RankingSimilarity(a, b).rbo(k=5, p=0.8, ext=True)


def test_equal_and_disjoint_rankings() -> None:
    assert rbo(list("abc"), list("abc")) == pytest.approx(1.0)
    assert rbo(list("abc"), list("xyz")) == 0.0
    assert rbo([], []) == 1.0
    assert rbo(["a"], []) == 0.0


def test_ranks_past_the_depth_do_not_matter() -> None:
    head = [f"p{i}" for i in range(100)]
    assert rbo([*head, "a", "b"], [*head, "b", "c"]) == rbo(head, head)


@given(st.lists(st.sampled_from("ESCI"), min_size=1, max_size=60), st.randoms())
def test_a_ranking_that_respects_every_grade_scores_one(grades: list[str], rng) -> None:
    ids, gains = judged_list("".join(grades))
    rng.shuffle(ids)
    ideal = sorted(ids, key=lambda product: -gains[product])
    assert rbo_ideal(ideal, gains) == pytest.approx(1.0, abs=1e-12)


@given(st.text("ESCI", min_size=1, max_size=40))
def test_free_ties_never_score_below_strict_ones(grades: str) -> None:
    ids, gains = judged_list(grades)
    strict = rbo_ideal_strict(ids, gains)
    assert 0.0 <= strict <= rbo_ideal(ids, gains) + 1e-12 <= 1.0 + 1e-11


def test_a_lower_grade_above_a_higher_one_costs() -> None:
    ids, gains = judged_list("EESI")
    swapped = [ids[0], ids[2], ids[1], ids[3]]
    assert rbo_ideal(swapped, gains) < rbo_ideal(ids, gains)


@pytest.mark.parametrize("p", [0.0, 1.0, -0.1, math.nan])
def test_p_lies_between_zero_and_one(p: float) -> None:
    with pytest.raises(RankbenchError, match="persistence"):
        rbo(["a"], ["a"], p)


def test_a_product_twice_or_without_a_judgment_is_refused() -> None:
    with pytest.raises(RankbenchError, match="twice"):
        rbo(["a", "b", "a"], ["a"])
    with pytest.raises(RankbenchError, match="without a judgment"):
        rbo_ideal(["a", "b"], {"a": 1.0})
