"""Field cosines and their margin."""

from __future__ import annotations

import pytest

from engine.errors import RankbenchError
from engine.measures.cosine import field_cosine, pair_cosines


def test_means_over_exact_and_irrelevant_pairs() -> None:
    queries = [[1.0, 0.0]] * 4
    fields = [[2.0, 0.0], [0.0, 1.0], [0.0, 3.0], [-1.0, 0.0]]
    found = field_cosine(pair_cosines(queries, fields), ["E", "E", "S", "I"])
    assert found.cosine == pytest.approx(0.5)
    assert found.irrelevant == pytest.approx(-1.0)
    assert found.margin == pytest.approx(1.5)
    assert (found.exact_pairs, found.irrelevant_pairs) == (2, 1)


def test_a_missing_grade_leaves_the_margin_undefined() -> None:
    found = field_cosine([1.0], ["E"])
    assert found.cosine == 1.0
    assert found.margin is None


def test_bad_vectors_are_refused() -> None:
    with pytest.raises(RankbenchError, match="pair up"):
        pair_cosines([[1.0, 0.0]], [[1.0]])
    with pytest.raises(RankbenchError, match="zero or not finite"):
        pair_cosines([[1.0, 0.0]], [[0.0, 0.0]])
    with pytest.raises(RankbenchError, match="zero or not finite"):
        pair_cosines([[1.0, float("nan")]], [[1.0, 0.0]])
    with pytest.raises(RankbenchError, match="grades"):
        field_cosine([1.0], [])
