from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.catalog.normalise import normalise_query, query_tokens
from engine.catalog.queries import JudgedQuery
from engine.catalog.splits import (
    ANY_PRODUCTS,
    EXACT_PRODUCTS,
    TEXTS,
    assign_splits,
    folds,
    link,
    link_groups,
)
from engine.errors import RankbenchError

WORDS = ("red", "blue", "shoe", "shoes", "tent", "lamp", "for", "kids", "large", "x")
query_texts = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
grades = st.dictionaries(st.integers(0, 40).map("p{}".format), st.sampled_from("ESCI"), max_size=6)


@st.composite
def query_sets(draw: st.DrawFn) -> list[JudgedQuery]:
    pairs = draw(st.lists(st.tuples(query_texts, grades), max_size=25))
    return [JudgedQuery(f"q{n}", text, "", judged) for n, (text, judged) in enumerate(pairs)]


def linked_by_text(a: JudgedQuery, b: JudgedQuery) -> bool:
    if normalise_query(a.query) == normalise_query(b.query):
        return True
    left, right = query_tokens(a.query), query_tokens(b.query)
    return bool(left | right) and 5 * len(left & right) >= 4 * len(left | right)


@settings(max_examples=60, deadline=None)
@given(query_sets())
def test_no_linked_pair_is_ever_divided(queries: list[JudgedQuery]) -> None:
    groups = link_groups(queries)
    assert set(groups) == {query.query_id for query in queries}
    by_products = len(queries) < 10
    for a in queries:
        for b in queries:
            shared = len(a.grades.keys() & b.grades.keys()) >= 3
            if linked_by_text(a, b) or (by_products and shared):
                assert groups[a.query_id] == groups[b.query_id]


@settings(max_examples=60, deadline=None)
@given(query_sets(), st.integers(0, 5))
def test_no_group_straddles_splits(queries: list[JudgedQuery], seed: int) -> None:
    groups, splits = link_groups(queries), assign_splits(queries, seed)
    homes: dict[int, set[str]] = {}
    for query_id, group in groups.items():
        homes.setdefault(group, set()).add(splits[query_id])
    assert all(len(found) == 1 for found in homes.values())
    assert set(splits.values()) <= {"train", "dev", "test"}


@settings(max_examples=40, deadline=None)
@given(query_sets(), st.integers(0, 5))
def test_order_of_the_queries_does_not_matter(queries: list[JudgedQuery], seed: int) -> None:
    assert assign_splits(queries, seed) == assign_splits(queries[::-1], seed)


@settings(max_examples=40, deadline=None)
@given(query_sets(), st.integers(2, 6))
def test_no_group_straddles_folds(queries: list[JudgedQuery], k: int) -> None:
    groups = link_groups(queries)
    if len(set(groups.values())) < k:
        with pytest.raises(RankbenchError):
            folds(queries, k)
        return
    found = folds(queries, k)
    assert len(set(found.values())) == k
    assert len({(groups[query_id], fold) for query_id, fold in found.items()}) == len(
        set(groups.values())
    )


def lone_queries(count: int) -> list[JudgedQuery]:
    return [JudgedQuery(f"q{n:04d}", f"thing{n}", "", {f"p{n}": "E"}) for n in range(count)]


@pytest.mark.parametrize("count", [4, 20, 120])
def test_shares_are_sixty_fifteen_twenty_five(count: int) -> None:
    sizes = Counter(assign_splits(lone_queries(count)).values())
    for split, share in (("train", 0.6), ("dev", 0.15), ("test", 0.25)):
        assert abs(sizes[split] - share * count) <= 1


def test_folds_are_even() -> None:
    sizes = Counter(folds(lone_queries(53)).values())
    assert sorted(sizes.values()) == [10, 10, 11, 11, 11]


def test_the_seed_decides_and_repeats() -> None:
    queries = lone_queries(60)
    assert assign_splits(queries, 1) == assign_splits(queries, 1) != assign_splits(queries, 2)


def test_links_chain_over_text_and_products() -> None:
    shared = {"a": "E", "b": "I", "c": "S"}
    queries = [
        JudgedQuery("1", "red shoes", "", shared),
        JudgedQuery("2", "Red Shoe", "", {}),
        JudgedQuery("3", "crimson footwear", "", shared | {"d": "E"}),
        JudgedQuery("4", "lamp", "", {"a": "E", "b": "E"}),
    ]
    assert link_groups(queries) == {"1": 0, "2": 0, "3": 0, "4": 1}


def test_four_of_five_words_in_common_link() -> None:
    queries = [
        JudgedQuery("1", "large red kids tent"),
        JudgedQuery("2", "large red kids tent poles"),
        JudgedQuery("3", "large red kids lamp"),
    ]
    groups = link_groups(queries)
    assert groups["1"] == groups["2"] != groups["3"]


def test_a_densely_pooled_set_is_linked_by_fewer_products_rather_than_not_split() -> None:
    pool = {f"p{n}": "I" for n in range(30)}
    queries = [replace(query, grades=pool | query.grades) for query in lone_queries(40)]
    assert len(set(link_groups(queries).values())) == 40
    twin = replace(queries[0], query_id="twin", query="a pair")
    exact = {"x": "E", "y": "E", "z": "E"}
    twins = [replace(query, grades=pool | exact) for query in (queries[0], twin)]
    groups = link_groups([*twins, *queries[1:]])
    assert groups["q0000"] == groups["twin"]
    assert len(set(groups.values())) == 40


def test_a_given_split_stays_and_its_group_joins_it() -> None:
    queries = lone_queries(20)
    queries[3] = replace(queries[3], split="test")
    queries.append(JudgedQuery("new", "Thing3s"))
    splits = assign_splits(queries)
    assert splits["q0003"] == splits["new"] == "test"


def test_a_query_between_two_splits_joins_train() -> None:
    queries = [
        JudgedQuery("1", "red shoe", "test"),
        JudgedQuery("2", "red shoes", "train"),
        JudgedQuery("3", "RED shoe"),
    ]
    assert assign_splits(queries) == {"1": "test", "2": "train", "3": "train"}


def test_no_queries_have_no_groups() -> None:
    assert link_groups([]) == {} and assign_splits([]) == {}


def test_five_thousand_queries_are_linked_in_seconds() -> None:
    draw = random.Random(0)
    words = [f"w{n}" for n in range(500)]
    queries = [
        JudgedQuery(
            f"q{n}",
            " ".join(draw.choice(words) for _ in range(4)),
            "",
            {f"p{draw.randrange(60_000)}": "E" for _ in range(40)},
        )
        for n in range(5000)
    ]
    started = time.perf_counter()
    link_groups(queries)
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize(
    ("grades", "rule"),
    [
        ({}, ANY_PRODUCTS),
        ({"a": "S", "b": "S", "c": "S"}, EXACT_PRODUCTS),
        ({"a": "E", "b": "E", "c": "E"}, TEXTS),
    ],
)
def test_the_rule_that_held_is_told(grades: dict[str, str], rule: str) -> None:
    assert link([JudgedQuery(f"q{n}", f"word{n}", "", grades) for n in range(12)]).rule == rule
