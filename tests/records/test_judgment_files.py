"""What a judgment file leaves beside its grades: its name, its weight, targets of its own."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from engine.catalog.queries import JudgedQuery
from engine.errors import UsageError
from engine.formats.judgments import read_judgments
from engine.records import Records
from engine.training.recipe import load_recipe
from engine.training.rows import Products, rows_of
from engine.workspace import DEFAULT_GAINS

HEAD = "query,product_id,label\n"


def imported(tmp_path: Path, *files: tuple[str, str, float]) -> dict[str, JudgedQuery]:
    with Records(tmp_path / "records.db") as records:
        for name, text, weight in files:
            path = tmp_path / name
            path.write_text(text)
            records.add_judgments(read_judgments(path), path, weight=weight)
        return {query.query: query for query in records.judged_queries()}


def test_the_newest_file_of_a_judgment_is_its_source(tmp_path: Path) -> None:
    found = imported(
        tmp_path,
        ("people.csv", HEAD + "shoe,a,E\nshoe,b,S\n", 1.0),
        ("clicks.csv", HEAD + "shoe,b,I\nhat,c,E\nhat,d,I\n", 0.5),
    )
    assert found["shoe"].sources == {"a": "people.csv", "b": "clicks.csv"}
    assert found["shoe"].file_weights == {"b": 0.5}
    assert found["hat"].file_weights == {"c": 0.5, "d": 0.5}
    assert not found["shoe"].targets


def test_scores_keep_their_place_between_the_smallest_and_the_largest(tmp_path: Path) -> None:
    text = HEAD + "shoe,a,7.5\nshoe,b,-2.5\nshoe,c,0.25\nhat,d,2.5\n"
    found = imported(tmp_path, ("scores.csv", text, 1.0))
    assert found["shoe"].targets == pytest.approx({"a": 1.0, "b": 0.0, "c": 0.275})
    assert found["hat"].targets == pytest.approx({"d": 0.5})


def test_an_order_counts_evenly_from_one_to_nothing(tmp_path: Path) -> None:
    text = "query,product_id\nshoe,a\nshoe,b\nshoe,c\nhat,d\n"
    found = imported(tmp_path, ("order.csv", text, 1.0))
    assert found["shoe"].targets == pytest.approx({"a": 1.0, "b": 0.5, "c": 0.0})
    assert found["hat"].targets == {"d": 1.0}


@pytest.mark.parametrize("weight", [math.nan, math.inf, 0.0])
def test_a_weight_that_is_none_is_not_kept(tmp_path: Path, weight: float) -> None:
    with pytest.raises(UsageError, match="counts nothing"):
        imported(tmp_path, ("a.csv", HEAD + "hat,a,E\n", weight))


def test_a_files_weight_is_how_often_its_rows_are_trained_on(tmp_path: Path) -> None:
    people = "".join(f"q{n},p{n},E\nq{n},p{n + 50},I\n" for n in range(20))
    clicks = "".join(f"r{n},p{n},E\nr{n},p{n + 50},I\n" for n in range(20))
    found = imported(
        tmp_path, ("people.csv", HEAD + people, 2.0), ("clicks.csv", HEAD + clicks, 0.25)
    )
    texts = {f"p{n}": f"thing {n}" for n in range(100)}
    recipe = load_recipe("infonce").with_set(["strata=source"])
    examples = rows_of(recipe, list(found.values()), texts, DEFAULT_GAINS, Products(), 0)
    asked = [row.query[0] for row in examples.rows]
    assert asked.count("q") == 40 and 0 < asked.count("r") <= 12
    assert set(zip(asked, examples.strata, strict=True)) == {
        ("q", "people.csv"),
        ("r", "clicks.csv"),
    }
