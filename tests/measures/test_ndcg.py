"""NDCG and the measures on Exact products, on rankings worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from engine.errors import RankbenchError
from engine.measures.judged import judged
from engine.measures.ndcg import ndcg
from engine.measures.precision import precision
from engine.measures.recall import recall
from engine.measures.reciprocal_rank import reciprocal_rank

GAIN = st.sampled_from([1.0, 0.1, 0.01, 0.0])


def test_ndcg_by_hand() -> None:
    found = ndcg([0.0, 1.0, 0.1], [1.0, 0.1, 0.0])
    assert found == pytest.approx((1 / math.log2(3) + 0.1 / 2) / (1 + 0.1 / math.log2(3)))


def test_the_ideal_is_cut_where_the_ranking_is() -> None:
    assert ndcg([1.0, 0.0], [1.0, 1.0, 1.0], k=1) == 1.0
    assert ndcg([1.0, 1.0], [1.0, 1.0, 1.0]) < 1.0


def test_a_query_without_a_gain_has_no_ndcg() -> None:
    assert ndcg([0.0, 0.0], [0.0, 0.0]) is None
    assert ndcg([], []) is None
    assert ndcg([], [1.0]) == 0.0


@given(st.lists(GAIN, min_size=2, max_size=60), st.sampled_from([None, 1, 5, 10, 100]))
def test_ndcg_agrees_with_scikit_learn(gains: list[float], k: int | None) -> None:
    found = ndcg(gains, gains, k)
    if max(gains) == 0:
        assert found is None
        return
    places = -np.arange(len(gains), dtype=float)
    expected = ndcg_score([gains], [places], k=k, ignore_ties=True)
    assert found == pytest.approx(expected, abs=1e-12)
    assert 0.0 <= found <= 1.0 + 1e-12


@given(st.lists(GAIN, min_size=1, max_size=40), st.randoms())
def test_the_order_of_the_judgments_does_not_matter(gains: list[float], random) -> None:
    shuffled = random.sample(gains, len(gains))
    assert ndcg(gains, shuffled, 10) == ndcg(gains, gains, 10)


@given(st.lists(GAIN.filter(bool), min_size=1, max_size=40))
def test_descending_gains_score_one(gains: list[float]) -> None:
    assert ndcg(sorted(gains, reverse=True), gains, 10) == pytest.approx(1.0)


@pytest.mark.parametrize("bad", [[-1.0], [math.nan], [math.inf], [[1.0]]])
def test_bad_gains_are_refused(bad: list) -> None:
    with pytest.raises(RankbenchError):
        ndcg(bad, [1.0])
    with pytest.raises(RankbenchError):
        ndcg([1.0], bad)


@pytest.mark.parametrize("measure", [reciprocal_rank, precision, judged])
def test_bad_depths_are_refused(measure) -> None:
    for depth in (0, -1, 1.5):
        with pytest.raises(RankbenchError):
            measure([True], depth)
    with pytest.raises(RankbenchError):
        ndcg([1.0], [1.0], 0)


def test_reciprocal_rank() -> None:
    assert reciprocal_rank([False, True, True], 10) == 0.5
    assert reciprocal_rank([False] * 10 + [True], 10) == 0.0
    assert reciprocal_rank([], 10) == 0.0


def test_recall() -> None:
    assert recall([True, False, True], 4, 2) == 0.25
    assert recall([False], 0, 10) == 0.0
    with pytest.raises(RankbenchError):
        recall([True, True], 1, 10)


def test_precision_counts_the_missing_places_of_a_short_list() -> None:
    assert precision([True, True], 10) == 0.2


def test_judged_is_over_the_places_there_are() -> None:
    assert judged([True, False, True, True], 2) == 0.5
    assert judged([True], 10) == 1.0
    assert judged([], 10) == 0.0
