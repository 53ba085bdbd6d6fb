from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RankbenchError, UsageError
from engine.formats.grades import map_grades, map_order


@pytest.mark.parametrize(
    ("values", "scale", "grades"),
    [
        ("E S C I", "letters", "ESCI"),
        ("exact Substitute COMPLEMENT irrelevant", "letters", "ESCI"),
        ("Exact Partial Irrelevant", "letters", "ESI"),
        ("3 2 1 0", "0-3", "ESCI"),
        ("3.0 2.0 1.0 0.0", "0-3", "ESCI"),
        ("4 3 2 1 0", "0-4", "ESSCI"),
        ("5 4 3 2 1", "1-5", "ESSCI"),
        ("10 9 8 5 4 1 0", "0-10", "EESSCCI"),
        ("100 90 89 50 49 2 0", "0-100", "EESSCCI"),
        ("1 0", "0-1", "EI"),
        ("2 1 0 -2", "0-2", "ESII"),
        ("1 0.1 0.01 0", "gains", "ESCI"),
        ("1.0 .1 0", "gains", "ESI"),
        ("100 10 1 0", "gains", "ESCI"),
        ("0.9 0.55 0.3 0.1 0.0", "continuous", "ESCII"),
        ("12.5 7 -3.5", "continuous", "ESI"),
        ("500 0", "continuous", "EI"),
        ("0,5 1,5 2,5", "continuous", "ISE"),
    ],
)
def test_scales_are_recognised(values: str, scale: str, grades: str) -> None:
    found = map_grades(values.split())
    assert found.scale == scale
    assert "".join(found.grades[value] for value in values.split()) == grades
    assert set(found.mapping.values()) >= set(grades)


def test_a_named_scale_overrides_the_guess() -> None:
    assert map_grades(["1", "2"], "0-4").grades == {"1": "C", "2": "S"}
    assert map_grades(["1", "2"], "0-3").grades == {"1": "C", "2": "S"}
    assert map_grades(["1", "2"], "0-2").grades == {"1": "S", "2": "E"}
    assert map_grades(["1", "7"], "1-7").grades == {"1": "I", "7": "E"}
    assert map_grades(["2.5"], "0-3").grades == {"2.5": "S"}
    assert map_grades(["0", "100"], "continuous").grades == {"0": "I", "100": "E"}


def test_a_long_scale_is_shown_as_ranges() -> None:
    found = map_grades([str(number) for number in range(101)])
    assert found.mapping == {"90 to 100": "E", "50 to 90": "S", "above 0 to 50": "C", "0": "I"}


@pytest.mark.parametrize(
    ("values", "scale", "named"),
    [
        (["E", "S", "great"], None, "great"),
        (["0", "1", "2", "bad"], None, "bad"),
        (["0", "7"], "0-3", "7"),
        (["0", "0.5"], "gains", "0.5"),
        (["E"], "0-3", "E"),
        (["inf", "1", "2"], None, "inf"),
    ],
)
def test_unknown_grades_are_named_with_those_accepted(
    values: list[str], scale: str | None, named: str
) -> None:
    with pytest.raises(RankbenchError) as caught:
        map_grades(values, scale)
    assert repr(named) in caught.value.what and "Accepted" in caught.value.todo


def test_many_and_long_unknown_grades_are_cut() -> None:
    with pytest.raises(RankbenchError) as caught:
        map_grades([f"{number}{'x' * 500}" for number in range(50)])
    assert "42 more" in caught.value.what and len(caught.value.what) < 600


@pytest.mark.parametrize("scale", ["stars", "3", "-1-3", "0-3-4"])
def test_a_scale_that_is_none_is_bad_usage(scale: str) -> None:
    with pytest.raises(UsageError):
        map_grades(["1"], scale)


def test_an_empty_scale_is_bad_usage() -> None:
    with pytest.raises(UsageError):
        map_grades(["1"], "3-3")


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.sampled_from([None, "continuous"]))
def test_a_higher_score_never_has_a_lower_grade(scores: list[float], scale: str | None) -> None:
    found = map_grades([repr(score) for score in scores], scale)
    grades = ["ESCI".index(found.grades[repr(score)]) for score in sorted(scores, reverse=True)]
    assert grades == sorted(grades)


@pytest.mark.parametrize(
    ("count", "grades"), [(1, "E"), (2, "ES"), (3, "ESC"), (4, "EESS"), (7, "EEESSSC")]
)
def test_an_order_is_graded_in_thirds(count: int, grades: str) -> None:
    assert "".join(map_order(count)) == grades
