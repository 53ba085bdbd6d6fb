"""Intervals and p values: calibrated where nothing differs, defined at every edge."""

from __future__ import annotations

import math
from dataclasses import astuple
from itertools import product

import numpy as np
import pytest
from scipy import stats

from engine.errors import RankbenchError
from engine.evaluation.intervals import paired_delta, paired_deltas, sign_flip_p
from tests.evaluation.differences import (
    NULL,
    SKEWED,
    Draw,
    around,
    mostly_equal,
    normal,
    partly_equal,
    share_excluding_zero,
    share_sure,
)

PAIRS = 2000


@pytest.mark.parametrize("n", [24, 120])
@pytest.mark.parametrize("draw", NULL.values(), ids=NULL.keys())
def test_the_interval_excludes_zero_as_often_as_it_says(draw: Draw, n: int) -> None:
    differences = draw(np.random.default_rng(41), (n, PAIRS))
    assert 0.04 <= share_excluding_zero(differences) <= 0.065


@pytest.mark.parametrize("n", [24, 60, 120])
@pytest.mark.parametrize("draw", SKEWED.values(), ids=SKEWED.keys())
def test_a_sample_that_lacks_its_tail_by_chance_is_said_to_be_fragile(draw: Draw, n: int) -> None:
    differences = draw(np.random.default_rng(47), (n, 1000))
    assert share_sure(differences, 999) <= 0.08


@pytest.mark.parametrize("n", [24, 120])
@pytest.mark.parametrize("draw", [around(0.05, 0.09), partly_equal(-0.05, 0.09)])
def test_a_true_difference_is_hardly_ever_fragile(draw: Draw, n: int) -> None:
    differences = draw(np.random.default_rng(48), (n, 1000))
    shown = share_excluding_zero(differences, 999)
    assert share_sure(differences, 999) >= 0.96 * shown > 0.6


def test_the_skewness_is_scipys() -> None:
    values = np.random.default_rng(49).exponential(0.1, 40)
    found = paired_delta(np.zeros(40), values)
    assert found.skewness == pytest.approx(stats.skew(values))
    assert paired_delta(values, np.zeros(40)).fragile is False  # the tail is on the mean's side
    assert paired_delta(np.zeros(24), np.linspace(0.001, 0.03, 24)).fragile  # one -.37 cancels it


@pytest.mark.parametrize("draw", [normal, mostly_equal])
def test_p_is_below_five_per_cent_as_often_as_it_says(draw: Draw) -> None:
    differences = draw(np.random.default_rng(42), (24, PAIRS))
    assert 0.038 <= float((sign_flip_p(differences, resamples=1999) <= 0.05).mean()) <= 0.065


def test_the_interval_is_about_as_wide_as_students() -> None:
    values = normal(np.random.default_rng(1), (60, 1))[:, 0] + 0.02
    found = paired_delta(np.zeros(60), values)
    low, high = stats.t.interval(0.95, 59, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.001)


def test_p_is_exact_for_few_queries() -> None:
    values = np.array([0.3, -0.1, 0.2, 0.25, 0.05, 0.4, -0.02])
    flips = [abs(np.dot(signs, values)) for signs in product((-1, 1), repeat=len(values))]
    expected = np.mean([flip >= abs(values.sum()) - 1e-12 for flip in flips])
    assert paired_delta(np.zeros(7), values).p == pytest.approx(expected)


def test_a_clear_difference_has_the_smallest_p_there_is() -> None:
    found = paired_delta(np.zeros(40), np.linspace(0.1, 0.2, 40), resamples=999)
    assert found.p == pytest.approx(1 / 1000)
    assert found.low > 0


def test_swapping_the_sides_turns_the_delta_around() -> None:
    a, b = np.random.default_rng(5).random((2, 30))
    there, back = paired_delta(a, b), paired_delta(b, a)
    assert (there.mean, there.low, there.high) == pytest.approx((-back.mean, -back.high, -back.low))
    assert there.p == back.p
    assert (there.improved, there.harmed) == (back.harmed, back.improved)


def test_the_same_seed_gives_the_same_figures_and_leaves_numpys_alone() -> None:
    a, b = np.random.default_rng(6).random((2, 50))
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    assert paired_delta(a, b) == paired_delta(a, b)
    assert (np.random.get_state()[1] == before).all()


