"""Bars of deltas, and the queries behind them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RankbenchError
from engine.evaluation.distribution import Histogram, extremes, histogram
from engine.evaluation.intervals import paired_delta


def bars(found: Histogram) -> list[tuple[float, float, str, int]]:
    return [
        (round(bar.low, 9), round(bar.high, 9), bar.kind, len(bar.query_ids)) for bar in found.bars
    ]


def test_bars_stand_in_order_around_the_unchanged_queries() -> None:
    found = histogram({"a": -0.3, "b": 0.0, "c": 0.01, "d": 0.05, "e": None}, 0.01)
    assert bars(found)[0] == (-0.31, -0.26, "harmed", 1)
    assert (-0.01, 0.01, "unchanged", 2) in bars(found)
    assert bars(found)[-1] == (0.01, 0.06, "improved", 1)
    assert found.undefined == ("e",)
    assert found.n == 4


def test_a_bar_lists_its_queries_by_delta() -> None:
    found = histogram({"a": 0.04, "b": 0.02, "c": 0.03}, 0.01, most_bars=1)
    assert found.bars[-1].query_ids == ("b", "c", "a")


@given(
    st.dictionaries(st.text(max_size=3), st.floats(-1, 1), max_size=40),
    st.sampled_from([0.0, 0.01, 0.1]),
    st.integers(1, 12),
)
def test_every_query_is_in_one_bar_whose_ends_hold_its_delta(
    deltas: dict[str, float], unchanged: float, most: int
) -> None:
    found = histogram(deltas, unchanged, most)
    held = [query for bar in found.bars for query in bar.query_ids]
    assert sorted(held) == sorted(deltas)
    for bar in found.bars:
        for query in bar.query_ids:
            assert bar.low - 1e-9 <= deltas[query] <= bar.high + 1e-9
    sides = [bar.kind for bar in found.bars]
    assert sides.count("harmed") <= most and sides.count("improved") <= most


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=40))
def test_the_counts_are_those_beside_the_mean(values: list[float]) -> None:
    found = histogram({str(n): value for n, value in enumerate(values)})
    delta = paired_delta([0.0] * len(values), values, resamples=100)
    counts = [found.count(kind) for kind in ("improved", "unchanged", "harmed")]
    assert counts == [delta.improved, delta.unchanged, delta.harmed]


def test_extremes_are_beyond_the_threshold_and_ordered() -> None:
    deltas = {"a": -0.2, "b": -0.5, "c": 0.01, "d": 0.3, "e": 0.4, "f": None}
    assert extremes(deltas, 5) == (("b", "a"), ("e", "d"))
    assert extremes(deltas, 1) == (("b",), ("e",))


def test_a_delta_that_is_no_number_is_refused() -> None:
    with pytest.raises(RankbenchError):
        histogram({"a": float("nan")})
