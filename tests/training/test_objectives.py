"""The losses against computations of our own, and the rows with graded targets."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.catalog.queries import JudgedQuery
from engine.training.batches import batch_rows, without_false_negatives
from engine.training.examples import Examples, build_examples
from engine.training.graded import Drawing, build_lists, build_pairs, grade_targets
from engine.training.objectives import OBJECTIVES
from engine.training.objectives.contrastive import graded_contrastive
from engine.training.objectives.listwise import ListwiseLoss
from engine.training.recipe import load_recipe
from engine.training.rows import rows_of_lists
from engine.workspace import DEFAULT_GAINS


def by_hand(distances: list[float], targets: list[float], margin: float) -> float:
    total = 0.0
    for d, y in zip(distances, targets, strict=True):
        total += y * d * d + (1 - y) * max(0.0, margin - d) ** 2
    return total / len(distances)


@pytest.mark.parametrize("margin", [0.0, 0.5, 1.0])
def test_the_contrastive_loss_is_the_texts(margin: float) -> None:
    rng = np.random.default_rng(3)
    cases = [([0.0, 2.0, 0.5, 0.5], [1.0, 0.0, 0.0, 1.0]), ([margin, margin], [0.0, 1.0])]
    cases += [(rng.uniform(0, 2, 50).tolist(), rng.uniform(0, 1, 50).tolist()) for _ in range(5)]
    for distances, targets in cases:
        found = graded_contrastive(
            torch.tensor(distances, dtype=torch.float64),
            torch.tensor(targets, dtype=torch.float64),
            margin,
        )
        assert float(found) == pytest.approx(by_hand(distances, targets, margin), abs=1e-6)


@pytest.mark.parametrize(
    ("distance", "target", "sign"), [(0.3, 1.0, 1), (1.5, 1.0, 1), (0.3, 0.0, -1), (0.7, 0.0, 0)]
)
def test_right_pairs_are_pulled_and_wrong_ones_within_the_margin_pushed(
    distance: float, target: float, sign: int
) -> None:
    d = torch.tensor([distance], requires_grad=True)
    graded_contrastive(d, torch.tensor([target]), 0.5).backward()
    assert d.grad is not None
    assert np.sign(float(d.grad)) == sign


@pytest.mark.parametrize("target", [0.0, 1 / 3, 2 / 3, 1.0])
def test_the_loss_is_least_where_the_docstring_says(target: float) -> None:
    places = torch.linspace(0, 1, 1001)
    losses = [float(graded_contrastive(d[None], torch.tensor([target]), 0.5)) for d in places]
    assert float(places[int(np.argmin(losses))]) == pytest.approx(0.5 * (1 - target), abs=2e-3)


def test_targets_of_grades() -> None:
    assert grade_targets(DEFAULT_GAINS, "gain") == pytest.approx(DEFAULT_GAINS)
    found = grade_targets(DEFAULT_GAINS, "log")
    assert found == pytest.approx({"E": 1, "S": 2 / 3, "C": 1 / 3, "I": 0})
    two = grade_targets({"E": 1.0, "S": 1.0, "C": 0.0, "I": 0.0}, "log")
    assert two == {"E": 1.0, "S": 1.0, "C": 0.0, "I": 0.0}


class Given(torch.nn.Module):
    """Stands for an encoder: its features are its vectors."""

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"sentence_embedding": features["vectors"]}


@pytest.mark.parametrize("in_batch", [False, True])
def test_the_listwise_loss_by_hand(in_batch: bool) -> None:
    rng = np.random.default_rng(5)
    columns = rng.normal(size=(4, 3, 8))
    targets = np.array([[1, 0.1, 0], [1, 0, 0], [0.1, 0.1, 0.01]])
    unit = columns / np.linalg.norm(columns, axis=2, keepdims=True)
    expected = 0.0
    for row in range(3):
        own = [float(unit[0, row] @ unit[1 + k, row]) * 5 for k in range(3)]
        others = [
            float(unit[0, row] @ unit[1 + k, other]) * 5
            for other in range(3)
            for k in range(3)
            if other != row
        ]
        total = math.log(sum(map(math.exp, own + (others if in_batch else []))))
        shares = targets[row] / targets[row].sum()
        expected += sum(share * (total - score) for share, score in zip(shares, own, strict=True))
    loss = ListwiseLoss(
        Given(),
        5.0,
        lambda t: t / t.sum(dim=1, keepdim=True),
        in_batch=in_batch,
    )
    features = [{"vectors": torch.tensor(column)} for column in columns]
    found = loss(features, torch.tensor(targets))
    assert float(found) == pytest.approx(expected / 3, abs=1e-5)


TEXTS = {f"p{n}": f"thing number {n}" for n in range(40)}


def judged(grades: str, name: str = "q", **more: object) -> JudgedQuery:
    products = {f"p{n}": grade for n, grade in enumerate(grades)}
    return JudgedQuery(name, f"query {name}", "train", products, **more)  # type: ignore[arg-type]


def test_pairs_hold_every_judged_product_with_its_target() -> None:
    drawing = Drawing(DEFAULT_GAINS, "log", 100)
    further = {"p0": "a long description"}
    found = build_pairs([judged("ESCI")], TEXTS, drawing, [further])
    told = {(row.positive, round(row.targets[0], 3)) for row in found.rows}
    assert told == {
        ("thing number 0", 1.0),
        ("a long description", 1.0),
        ("thing number 1", 0.667),
        ("thing number 2", 0.333),
        ("thing number 3", 0.0),
    }


def test_scores_of_a_file_come_before_the_grades() -> None:
    query = judged("ESCI", targets={"p1": 0.9})
    found = build_pairs([query], TEXTS, Drawing(DEFAULT_GAINS, "log", 100))
    assert {row.positive_id: row.targets[0] for row in found.rows}["p1"] == 0.9


@pytest.mark.parametrize("grades", ["ESCI", "E" * 3 + "I" * 30, "S" * 20 + "E" + "I" * 3, "EEEEE"])
def test_every_list_has_its_size_one_of_the_best_and_no_product_twice(grades: str) -> None:
    queries = [
        judged(grades),
        JudgedQuery("z", "other", "train", {f"p{n}": "I" for n in range(40)}),
    ]
    found = build_lists(queries, TEXTS, Drawing(DEFAULT_GAINS, "gain", 100, 8))
    rows = [row for row in found.rows if row.query_id == "q"]
    for row in rows:
        products = (row.positive_id, *row.negative_ids)
        assert len(set(products)) == len(products) == len(row.targets) == 8
        assert max(row.targets) == 1.0
    drawn = {p for row in rows for p in (row.positive_id, *row.negative_ids)}
    assert drawn >= set(queries[0].grades)
    assert not [row for row in found.rows if row.query_id == "z"]


def test_no_list_is_filled_with_what_its_query_wants() -> None:
    # 17 products in lists of 8: the last is filled, from 17 that are all judged for the query.
    query = judged("E" + "S" * 12 + "IIII")
    found = build_lists([query], TEXTS, Drawing(DEFAULT_GAINS, "gain", 100, 8))
    target = {"E": 1.0, "S": 0.1, "I": 0.0}
    for row in found.rows:
        products = (row.positive_id, *row.negative_ids)
        told = dict(zip(products, row.targets, strict=True))
        assert told == pytest.approx({p: target[query.grades[p]] for p in products})


def together(recipe: str, examples: Examples, *settings: str) -> list[set[str]]:
    """The queries of each batch."""
    found = OBJECTIVES[recipe](examples, load_recipe(recipe).with_set([*settings]))
    return [{examples.rows[n].query_id for n in batch} for batch in found.plan(8, 0)]


@pytest.mark.parametrize(("grade", "shared"), [("S", False), ("C", False), ("I", True)])
def test_lists_that_want_one_text_do_not_meet_in_a_softmax(grade: str, shared: bool) -> None:
    # p1 is judged for both queries, so by "a" it would be pulled up, and by "b" pushed down.
    queries = [
        JudgedQuery("a", "red tent", "train", {"p0": "E", "p1": grade, "p2": "I"}),
        JudgedQuery("b", "blue lamp", "train", {"p3": "E", "p1": grade, "p4": "I"}),
    ]
    examples = build_lists(queries, TEXTS, Drawing(DEFAULT_GAINS, "log", 100, 3))
    assert ({"a", "b"} in together("listwise", examples)) is shared
    # Where each list has a softmax of its own, it does not matter.
    assert {"a", "b"} in together("listwise", examples, "in_batch=0")


def test_a_wanted_product_that_was_not_drawn_keeps_lists_apart() -> None:
    # One product a query is drawn: of "a" an Exact one, while "b" holds its p1 at target 1.
    queries = [
        JudgedQuery("a", "red tent", "train", {"p0": "E", "p1": "S"}),
        JudgedQuery("b", "blue lamp", "train", {"p1": "E", "p4": "I"}),
        JudgedQuery("c", "pink hat", "train", {f"p{n}": "I" for n in range(10, 30)}),
    ]
    texts = {product: text for product, text in TEXTS.items() if product != "p4"}
    drawing = Drawing({"E": 1.0, "S": 1.0, "C": 0.0, "I": 0.0}, "gain", 1, 2)
    for seed in range(6):
        examples = build_lists(queries, texts, replace(drawing, seed=seed))
        assert {"a", "b"} not in together("listwise", examples)


def test_lists_of_a_log_with_one_product_do_not_meet_in_a_softmax() -> None:
    def lists(second: str) -> Examples:
        given = [
            ("red tent", ("p0", "p1"), (5.0, -5.0)),
            ("crimson tent", (second, "p2"), (5.0, -5.0)),
        ]
        return rows_of_lists(load_recipe("distill").with_set(["documents=2"]), given, TEXTS)

    assert len(together("distill", lists("p0"), "in_batch=1")) == 2
    assert len(together("distill", lists("p3"), "in_batch=1")) == 1
    assert len(together("distill", lists("p0"))) == 1


def test_batches_keep_to_their_strata() -> None:
    queries = [
        JudgedQuery(f"q{n}", f"query {n}", "train", {f"p{n}": "E", f"p{n + 20}": "I"})
        for n in range(20)
    ]
    examples = build_examples(queries, TEXTS, max_per_query=5, negatives=1, seed=0)
    strata = tuple("even" if int(row.positive_id[1:]) % 2 == 0 else "odd" for row in examples.rows)
    plan = without_false_negatives(replace(examples, strata=strata))
    batches = plan(4, 1)
    assert sorted(row for batch in batches for row in batch) == list(range(20))
    assert all(len({strata[row] for row in batch}) == 1 for batch in batches)
    assert plan(4, 2) != batches and plan(4, 1) == batches
    assert len(batch_rows(examples)) == 20