def test_one_call_for_many_measures_gives_what_single_calls_give() -> None:
    a, b, c = np.random.default_rng(7).normal(0, 1, (3, 31))
    found = paired_deltas({"a": a, "b": b, "short": c[:8], "none": []})
    assert list(found) == ["a", "b", "short", "none"]
    for name, values in (("a", a), ("b", b), ("short", c[:8])):
        alone = paired_delta(np.zeros(len(values)), values)
        assert astuple(found[name]) == pytest.approx(astuple(alone), abs=1e-12)


def test_no_query() -> None:
    found = paired_delta([], [])
    assert (found.mean, found.low, found.high, found.p, found.n) == (None, None, None, None, 0)


@pytest.mark.parametrize("n", range(1, 6))
def test_so_few_queries_that_nothing_could_be_shown_have_no_interval(n: int) -> None:
    # Every difference points one way, and half of all sign flips are still as extreme or more.
    found = paired_delta(np.zeros(n), np.linspace(0.2, 0.4, n))
    assert 2 / 2**n > 0.05
    assert found.mean == pytest.approx(np.linspace(0.2, 0.4, n).mean()) and found.improved == n
    assert (found.low, found.high, found.p, found.visible) == (None, None, None, None)
    assert (found.scarce, found.rough, found.too_few, found.fragile) == (True, False, False, False)


def test_the_first_number_of_queries_with_an_interval_can_show_something() -> None:
    found = paired_delta(np.zeros(6), np.linspace(0.2, 0.4, 6))
    assert found.p == 2 / 2**6 < 0.05 and found.low > 0
    assert found.rough and not found.scarce


@pytest.mark.parametrize("n", [6, 7, 24])
def test_equal_differences_make_a_point(n: int) -> None:
    found = paired_delta(np.full(n, 0.3), np.full(n, 0.4))
    assert (found.low, found.high) == pytest.approx((0.1, 0.1))
    same = paired_delta(np.full(n, 0.3), np.full(n, 0.3))
    assert (same.mean, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize("n", range(6, 16))
def test_small_and_sparse_samples_stay_finite(n: int) -> None:
    for values in (np.arange(n) / n, np.eye(n)[0], np.where(np.arange(n) % 2, 0.1, -0.1)):
        found = paired_delta(np.zeros(n), values)
        assert math.isfinite(found.low) and math.isfinite(found.high)
        assert found.low <= found.mean <= found.high
        assert 0 < found.p <= 1


def test_the_threshold_itself_is_unchanged() -> None:
    found = paired_delta([0.5, 0.5, 0.5, 0.5], [0.51, 0.49, 0.52, 0.4], unchanged=0.01)
    assert (found.improved, found.unchanged, found.harmed) == (1, 2, 1)
    assert found.improved + found.unchanged + found.harmed == found.n


def test_many_queries_take_blocks_of_signs() -> None:
    values = np.random.default_rng(8).normal(0.01, 0.1, 5000)
    found = paired_delta(np.zeros(5000), values, resamples=2000)
    assert found.low < found.mean < found.high


def test_bad_input_is_refused() -> None:
    with pytest.raises(RankbenchError, match="2 and 1 values"):
        paired_delta([1.0, 2.0], [1.0])
    with pytest.raises(RankbenchError, match="finite"):
        paired_delta([1.0], [math.nan])
    with pytest.raises(RankbenchError, match="resamples"):
        paired_delta([1.0], [1.0], resamples=1)
    with pytest.raises(RankbenchError, match="threshold"):
        paired_delta([1.0], [1.0], unchanged=-1)


def test_an_interval_ends_at_the_bound() -> None:
    values = [1.0, 1.0, 1.0, 1.0, 1.0, 0.0, -0.9]
    free = paired_delta(np.zeros(7), values)
    clipped = paired_delta(np.zeros(7), values, bound=1.0)
    assert free.high > 1 and free.low > -1
    assert (clipped.low, clipped.high) == (free.low, 1.0)
    assert (clipped.mean, clipped.p) == (free.mean, free.p)


def test_few_queries_make_a_rough_interval() -> None:
    rough = {n: paired_delta(np.zeros(n), np.linspace(0, 0.1, n)).rough for n in (5, 6, 19, 20)}
    assert rough == {5: False, 6: True, 19: True, 20: False}
