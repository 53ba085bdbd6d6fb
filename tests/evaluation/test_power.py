"""What a query set can show, against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from engine.errors import RankbenchError
from engine.evaluation.intervals import paired_delta
from engine.evaluation.power import smallest_visible
from tests.evaluation.differences import Draw, around, partly_equal, share_excluding_zero

SD = 0.09


def share(draw: Draw, n: int) -> float:
    """Of 2,000 seeded samples, those whose interval excludes 0."""
    return share_excluding_zero(draw(np.random.default_rng(43), (n, 2000)))


@pytest.mark.parametrize("n", [12, 24, 60, 120])
def test_four_samples_of_five_show_the_smallest_visible_difference(n: int) -> None:
    true = smallest_visible(n, SD)
    assert share(around(true, SD), n) == pytest.approx(0.80, abs=0.03)
    assert share(around(true / 2, SD), n) < 0.4


@pytest.mark.parametrize(("n", "at_most"), [(12, 0.91), (24, 0.88), (60, 0.83), (120, 0.83)])
def test_queries_that_do_not_move_hide_nothing(n: int, at_most: float) -> None:
    assert 0.77 <= share(partly_equal(smallest_visible(n, SD), SD), n) <= at_most


@pytest.mark.parametrize("n", [8, 24, 120])
def test_it_agrees_with_the_exact_power_of_students_test(n: int) -> None:
    shift = smallest_visible(n, SD) * math.sqrt(n) / SD
    limit = stats.t.ppf(0.975, n - 1)
    exact = stats.nct.sf(limit, n - 1, shift) + stats.nct.cdf(-limit, n - 1, shift)
    assert exact == pytest.approx(0.80, abs=0.015)


def test_many_queries_need_two_point_eight_standard_errors() -> None:
    assert smallest_visible(10**6, 1.0) == pytest.approx(2.80159 / 1000, rel=1e-4)


def test_a_delta_knows_what_its_queries_could_show() -> None:
    values = np.random.default_rng(45).normal(0.0, SD, 30)
    values += 0.01 - values.mean()
    found = paired_delta(np.zeros(30), values)
    assert found.sd == pytest.approx(values.std(ddof=1))
    assert found.visible == smallest_visible(30, found.sd) > 0.03
    assert found.too_few
    assert found.to_json()["visible"] == found.visible


@pytest.mark.parametrize(
    ("mean", "n", "too_few"), [(0.0, 30, True), (0.1, 30, False), (-0.1, 30, False)]
)
def test_a_clear_difference_is_not_too_small_to_tell(mean: float, n: int, too_few: bool) -> None:
    values = np.random.default_rng(46).normal(0, SD, n)
    assert paired_delta(np.zeros(n), values - values.mean() + mean).too_few is too_few


@pytest.mark.parametrize("values", [[], [0.2], [0.1, 0.1, 0.1], [0.0] * 30])
def test_without_a_spread_nothing_is_said(values: list[float]) -> None:
    found = paired_delta(np.zeros(len(values)), values)
    assert found.visible is None and not found.too_few


@pytest.mark.parametrize(("n", "sd"), [(1, 0.1), (0, 0.1), (24, -0.1), (24, math.nan)])
def test_what_has_no_power_is_refused(n: int, sd: float) -> None:
    with pytest.raises(RankbenchError, match="no power"):
        smallest_visible(n, sd)
