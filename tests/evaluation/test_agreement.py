"""Agreement of judges: disputes, and Cohen's kappa by hand."""

from __future__ import annotations

import json

import pytest
from sklearn.metrics import cohen_kappa_score

from engine.catalog.queries import JudgedQuery
from engine.evaluation.agreement import IMPORTED, agreements, disputes
from engine.records import Verdict
from engine.records.listing import list_verdicts


def said(judge: str, grades: str, query: str = "tent") -> list[Verdict]:
    """One verdict a letter on the products 0, 1, …; a dot is none."""
    return [
        Verdict(query, str(at), grade, judge=judge, number=at + 1)
        for at, grade in enumerate(grades)
        if grade != "."
    ]


def test_kappa_is_what_a_hand_count_gives() -> None:
    # Same 3 of 4; by chance E .5 x .75 and I .5 x .25: (.75 - .5) / (1 - .5).
    (found,) = agreements(list_verdicts([], [*said("ann", "EEII."), *said("bob", "EEEIE")]))
    assert (found.judges, found.n, found.same) == (("ann", "bob"), 4, 3)
    assert found.kappa == pytest.approx(0.5)


def test_kappa_is_that_of_the_textbook_and_of_scikit_learn() -> None:
    # 50 proposals, two readers: 20 both yes, 5 and 10 apart, 15 both no; kappa .4.
    ann, bob = "E" * 25 + "I" * 25, "E" * 20 + "I" * 5 + "E" * 10 + "I" * 15
    (found,) = agreements(list_verdicts([], [*said("ann", ann), *said("bob", bob)]))
    assert found.kappa == pytest.approx(0.4) and (found.n, found.same) == (50, 35)
    ann, bob = "EESSCCIIESCI", "ESSSCIIIEECI"
    (found,) = agreements(list_verdicts([], [*said("ann", ann), *said("bob", bob)]))
    assert found.kappa == pytest.approx(cohen_kappa_score(list(ann), list(bob)))
    # By hand: 9 of 12 the same, by chance (3*4 + 3*3 + 3*2 + 3*3) / 144 = .25.
    assert found.kappa == pytest.approx((0.75 - 0.25) / 0.75)


def test_the_imported_judgments_are_one_more_judge() -> None:
    imported = [JudgedQuery("q", "Tents", "", {"0": "E", "1": "S", "9": "C"})]
    listed = list_verdicts(imported, [*said("ann", "EI"), *said("bob", "EII")])
    pairs = {found.judges: found for found in agreements(listed)}
    assert set(pairs) == {("ann", "bob"), ("ann", IMPORTED), ("bob", IMPORTED)}
    assert pairs["ann", "bob"].kappa == 1.0 and pairs["bob", IMPORTED].n == 2
    (dispute,) = disputes(listed)
    assert (dispute.query, dispute.product_id) == ("Tents", "1")
    assert dispute.grades == {"ann": "I", "bob": "I", IMPORTED: "S"}
    json.dumps([dispute.to_json(), *(found.to_json() for found in pairs.values())])


def test_one_and_the_same_grade_throughout_has_no_kappa() -> None:
    (found,) = agreements(list_verdicts([], [*said("ann", "III"), *said("bob", "III")]))
    assert found.kappa is None and found.same == found.n == 3


def test_one_judge_alone_agrees_with_nobody() -> None:
    listed = list_verdicts([], said("ann", "EI"))
    assert agreements(listed) == [] and disputes(listed) == []
