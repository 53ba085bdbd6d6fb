"""The click model against clicks simulated from the demo's judgments with a known bias."""

from __future__ import annotations

import csv
import itertools
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from engine.training.click_model import fit_clicks

DEMO = Path(__file__).parents[2] / "fixtures" / "judgments.csv"
LIKED = {"E": 0.6, "S": 0.3, "C": 0.12, "I": 0.04}
PLACES = 10
EXAMINATION = 1 / np.arange(1, PLACES + 1) ** 0.8
SESSIONS = 400


@pytest.fixture(scope="module")
def demo() -> dict[str, dict[str, str]]:
    """40 queries of the demo with at least ten judged products: query -> product -> grade."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    with DEMO.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["query_id"]][row["product_id"]] = row["label"]
    full = [query for query in sorted(found) if len(found[query]) >= PLACES]
    return {query: found[query] for query in full[:40]}


def shown(demo, *, shuffled: float, seed: int = 5):
    """Sessions: a biased engine's order, disturbed by noise of size `shuffled`, clicked by chance.

    The engine likes products by their id, not by their grade: the top is no merit.
    """
    rng = np.random.default_rng(seed)
    number: dict[tuple[str, str], int] = {}
    pair, position, clicked = [], [], []
    for query, grades in demo.items():
        products = sorted(grades)
        for _ in range(SESSIONS):
            order = np.argsort(np.arange(len(products)) + shuffled * rng.normal(size=len(products)))
            for place, at in enumerate(order[:PLACES]):
                product = products[at]
                chance = EXAMINATION[place] * LIKED[grades[product]]
                pair.append(number.setdefault((query, product), len(number)))
                position.append(place + 1)
                clicked.append(rng.random() < chance)
    return list(number), np.array(pair), np.array(position), np.array(clicked)


def in_order(demo, pairs, values, views) -> float:
    """Share of the pairs of a query's products with different grades that `values` order so.

    Of products seen 50 times; .5 is chance.
    """
    right = total = 0
    seen = [(query, LIKED[demo[query][product]], value)
            for (query, product), value, times in zip(pairs, values, views, strict=True)
            if times >= 50]  # fmt: skip
    for (a, better, one), (b, worse, other) in itertools.permutations(seen, 2):
        if a == b and better > worse:
            right, total = right + (one > other), total + 1
    assert total > 300
    return right / total


def test_the_order_and_the_examination_are_recovered_and_click_through_is_worse(demo) -> None:
    pairs, pair, position, clicked = shown(demo, shuffled=2.5)
    model = fit_clicks(pair, position, clicked)
    assert model.method == "pbm" and model.positions.tolist() == list(range(1, PLACES + 1))
    assert model.examination == pytest.approx(EXAMINATION, abs=0.05)
    truth = np.array([LIKED[demo[query][product]] for query, product in pairs])
    seen = model.views >= 50
    assert np.abs(model.attractiveness - truth)[seen].mean() < 0.06
    naive = model.clicks / np.maximum(model.views, 1)
    ours, theirs = (in_order(demo, pairs, v, model.views) for v in (model.attractiveness, naive))
    # Seen: .986 and .941 of the pairs in order.
    assert ours > 0.97 and 1 - theirs > 2 * (1 - ours), (ours, theirs)
    assert (
        np.abs(naive - truth)[seen].mean() > 2 * np.abs(model.attractiveness - truth)[seen].mean()
    )


def test_the_estimate_has_the_likelihood_of_the_truth_or_better(demo) -> None:
    """An independent look: what maximises the likelihood cannot be less likely than the truth."""
    pairs, pair, position, clicked = shown(demo, shuffled=4.0, seed=6)
    model = fit_clicks(pair, position, clicked)
    truth = np.array([LIKED[demo[query][product]] for query, product in pairs])

    def likelihood(attraction, examination) -> float:
        chance = attraction[pair] * examination[position - 1]
        return float(np.log(np.where(clicked, chance, 1 - chance)).sum())

    assert likelihood(model.attractiveness, model.examination) > likelihood(truth, EXAMINATION)


def test_without_products_that_link_the_positions_clicks_over_expected_clicks_are_used(
    demo,
) -> None:
    _, pair, position, clicked = shown(demo, shuffled=0.0)
    model = fit_clicks(pair, position, clicked)
    assert model.method == "coec"
    # By hand, of one pair that stood at one place: its rate over its place's.
    number = pair[np.flatnonzero(position == 3)[0]]
    rate = clicked[position == 3].mean()
    views = (pair == number).sum()
    hand = (clicked[pair == number].sum() + 2 * clicked.mean()) / (
        views * rate + 2 * clicked.mean()
    )
    assert model.attractiveness[number] == pytest.approx(hand)
    top = clicked[position == 1].mean()
    assert model.examination[2] == pytest.approx(rate / top)


def test_one_click_of_one_view_is_no_certainty_and_no_click_no_zero() -> None:
    pair = np.array([0, 0, 1, 1, 2, 3] + [4] * 40)
    position = np.array([1, 2, 1, 2, 1, 1] + [1, 2] * 20)
    clicked = np.array([1, 0, 0, 0, 1, 0] + [1, 0, 0, 0] * 10, dtype=bool)
    model = fit_clicks(pair, position, clicked)
    lone, never = model.attractiveness[2], model.attractiveness[3]
    assert 0 < never < model.attractiveness[4] < lone < 0.9
