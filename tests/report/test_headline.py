"""The headline says what the interval allows, no more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.evaluation.frame import Evaluation
from engine.evaluation.intervals import Delta, paired_delta
from engine.measures import PRIMARY
from engine.report.headline import (
    BETTER,
    NONE,
    UNKNOWN,
    WORSE,
    bounds_sentence,
    headline,
    side_labels,
)
from tests.report.hostile import evaluated


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluated(24, split="unseen")


def with_delta(
    evaluation: Evaluation, low: float | None, high: float | None, p: float = 0.01, n: int = 24
) -> Evaluation:
    mean = None if low is None or high is None else (low + high) / 2
    delta = Delta(mean, low, high, p, improved=n, unchanged=0, harmed=0, n=n)
    return replace(evaluation, delta={**evaluation.delta, PRIMARY: delta})


@pytest.mark.parametrize(
    ("low", "high", "p", "call", "title"),
    [
        (0.001, 0.05, 0.04, BETTER, "<i>tuned ranks better than base"),
        (-0.05, -0.001, 0.04, WORSE, "<i>tuned ranks worse than base"),
        (-0.001, 0.05, 0.06, NONE, "No difference between <i>tuned and base is shown"),
        (0.0, 0.0, 1.0, NONE, "No difference between <i>tuned and base is shown"),
        (0.0, 0.05, 0.06, NONE, "No difference between <i>tuned and base is shown"),
        (0.001, 0.05, 0.06, BETTER, "<i>tuned may rank better than base"),
        (0.0003, 0.0452, 0.048, BETTER, "<i>tuned may rank better than base"),
        (-0.0452, -0.0003, 0.048, WORSE, "<i>tuned may rank worse than base"),
    ],
)
def test_the_call_is_the_intervals(
    evaluation: Evaluation, low: float, high: float, p: float, call: str, title: str
) -> None:
    found = headline(with_delta(evaluation, low, high, p), 24)
    assert (found.call, found.title) == (call, title)
    assert ("inside the interval" in found.zero) == (low <= 0 <= high)
    disagree = "disagree about zero" in " ".join(found.cautions)
    assert disagree == ((p < 0.05) != (low > 0 or high < 0))


def test_the_finding_names_measure_set_interval_p_and_n(evaluation: Evaluation) -> None:
    said = headline(with_delta(evaluation, -0.0213, 0.0171, 0.0004), 24).finding
    said = said.replace("\u00a0", " ")
    for part in ("NDCG@10", "whole catalog", "−0.0213 to +0.0171", "p < 0.001", "n = 24 queries"):
        assert part in said
    assert "neither side was trained on" in said


def test_an_interval_that_all_but_touches_zero_is_told_so(evaluation: Evaluation) -> None:
    said = headline(with_delta(evaluation, 0.0003, 0.0452, 0.048), 24).zero
    assert said.startswith("Zero is all but in the interval") and "hardly shown" in said
    said = headline(with_delta(evaluation, 0.0006, 0.0452, 0.04), 24).zero
    assert said.startswith("Zero is outside the interval") and "hardly" not in said


def test_few_queries_are_never_a_sure_thing(evaluation: Evaluation) -> None:
    found = headline(with_delta(evaluation, 0.01, 0.05, n=12), 24)
    assert "may rank better" in found.title and "12 queries are too few" in found.title
    assert "fewer than 20 queries" in found.cautions[0]


def test_too_few_queries_have_a_mean_and_no_call(evaluation: Evaluation) -> None:
    found = headline(with_delta(evaluation, None, None, n=1), 24)
    assert found.call == UNKNOWN and found.title.startswith("One query is too few")
    found = headline(with_delta(evaluation, None, None, n=5), 24)
    assert found.title.startswith("5 queries are too few") and "below 6 queries" in found.zero
    assert "(too few for an interval; n" in found.finding


def test_a_side_no_better_than_chance_is_told(evaluation: Evaluation) -> None:
    assert not any("random" in line for line in headline(evaluation, 24).cautions)
    above = max(side.means["ndcg@10"] for side in (evaluation.baseline, evaluation.candidate))
    below = min(side.means["ndcg@10"] for side in (evaluation.baseline, evaluation.candidate))
    both = replace(evaluation, floor={**evaluation.floor, "ndcg@10": above})
    assert headline(both, 24).cautions[0].startswith("Both sides score no more than a random")
    one = replace(evaluation, floor={**evaluation.floor, "ndcg@10": (above + below) / 2})
    assert "base scores no more than a random" in headline(one, 24).cautions[0]


def test_seen_queries_are_said_in_the_title(evaluation: Evaluation) -> None:
    rows = tuple(replace(row, seen=number < 5) for number, row in enumerate(evaluation.rows))
    found = headline(with_delta(replace(evaluation, rows=rows), 0.01, 0.05), 24)
    assert found.title.endswith("on queries it may know")
    assert "5 of the 24 queries trained or chose" in " ".join(found.cautions)


def test_what_is_left_out_is_counted_and_explained(evaluation: Evaluation) -> None:
    left_out = " ".join(headline(replace(evaluation, excluded=("x", "y")), 36).left_out)
    assert "36 queries are judged; 24 are in." in left_out
    assert "10 left out" in left_out and "(seen)" in left_out
    assert "2 left out: no product of positive gain" in left_out


def test_bounds_say_whether_missing_judgments_could_turn_it(evaluation: Evaluation) -> None:
    assert "could turn its sign" in bounds_sentence(replace(evaluation, bounds=(-0.1, 0.2)))
    assert "cannot turn its sign" in bounds_sentence(replace(evaluation, bounds=(0.1, 0.2)))
    assert "no missing judgment" in bounds_sentence(replace(evaluation, bounds=(0.1, 0.1)))


def test_verdicts_that_counted_are_said(evaluation: Evaluation) -> None:
    [*_, said] = headline(evaluation, 24, said=5, against=2).cautions
    assert "5 grades come from people's verdicts" in said and "2 against" in said


def test_a_run_is_called_by_its_file_where_that_is_clear(evaluation: Evaluation) -> None:
    sides = [
        replace(evaluation.baseline, encoder=f"run:/tmp/{name}") for name in ("a.csv", "b.csv")
    ]
    assert side_labels(replace(evaluation, baseline=sides[0], candidate=sides[1])) == (
        "run:a.csv",
        "run:b.csv",
    )
    other = replace(sides[0], encoder="run:/var/a.csv")
    assert side_labels(replace(evaluation, baseline=sides[0], candidate=other)) == (
        "run:/tmp/a.csv",
        "run:/var/a.csv",
    )


def measured(evaluation: Evaluation, values: np.ndarray) -> Evaluation:
    delta = paired_delta(np.zeros(len(values)), values)
    return replace(evaluation, delta={**evaluation.delta, PRIMARY: delta})


def test_a_set_too_small_for_what_it_measured_says_what_it_could_show(
    evaluation: Evaluation,
) -> None:
    values = np.random.default_rng(1).normal(0, 0.09, 24)
    small = measured(evaluation, values - values.mean() + 0.02)
    found = headline(small, 24)
    visible = small.delta[PRIMARY].visible
    assert found.call == NONE
    assert "too small to tell: 24 queries with such a spread show a true difference of " in (
        found.zero
    )
    assert f"of {visible:.3f} four times in five" in found.zero
    clear = headline(measured(evaluation, values - values.mean() + 0.2), 24)
    assert "too small" not in clear.zero


def test_a_loss_that_one_query_would_cancel_is_hedged(evaluation: Evaluation) -> None:
    """Many small losses: the few large gains of such a side may not be among the queries."""
    found = headline(measured(evaluation, np.repeat([0.0, -0.02], [14, 10])), 24)
    assert found.call == WORSE and "may rank worse" in found.title
    assert "one query more that moved 0.20 the other way" in " ".join(found.cautions)


def test_a_gain_with_large_harms_against_it_is_hedged(evaluation: Evaluation) -> None:
    found = headline(measured(evaluation, np.repeat([0.1, 0.12, -0.4], [40, 20, 3])), 63)
    assert found.call == BETTER and "may rank better" in found.title
    assert "a few large harms stand against it" in " ".join(found.cautions)
    sure = headline(measured(evaluation, np.linspace(-0.05, 0.2, 63)), 63)
    assert "ranks better" in sure.title and not sure.cautions
