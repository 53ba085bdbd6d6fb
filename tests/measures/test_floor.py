"""The random floor against permutations, and the figures of the real set."""

from __future__ import annotations

import csv
import os
import random
from collections import defaultdict
from pathlib import Path
from statistics import mean

import pytest

from engine.errors import RankbenchError
from engine.measures.floor import (
    ndcg_floor,
    rbo_ideal_floor,
    rbo_ideal_strict_floor,
    search_floors,
)
from engine.measures.ndcg import ndcg
from engine.measures.rbo import rbo_ideal, rbo_ideal_strict

GAINS = {"E": 1.0, "S": 0.1, "C": 0.01, "I": 0.0}
REAL = Path(
    os.environ.get("RANKBENCH_ESCI", Path(__file__).parents[3] / "shared" / "data" / "esci-small")
)


@pytest.mark.parametrize("grades", ["EESSSCCIIIII", "EI", "EEEEE", "E" + "I" * 30])
def test_the_floor_is_the_mean_of_permutations(grades: str) -> None:
    rng = random.Random(3)
    ids = [f"p{i:02d}" for i in range(len(grades))]
    gains = {product: GAINS[grade] for product, grade in zip(ids, grades, strict=True)}
    values = list(gains.values())
    orders = [rng.sample(ids, len(ids)) for _ in range(4000)]
    free = mean(rbo_ideal(order, gains) for order in orders)
    strict = mean(rbo_ideal_strict(order, gains) for order in orders)
    full = mean(ndcg([gains[x] for x in order], values) for order in orders)
    top = mean(ndcg([gains[x] for x in order], values, 10) for order in orders)
    assert rbo_ideal_floor(values) == pytest.approx(free, abs=0.015)
    assert rbo_ideal_strict_floor(len(ids)) == pytest.approx(strict, abs=0.015)
    assert ndcg_floor(values) == pytest.approx(full, abs=0.02)
    assert ndcg_floor(values, 10) == pytest.approx(top, abs=0.02)


def test_a_list_of_one_grade_has_a_free_floor_of_one() -> None:
    assert rbo_ideal_floor([0.1] * 50) == pytest.approx(1.0)
    assert ndcg_floor([0.1] * 50, 10) == pytest.approx(1.0)


def test_a_long_list_is_no_trouble() -> None:
    gains = [1.0] * 300 + [0.1] * 300 + [0.0] * 400
    assert 0.0 < rbo_ideal_floor(gains) < 1.0


def test_the_catalog_floor_thins_out_with_the_catalog() -> None:
    gains = [1.0] * 10
    small, large = ndcg_floor(gains, 10, 100), ndcg_floor(gains, 10, 10_000)
    assert small == pytest.approx(0.1)
    assert large == pytest.approx(0.001)


def test_undefined_floors() -> None:
    assert ndcg_floor([0.0]) is None
    assert rbo_ideal_floor([]) is None
    assert rbo_ideal_strict_floor(0) is None
    with pytest.raises(RankbenchError):
        ndcg_floor([1.0, 1.0], 10, 1)


@pytest.mark.skipif(not REAL.is_dir(), reason="esci-small is absent (RANKBENCH_ESCI names it)")
def test_the_real_sets_floors_are_the_known_ones() -> None:
    judged: dict[str, list[float]] = defaultdict(list)
    with (REAL / "judgments.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            judged[row["query_id"]].append(GAINS[row["label"]])
    free = mean(map(rbo_ideal_floor, judged.values()))
    strict = mean(rbo_ideal_strict_floor(len(gains)) for gains in judged.values())
    assert (free, strict) == pytest.approx((0.5526, 0.2257), abs=0.0005)
    # One random ranking of each query has a standard deviation of .013 and .008 around these; the
    # figures noted when the project began, .568 and .227, are such a draw.
    assert (free, strict) == pytest.approx((0.568, 0.227), abs=0.02)


def test_the_floors_of_a_search_are_over_the_judged_and_over_the_catalog() -> None:
    gains = [1.0, 0.1, 0.0]
    found = search_floors(gains, 50)
    assert found["ndcg"] == ndcg_floor(gains)
    assert found["ndcg@10"] == ndcg_floor(gains, 10, 50) < found["ndcg"]
    assert found["rbo_ideal"] == rbo_ideal_floor(gains)
    assert set(search_floors([], 50).values()) == {None}
