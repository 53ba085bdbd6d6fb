"""Rows from judgments: what they hold, their order, and what refuses before training."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.catalog.queries import JudgedQuery
from engine.errors import RankbenchError
from engine.training.examples import build_examples

TEXTS = {f"p{n}": f"title {n}" for n in range(12)}


def query(number: int, **grades: str) -> JudgedQuery:
    return JudgedQuery(f"q{number}", f"query number {number}", "train", grades)


TWO = [query(1, p0="E", p1="E", p2="S", p3="I"), query(2, p4="E", p5="C", p6="I")]


def test_positives_are_exact_and_negatives_are_the_same_querys_others() -> None:
    found = build_examples(TWO, TEXTS, max_per_query=9, negatives=2, seed=0)
    grades = {q.query_id: q.grades for q in TWO}
    assert {row.positive_id for row in found.rows} == {"p0", "p1", "p4"}
    for row in found.rows:
        assert grades[row.query_id][row.positive_id] == "E"
        assert len(set(row.negative_ids)) == 2
        assert all(grades[row.query_id][p] != "E" for p in row.negative_ids)
        assert row.positive == TEXTS[row.positive_id]


def test_order_and_hash_depend_on_data_and_seed_only() -> None:
    def make(queries: list[JudgedQuery], seed: int) -> tuple[object, str]:
        found = build_examples(queries, TEXTS, max_per_query=1, negatives=1, seed=seed)
        return found.rows, found.data_hash

    assert make(TWO, 3) == make(TWO[::-1], 3)
    hashes = {make(TWO, seed)[1] for seed in range(8)}
    assert len(hashes) > 1


def test_a_query_with_many_positives_does_not_outweigh_the_others() -> None:
    many = query(3, **{f"p{n}": "E" for n in range(10)}, p10="I")
    found = build_examples([*TWO, many], TEXTS, max_per_query=2, negatives=1, seed=0)
    assert sum(row.query_id == "q3" for row in found.rows) == 2


def test_a_product_with_an_exact_ones_title_is_no_negative() -> None:
    texts = TEXTS | {"p3": TEXTS["p0"]}
    found = build_examples(TWO, texts, max_per_query=9, negatives=1, seed=0)
    assert all("p3" not in row.negative_ids for row in found.rows if row.query_id == "q1")


def test_a_query_without_negatives_is_filled_with_another_querys_products() -> None:
    alone = query(3, p7="E", p8="E")
    found = build_examples([*TWO, alone], TEXTS, max_per_query=9, negatives=1, seed=0)
    rows = [row for row in found.rows if row.query_id == "q3"]
    assert len(rows) == 2
    assert all(row.negative_ids[0] not in ("p7", "p8") for row in rows)
    assert any("in-batch" in note for note in found.notes)


def test_judgments_of_unknown_products_are_left_out_and_counted() -> None:
    found = build_examples(
        [*TWO, query(3, gone="E", p9="I")], TEXTS, max_per_query=9, negatives=1, seed=0
    )
    assert "q3" not in {row.query_id for row in found.rows}
    assert found.notes[-1] == "1 judgments of products that the catalog lacks were left out"


def test_judgments_of_products_with_an_empty_text_are_left_out_and_counted_apart() -> None:
    texts = TEXTS | {"p9": ""}
    found = build_examples(
        [*TWO, query(3, p8="E", p9="I")], texts, max_per_query=9, negatives=1, seed=0
    )
    assert "1 judgments of products whose encoded text is empty were left out" in found.notes


@pytest.mark.parametrize(
    ("queries", "negatives", "word"),
    [
        ([], 1, "no training queries"),
        ([query(1, p0="S", p1="I")], 1, "Exact product"),
        ([query(1, p0="E"), query(2, p1="E")], 1, "Every judged product"),
        ([query(1, p0="E")], 0, "One query"),
        ([query(1, gone="E", p1="I")], 1, "Exact product"),
        ([replace(query(1, p0="E", p1="I"), query=" \x00 ")], 1, "Exact product"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(
    queries: list[JudgedQuery], negatives: int, word: str
) -> None:
    with pytest.raises(RankbenchError) as caught:
        build_examples(queries, TEXTS, max_per_query=5, negatives=negatives, seed=0)
    assert word in caught.value.what and caught.value.todo
