"""What a judgment file's weight, scores and order do to rows, lists and a teacher's lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest

from engine.catalog.queries import JudgedQuery
from engine.errors import RankbenchError
from engine.records.merged import merge
from engine.records.verdicts import Verdict
from engine.training.file_weights import mean_weight
from engine.training.flags import judged_examples
from engine.training.recipe import load_recipe
from engine.training.rows import Products, rows_of
from engine.training.teacher import teach_recipe
from engine.training.teacher_rows import graded_lists
from engine.workspace import DEFAULT_GAINS

TEXTS = {f"p{n:02d}": f"thing {n}" for n in range(60)}


def query(number: int, weights: Mapping[str, float] | None = None) -> JudgedQuery:
    """One with two Exact products and two that are not."""
    ids = sorted(TEXTS)[4 * number : 4 * number + 4]
    grades = dict(zip(ids, "EESI", strict=True))
    # Of the two Exact ones the first.
    weighed = {ids["EESI".index(grade)]: value for grade, value in (weights or {}).items()}
    return JudgedQuery(f"q{number}", f"asked {number}", "train", grades, file_weights=weighed)


def test_a_list_counts_as_the_mean_of_its_judged_products() -> None:
    twice = query(0, {"E": 3.0, "S": 3.0})  # of E E S I one E and S count thrice: 2 on average
    assert mean_weight(twice, twice.grades) == 2.0
    assert mean_weight(twice, ["p00", "p00", "p59"]) == 3.0
    recipe = load_recipe("listwise").with_set(["documents=6"])
    plain = rows_of(recipe, [query(0), query(1)], TEXTS, DEFAULT_GAINS, Products(), 0)
    found = rows_of(recipe, [twice, query(1)], TEXTS, DEFAULT_GAINS, Products(), 0)
    assert Counter(row.query_id for row in plain.rows) == {"q0": 1, "q1": 1}
    assert Counter(row.query_id for row in found.rows) == {"q0": 2, "q1": 1}
    # The lists are the same lists: only how often they come has changed, and the hash tells.
    assert set(found.rows) == set(plain.rows) and found.data_hash != plain.data_hash


def test_judgments_beside_verdicts_count_as_their_files_say() -> None:
    recipe = load_recipe("flags")
    queries = [query(0, {"E": 3.0}), query(1), query(2)]
    rows = judged_examples(queries, TEXTS, recipe, 0).rows
    assert Counter(row.positive_id for row in rows if row.query_id == "q0") == {"p00": 3, "p01": 1}
    assert len(rows) == 4 + 2 + 2


def test_what_a_person_says_has_neither_the_files_weight_nor_its_score() -> None:
    asked = JudgedQuery(
        "q", "asked", "train", {"p00": "S", "p01": "E"}, targets={"p00": 0.4, "p01": 0.9},
        file_weights={"p00": 3.0, "p01": 3.0},
    )  # fmt: skip
    said = Verdict("asked", "p00", "E", "me")
    (merged,) = merge([asked], [said]).queries
    assert merged.grades == {"p00": "E", "p01": "E"}
    assert merged.targets == {"p01": 0.9} and merged.file_weights == {"p01": 3.0}


def test_a_teacher_aims_at_scores_where_a_file_gives_them_and_at_the_workspaces_gains() -> None:
    plain, scored = query(0), query(1)
    ids = sorted(scored.grades)
    scored = JudgedQuery("q1", "asked", "train", scored.grades, targets={ids[0]: 0.8, ids[3]: 0.1})
    gains = {"E": 4.0, "S": 2.0, "C": 1.0, "I": 0.0}
    for given, middle in ((gains, 2 / 3), (DEFAULT_GAINS, 2 / 3), ({**gains, "C": 0.0}, 0.5)):
        lists = graded_lists([plain, scored], TEXTS, teach_recipe(), 0, gains=given)
        found = {
            (row.query_id, document): target
            for row in lists
            for document, target in zip(row.documents, row.targets, strict=True)
        }
        at = [found["q0", TEXTS[product]] for product in plain.grades]
        assert at == pytest.approx([1, 1, middle, 0])
        at = [found["q1", TEXTS[product]] for product in ids]
        assert at == pytest.approx([0.8, 1, middle, 0.1])


@pytest.mark.parametrize("loss", ["lambda", "bce"])
def test_a_teachers_lists_count_by_their_mean_and_its_pairs_by_themselves(loss: str) -> None:
    recipe = teach_recipe(loss, ["negatives=2"])
    weighed = [query(0, {"E": 3.0, "S": 3.0}), query(1)]
    lists = graded_lists(weighed, TEXTS, recipe, 0)
    plain = graded_lists([query(0), query(1)], TEXTS, recipe, 0)
    often = Counter((row.query_id, text) for row in lists for text in row.documents)
    once = Counter((row.query_id, text) for row in plain for text in row.documents)
    assert set(once.values()) == {1} and often.keys() == once.keys()
    own = {TEXTS[p]: weight for p, weight in weighed[0].file_weights.items()}
    for (query_id, text), count in often.items():
        mean = 2 if query_id == "q0" else 1
        assert count == (mean if loss == "lambda" else own.get(text, 1) if mean == 2 else 1)


def test_weights_that_leave_nothing_and_targets_that_are_all_alike_are_refused() -> None:
    grades = query(0).grades
    few = [JudgedQuery("q", "asked", "train", grades, file_weights=dict.fromkeys(grades, 1e-9))]
    for loss in ("lambda", "bce"):
        with pytest.raises(RankbenchError, match="0 of 1 rows are left"):
            graded_lists(few, TEXTS, teach_recipe(loss), 0)
    with pytest.raises(RankbenchError, match="0 of 2 rows are left"):
        rows_of(load_recipe("infonce"), few, TEXTS, DEFAULT_GAINS, Products(), 0)
    alike = [JudgedQuery("q", "asked", "train", {"p00": "E", "p01": "E"})]
    with pytest.raises(RankbenchError, match="nothing to tell apart"):
        graded_lists(alike, TEXTS, teach_recipe("bce", ["negatives=0"]), 0)
