"""The difference of two encoders' mean cosines over pairs, its interval over queries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.evaluation.pair_cosines import Pair, cosine_delta, cosine_means


def drawn(seed: int, true: float, queries: int = 60) -> tuple[list[Pair], list[Pair]]:
    """Queries of 1 to 39 Exact pairs and some Irrelevant ones, of which only the Exact move."""
    rng = np.random.default_rng(seed)
    base, tuned = [], []
    for query in range(queries):
        moved = rng.normal(true, 0.05)
        for grade, most in (("E", 40), ("I", 20)):
            before = rng.normal(0.4, 0.03, rng.integers(1, most))
            after = before + moved * (grade == "E") + rng.normal(0, 0.02, len(before))
            for at, cosines in enumerate(zip(before, after, strict=True)):
                for side, cosine in zip((base, tuned), cosines, strict=True):
                    side.append(Pair(f"q{query}", f"{grade}{at}", "title", grade, cosine))
    return base, tuned


@pytest.mark.parametrize(
    ("name", "true"), [("title_cosine", 0.0), ("title_cosine", 0.2), ("title_margin", 0.2)]
)
def test_the_interval_holds_the_true_difference_as_often_as_it_says(name: str, true: float) -> None:
    found = [cosine_delta(name, *drawn(seed, true)) for seed in range(7000, 7060)]
    holds = [delta.low <= true <= delta.high for delta in found]
    widths = [delta.high - delta.low for delta in found]
    assert 0.88 <= np.mean(holds) <= 0.99
    # With as many pairs each: 2 * 1.96 * .05 / sqrt(60); of unequal queries a little more.
    assert 0.025 < np.mean(widths) < 0.034


@pytest.mark.parametrize("name", ["title_cosine", "title_margin"])
def test_the_mean_is_the_difference_of_the_means(name: str) -> None:
    base, tuned = drawn(1, 0.1)
    delta = cosine_delta(name, base, tuned)
    expected = cosine_means(tuned)[name] - cosine_means(base)[name]
    assert delta.mean == pytest.approx(expected, abs=1e-12)
    assert delta.n == 60 and delta.p < 0.01
    assert cosine_delta("description_cosine", base, tuned) is None


def test_a_lost_margin_is_not_hidden_by_cosines_that_all_rise() -> None:
    base, tuned = drawn(3, -0.04)
    risen = [replace(pair, cosine=pair.cosine + 0.3) for pair in tuned]
    lost, shifted = (cosine_delta("title_margin", base, side) for side in (tuned, risen))
    assert shifted.mean == pytest.approx(lost.mean, abs=1e-12)
    assert (shifted.low, shifted.high) == pytest.approx((lost.low, lost.high), abs=1e-9)
    assert shifted.high < 0 and shifted.p == pytest.approx(lost.p) and shifted.p < 0.01
