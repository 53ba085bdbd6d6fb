"""`why`: one hit explained, as tables and as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def test_json_holds_both_sides_the_words_and_the_nearest_queries(
    made: Path, rankbench: Any
) -> None:
    sides = ("--baseline", "bm25", "--candidate", "base")
    found = rankbench("why", "trainers", "p06", "-w", made, *sides, "--json").json
    shown = rankbench("search", "trainers", "-w", made, *sides, "-k", 20, "--json").json
    (hit,) = (hit for hit in shown["candidate"]["hits"] if hit["product_id"] == "p06")
    candidate = found["candidate"]
    assert (candidate["rank"], candidate["kind"]) == (hit["rank"], "cosine")
    assert candidate["score"] == pytest.approx(hit["score"])
    assert candidate["cosine"] == pytest.approx(hit["score"])
    assert candidate["query_words"] == [{"word": "trainers", "position": 0, "drop": None}]
    assert [word["word"] for word in candidate["text_words"]] == ["Sneaker", "laces", "120", "cm"]
    assert found["baseline"]["query_words"] is None
    assert found["baseline"] | {"side": "bm25"} == found["baseline"]
    assert {key: found["bm25"][key] for key in ("rank", "score")} == {
        key: found["baseline"][key] for key in ("rank", "score")
    }
    assert (found["grade"], found["template"], found["products"]) == ("C", "title", 16)
    near = found["near"]
    assert (near["encoder"], near["queries"], len(near["hits"])) == ("base", 12, 5)
    assert "trainers" not in {hit["query"] for hit in near["hits"]}


def test_the_tables_name_every_number(made: Path, rankbench: Any) -> None:
    out = rankbench("why", "frying", "pan", "p13", "-w", made, "--candidate", "hybrid:base").out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "Frying pan 24 cm"
    assert lines[1] == "for frying pan (grade E, 16 products)"
    assert "side score is rank score cosine" in lines
    assert any(line.startswith("hybrid:base fused (rrf) ") for line in lines)
    assert any(line.startswith("bm25 bm25 1 ") for line in lines)
    # One encoder behind both sides: one column.
    assert "left out of the query (2 words) base drop" in lines
    assert "left out of title (4 words) base drop" in lines
    assert "nearest of 12 judged queries cosine by base grade of this" in lines


def test_without_an_encoder_there_are_scores_only(made: Path, rankbench: Any) -> None:
    sides = ("--baseline", "bm25", "--candidate", "bm25")
    result = rankbench("why", "hose", "p09", "-w", made, *sides)
    assert result.code == 0 and "left out" not in result.out
    assert "Neither side has an encoder" in result.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("hose",), 2, ["a query and a product id"]),
        ((" ", "p09"), 2, ["query is empty"]),
        (("hose", "P09"), 1, ["no product 'P09'", "'p09'"]),
        (("hose", "\x1b[31mp"), 1, ["no product"]),
        (("hose", "p09", "--candidate", "nobody"), 1, ["nobody"]),
    ],
)
def test_what_cannot_be_explained_is_one_clear_error(
    made: Path, rankbench: Any, arguments: tuple[str, ...], code: int, words: list[str]
) -> None:
    result = rankbench("why", *arguments, "-w", made)
    result.assert_error(code, *words)
    assert result.out == "" and "\x1b" not in result.err
