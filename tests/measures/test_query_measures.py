"""All measures of one query, over both candidate sets, and their hash."""

from __future__ import annotations

import pytest

from engine.errors import RankbenchError, UsageError
from engine.measures import DEFINITIONS, measures_hash
from engine.measures.query import measure_query, measure_search

GAINS = {"E": 1.0, "S": 0.1, "C": 0.01, "I": 0.0}
GRADES = {"a": "E", "b": "S", "c": "I", "d": "E"}
CATALOG = ["x", "a", "b", "y", "c", "d"]
JUDGED = ["a", "b", "c", "d"]


def test_catalog_counts_unjudged_products_as_nothing() -> None:
    found = measure_query(CATALOG, JUDGED, GRADES, GAINS, "catalog")
    assert set(found) == set(DEFINITIONS)
    assert found["ndcg"] is None
    assert found["mrr@10"] == 0.5
    assert found["recall@50"] == 1.0
    assert found["precision@10"] == 0.2
    assert found["judged@10"] == pytest.approx(4 / 6)


def test_judged_ranks_the_judged_products_alone() -> None:
    found = measure_query([], JUDGED, GRADES, GAINS, "judged")
    assert found["mrr@10"] == 1.0
    assert found["judged@10"] == 1.0
    assert found["ndcg"] == found["ndcg@10"]


def test_search_takes_ndcg_from_the_judged_and_the_rest_from_the_catalog() -> None:
    found = measure_search(CATALOG, JUDGED, GRADES, GAINS)
    catalog = measure_query(CATALOG, JUDGED, GRADES, GAINS, "catalog")
    judged = measure_query(CATALOG, JUDGED, GRADES, GAINS, "judged")
    assert found == {**catalog, "ndcg": judged["ndcg"]}


def test_without_an_exact_product_the_exact_measures_are_zero() -> None:
    found = measure_query(["b"], ["b"], {"b": "S"}, GAINS)
    assert (found["mrr@10"], found["recall@50"], found["precision@10"]) == (0.0, 0.0, 0.0)
    assert found["ndcg@10"] == 1.0


def test_without_a_gain_or_a_judgment_ndcg_is_undefined() -> None:
    without = measure_query(["c"], ["c"], {"c": "I"}, GAINS, "judged")
    assert {name for name, value in without.items() if value is None} == {
        "ndcg", "ndcg@10", "rbo_ideal", "rbo_ideal_strict",
    }  # fmt: skip
    empty = measure_query(["c"], [], {}, GAINS)
    assert empty.pop("judged@10") == 0.0
    assert set(empty.values()) == {None}


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(UsageError):
        measure_query(CATALOG, JUDGED, GRADES, GAINS, "both")
    with pytest.raises(RankbenchError, match="without a judgment"):
        measure_query(CATALOG, [*JUDGED, "x"], GRADES, GAINS)
    with pytest.raises(RankbenchError, match="3 of 4"):
        measure_query(CATALOG, JUDGED[:3], GRADES, GAINS)
    with pytest.raises(RankbenchError, match="twice"):
        measure_query(["a", "a"], JUDGED, GRADES, GAINS)


def test_the_hash_follows_the_definitions_only() -> None:
    assert measures_hash(GAINS) == measures_hash(dict(reversed(GAINS.items())))
    assert measures_hash(GAINS) != measures_hash({**GAINS, "S": 0.2})
    assert measures_hash(GAINS) != measures_hash(GAINS, 0.8)
    assert measures_hash(GAINS) != measures_hash(GAINS, 0.9, 0.02)
