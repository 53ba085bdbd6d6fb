"""Groups that follow from a query, and means that follow the traffic."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalog.queries import JudgedQuery, weight_of
from engine.errors import RankbenchError, UsageError
from engine.evaluation.breakdowns import (
    category_of,
    choosable,
    derive,
    in_order,
    length_of,
    negation_of,
    traffic_parts,
)
from engine.evaluation.evaluate import breakdown, evaluate
from engine.evaluation.traffic import effective_n
from tests.evaluation.fake_sides import ScoredSide, make_catalog, make_queries

GAINS = {"E": 1.0, "S": 0.1, "C": 0.01, "I": 0.0}
CATALOG = make_catalog()


def weighed(weights: dict[int, str]) -> list[JudgedQuery]:
    queries = make_queries(CATALOG)
    return [
        replace(query, columns={**query.columns, "weight": weights[n]}) if n in weights else query
        for n, query in enumerate(queries)
    ]


def found(queries: list[JudgedQuery]):
    base, tuned = (ScoredSide(n, CATALOG, queries, s) for n, s in (("base", 0.5), ("tuned", 0.9)))
    return evaluate(base, tuned, queries, CATALOG, gains=GAINS)


ZIPF = {n: f"{10_000 / (n + 1):.0f}" for n in range(25)}  # five queries have none


@pytest.fixture(scope="module")
def weighted():
    return found(weighed(ZIPF))


def test_head_makes_half_of_the_traffic_and_torso_the_next_two_fifths() -> None:
    parts = traffic_parts({"a": 50, "b": 30, "c": 10, "d": 6, "e": 4, "f": 0})
    assert parts == {"a": "head", "b": "torso", "c": "torso", "d": "tail", "e": "tail", "f": "tail"}
    # Across the cut is above it, and equal queries stay together.
    assert traffic_parts({"a": 40, "b": 40, "c": 20}) == {"a": "head", "b": "head", "c": "torso"}
    assert set(traffic_parts(dict.fromkeys("abcd", 7.0)).values()) == {"head"}
    assert traffic_parts({"a": 0.0}) == {} == traffic_parts({})


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=40))
def test_the_cuts_are_those_of_a_cumulative_sum(weights: list[int]) -> None:
    parts = traffic_parts({str(n): float(w) for n, w in enumerate(weights)})
    frame = pl.DataFrame({"id": [str(n) for n in range(len(weights))], "w": weights})
    above = frame.group_by("w").agg(pl.len()).sort("w", descending=True)
    above = above.with_columns(
        ((pl.col("w") * pl.col("len")).cum_sum() - pl.col("w") * pl.col("len")).alias("above")
    )
    total = sum(weights)
    for query, weight in frame.iter_rows():
        before = above.filter(pl.col("w") == weight)["above"].item()
        part = "head" if 2 * before < total else "torso" if 10 * before < 9 * total else "tail"
        assert parts[query] == part


def test_the_category_is_the_most_frequent_among_exact_products() -> None:
    categories = {"a": "Garden > Hoses", "b": "Garden > Tools > Small", "c": "Home", "d": "Home"}
    grades = {"a": "E", "b": "E", "c": "E", "d": "S"}
    assert category_of(grades, categories) == "Garden"
    assert category_of({"a": "E", "c": "E"}, categories) == "Garden"  # as frequent: by name
    assert category_of({"d": "S", "e": "E"}, categories) == ""
    assert category_of({"x": "E"}, {"x": "Furniture / Beds"}) == "Furniture"
    assert category_of({"x": "E"}, {"x": "A/V cables"}) == "A/V cables"


@pytest.mark.parametrize(
    ("query", "length"),
    [
        ("tent", "1"),
        ("  red\ttent ", "2"),
        ("a b c", "3-4"),
        ("a b c d", "3-4"),
        ("a b c d e", "5+"),
    ],
)
def test_length_counts_words(query: str, length: str) -> None:
    assert length_of(query) == length


@pytest.mark.parametrize(
    "query",
    ["tires without rims", "shampoo NO sulfate", "%100 silicone not clear", "non slip mat",
     "non-stick pan", "sugar-free gum", "belt w/o buckle", "no show socks"],
)  # fmt: skip
def test_negations_are_found(query: str) -> None:
    assert negation_of(query) == "negated"


@pytest.mark.parametrize(
    "query",
    ["notebook", "chanel no 5", "shaker no. 7", "free standing tub", "nonstick pan", "piano",
     "freestyle libre", "knot rope", "withoutabox", "notre-dame"],
)  # fmt: skip
def test_words_that_only_look_like_negations_are_plain(query: str) -> None:
    assert negation_of(query) == "plain"


@pytest.mark.parametrize(
    ("text", "weight"),
    [("3", 3.0), ("1,250", 1250.0), ("0", 0.0), ("2e3", 2000.0), ("-1", None), ("nan", None),
     ("inf", None), ("much", None), ("", None), ("3,5", None), ("1 000", None), ("12,34", None),
     ("1,250,000.5", 1250000.5), ("1250,000", None), ("1.5", 1.5)],
)  # fmt: skip
def test_a_weight_is_a_number_from_0(text: str, weight: float | None) -> None:
    assert weight_of({"weight": text}) == weight
    assert weight_of({}) is None


def test_groups_come_in_their_own_order() -> None:
    assert in_order(["tail", "", "head", "torso"]) == ["head", "torso", "tail", ""]
    assert in_order(["5+", "1", "3-4", "2"]) == ["1", "2", "3-4", "5+"]
    assert in_order(["tail", "apple"]) == ["apple", "tail"]


def test_columns_to_choose_from_part_the_queries_into_few_groups() -> None:
    rows = [
        {"weight": str(n % 3), "note": f"n{n}", "stratum": "ab"[n % 2], "a": "xy"[n % 2],
         "length": "12"[n % 2], "negation": "plain"}
        for n in range(60)
    ]  # fmt: skip
    assert choosable(rows) == ["stratum", "a", "length"]
    assert choosable([]) == []


def test_head_is_of_the_whole_set_not_of_the_split(weighted) -> None:
    queries = weighed(ZIPF)
    few = [query for n, query in enumerate(queries) if n in (5, 20)]
    assert {q: row["head"] for q, row in derive(few, queries, {}).items()} == {
        "q5": "torso", "q 20": "tail",
    }  # fmt: skip
    assert {row["head"] for row in derive(few, few, {}).values()} == {"head", "torso"}


def test_breakdowns_by_derived_columns_add_up(weighted) -> None:
    for column in ("head", "length", "negation"):
        groups = breakdown(weighted, column)
        assert sum(group.n for group in groups.values()) == 30
    assert list(breakdown(weighted, "head")) == ["head", "torso", "tail", ""]
    with pytest.raises(RankbenchError, match="category"):
        breakdown(weighted, "category")
    with pytest.raises(UsageError, match="colour") as error:
        breakdown(weighted, "colour")
    assert "negation" in error.value.todo and "stratum" in error.value.todo


def test_a_column_of_the_file_comes_before_the_derived_one() -> None:
    queries = [replace(q, columns={"length": "short"}) for q in make_queries(CATALOG)[:4]]
    assert list(breakdown(found(queries), "length")) == ["short"]


def test_head_without_traffic_says_how_to_bring_it() -> None:
    plain = found(make_queries(CATALOG)[:4])
    with pytest.raises(RankbenchError, match="no query has any") as error:
        breakdown(plain, "head")
    assert "`weight` column" in error.value.todo and "import judgments" in error.value.todo
    assert "weighted" not in plain.to_json() and plain.weighted == {}


def test_weighted_means_are_those_of_numpy(weighted) -> None:
    rows = [row for row in weighted.rows if row.weight is not None]
    weights = np.array([row.weight for row in rows])
    assert len(rows) == 25
    for name, means in weighted.to_json()["weighted"].items():
        if name == "ndcg":  # undefined over the catalog
            assert means["delta"] is None and means["n"] == 0
            continue
        before = np.average([row.baseline[name] for row in rows], weights=weights)
        after = np.average([row.candidate[name] for row in rows], weights=weights)
        assert means["baseline"] == pytest.approx(before)
        assert means["candidate"] == pytest.approx(after)
        assert means["delta"] == pytest.approx(after - before)
        assert means["low"] <= means["delta"] <= means["high"]
        assert means["n_effective"] == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    json.dumps(weighted.to_json(per_query=True), allow_nan=False)


def test_the_weighted_interval_is_the_wild_bootstrap_of_the_contributions() -> None:
    queries = weighed({n: str(1 + n * n) for n in range(8)})[:8]
    means = found(queries).weighted["ndcg@10"]
    rows = found(queries).rows
    weights = np.array([row.weight for row in rows])
    parts = weights * 8 / weights.sum() * np.array([row.delta["ndcg@10"] for row in rows])
    mean, error = parts.mean(), parts.std(ddof=1) / np.sqrt(8)
    sizes = []
    for signs in itertools.product((-1.0, 1.0), repeat=8):  # all 256 of them
        turned = np.array(signs) * (parts - mean)
        sizes.append(abs(turned.mean()) / max(turned.std(ddof=1) / np.sqrt(8), 1e-12))
    critical = np.sort(sizes)[int(np.ceil(0.95 * 257)) - 1]
    assert means.low == pytest.approx(max(-1, mean - critical * error))
    assert means.high == pytest.approx(min(1, mean + critical * error))


def test_equal_weights_change_nothing() -> None:
    same = found(weighed({n: "7" for n in range(30)}))
    delta, means = same.delta["ndcg@10"], same.weighted["ndcg@10"]
    assert (means.low, means.high) == pytest.approx((delta.low, delta.high))
    assert means.delta == pytest.approx(delta.mean) and means.n_effective == pytest.approx(30)


@pytest.mark.parametrize("weight", ["1e308", "1e-300"])
def test_extreme_weights_stay_finite(weight: str) -> None:
    means = found(weighed({n: weight for n in range(30)})).weighted["ndcg@10"]
    assert means.n_effective == pytest.approx(30) and np.isfinite(means.delta)
    assert means.low < means.high


def test_weights_of_nothing_are_no_mean() -> None:
    means = found(weighed({0: "0", 1: "0"})).weighted["ndcg@10"]
    assert (means.delta, means.n, means.n_effective) == (None, 0, 0.0)


def test_one_heavy_query_is_one_query() -> None:
    assert effective_n([1.0, 0.0, 0.0]) == 1.0
    assert effective_n([2.0] * 9) == pytest.approx(9.0)
