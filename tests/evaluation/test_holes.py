"""Holes against measuring everything again, and doubtful judgments of each kind."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.catalog.queries import JudgedQuery
from engine.evaluation.doubtful import (
    CONTRADICTORY,
    DEEP,
    Given,
    contradictory,
    duplicate,
    find_doubtful,
    suspicious,
)
from engine.evaluation.evaluate import evaluate
from engine.evaluation.holes import find_holes, rank_top_tens
from engine.evaluation.select import select
from engine.formats.judgments import read_judgments
from engine.measures.ndcg import ndcg
from engine.ranking.comparer import Comparer
from engine.ranking.ranking import Ranking
from engine.records import Records, Verdict, Verdicts
from engine.workspace import Workspace
from tests.evaluation.fake_sides import ScoredSide, make_catalog, make_queries

GAINS = {"E": 1.0, "S": 0.1, "C": 0.01, "I": 0.0}
CATALOG = make_catalog()
TITLES = {product: f"title of {product}" for product in CATALOG}
QUERIES = make_queries(CATALOG)


class Side(ScoredSide):
    fingerprint = "print"


class Fixed:
    """Answers from lists."""

    build = fingerprint = ""

    def __init__(self, name: str, answers: dict[str, list[str]]) -> None:
        self.name, self._answers = name, answers

    def rank(self, query: str, depth: int = 1000) -> Ranking:
        found = tuple(self._answers[query][:depth])
        return Ranking(found, tuple(float(-n) for n in range(len(found))))

    def rank_judged(self, query: str, product_ids) -> Ranking:
        kept = [p for p in self._answers[query] if p in product_ids]
        every = (*kept, *sorted(set(product_ids) - set(kept)))
        return Ranking(every, tuple(float(-n) for n in range(len(every))))

    def answers(self, query: str) -> bool:
        return bool(self._answers[query])

    def seen(self, query: str) -> bool:
        return False

    def prepare(self, queries) -> None:
        pass


def holes(queries=QUERIES, sides=None, gains=GAINS, titles=TITLES):
    sides = sides or (Side("base", CATALOG, queries, 0.5), Side("tuned", CATALOG, queries, 0.9))
    return find_holes(rank_top_tens(*sides, queries), queries, titles, gains), sides


def mean_delta(sides, queries, gains) -> float:
    """By `engine.measures` alone."""
    deltas = []
    for query in queries:
        every = [gains[grade] for grade in query.grades.values()]
        left, right = (
            ndcg([gains[g] if (g := query.grades.get(p)) else 0.0 for p in ids], every, 10)
            for ids in (side.rank(query.query, 10).product_ids for side in sides)
        )
        if left is not None and right is not None:
            deltas.append(right - left)
    return sum(deltas) / len(deltas)


def graded(queries, hole, grade):
    return [
        JudgedQuery(q.query_id, q.query, grades={**q.grades, hole.product_id: grade})
        if q.query_id == hole.query_id
        else q
        for q in queries
    ]


POOL = [f"p{n}" for n in range(16)]


@st.composite
def small_cases(draw):
    queries, left, right = [], {}, {}
    for number in range(draw(st.integers(1, 3))):
        text = f"query {number}"
        judged = draw(st.lists(st.sampled_from([*POOL, "far"]), unique=True, max_size=14))
        grades = {product: draw(st.sampled_from("ESCI")) for product in judged}
        queries.append(JudgedQuery(f"q{number}", text, grades=grades))
        for side in (left, right):
            order = draw(st.permutations(POOL))
            side[text] = order[: draw(st.sampled_from([0, 4, 10, 16]))]
    return queries, (Fixed("left", left), Fixed("right", right))


@settings(max_examples=60, deadline=None)
@given(small_cases(), st.sampled_from([0.0, 0.05]))
def test_a_swing_is_what_measuring_again_gives(case, irrelevant: float) -> None:
    queries, sides = case
    gains = {**GAINS, "C": 0.06, "I": irrelevant}
    titles = dict.fromkeys([*POOL, "far"], "title")
    found, _ = holes(queries, sides, gains, titles)
    if not found.queries:
        assert found.queue == () and found.bounds is found.delta is found.settled_after is None
        return
    assert found.delta == pytest.approx(mean_delta(sides, queries, gains), abs=1e-12)
    for hole in found.queue:
        up, down = (mean_delta(sides, graded(queries, hole, grade), gains) for grade in ("E", "I"))
        assert hole.swing == pytest.approx(up - down, abs=1e-12)
    sizes = [abs(hole.swing) for hole in found.queue]
    assert all(a >= b - 1e-9 for a, b in pairwise(sizes))
    # A hole filled can only narrow the bounds.
    low, high = found.bounds
    for hole in found.queue[:2]:
        for grade in "EI":
            after, _ = holes(graded(queries, hole, grade), sides, gains, titles)
            assert after.queries == found.queries
            assert low - 1e-12 <= after.bounds[0] <= after.bounds[1] <= high + 1e-12


@settings(max_examples=25, deadline=None)
@given(small_cases())
def test_the_sign_is_settled_exactly_after_that_many(case) -> None:
    queries, sides = case
    titles = dict.fromkeys([*POOL, "far"], "title")
    found, _ = holes(queries, sides, titles=titles)
    settled = []
    for hole in (None, *found.queue):
        queries = queries if hole is None else graded(queries, hole, "I")
        now, _ = holes(queries, sides, titles=titles)
        settled.append(now.bounds is not None and (now.bounds[0] > 1e-12 or now.bounds[1] < -1e-12))
    assert found.settled_after == (settled.index(True) if True in settled else None)


def test_what_is_told_of_the_sides_is_what_an_evaluation_tells() -> None:
    found, sides = holes()
    told = evaluate(*sides, QUERIES, CATALOG, gains=GAINS)
    assert found.queries == told.queries == 30
    assert found.bounds == pytest.approx(told.bounds, abs=1e-12)
    assert found.delta == pytest.approx(told.delta["ndcg@10"].mean)
    assert found.baseline.judged == pytest.approx(told.baseline.means["judged@10"])
    assert found.candidate.judged == pytest.approx(told.candidate.means["judged@10"])
    tops = {
        (q.query_id, p)
        for q in QUERIES
        for side in sides
        for p in side.rank(q.query, 10).product_ids
        if p not in q.grades
    }
    assert {hole.pair for hole in found.queue} == tops
    for hole in found.queue[:20]:
        ranks = [side.rank(hole.query, 1000).ranks()[hole.product_id] for side in sides]
        assert [hole.baseline, hole.candidate] == ranks and min(ranks) <= 10
        assert hole.title == TITLES[hole.product_id]


def test_equal_swings_stand_by_query_then_product() -> None:
    queries = [JudgedQuery(f"q{n}", text, grades={"z": "E"}) for n, text in enumerate("ba")]
    answers = {"a": ["y", "x", "z"], "b": ["y", "x", "z"]}
    found, _ = holes(
        queries, (Fixed("l", answers), Fixed("r", answers)), titles=dict.fromkeys("xyz", "")
    )
    assert [(h.query, h.product_id) for h in found.queue] == [
        ("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"),
    ]  # fmt: skip
    assert found.bounds == (0.0, 0.0) and found.settled_after is None


def test_grading_a_hole_does_not_make_its_query_seen(
    tiny_workspace: Workspace, tiny_queries, tiny_texts, tmp_path: Path
) -> None:
    from engine.evaluation.query_set import holes_of, top_tens

    query = next(q for q in tiny_queries if q.split == "test")
    run = tmp_path / "other.run"
    found = [p for p in tiny_texts if p not in query.grades][:5]
    run.write_text("".join(f"{query.query_id} Q0 {p} {n} {-n} r\n" for n, p in enumerate(found, 1)))
    sides = f"run:{run}", "bm25"
    comparer = Comparer(tiny_workspace)
    before = holes_of(comparer, top_tens(comparer, *sides))
    hole = before.queue[0]
    with Verdicts(tiny_workspace.records_path) as records:
        records.add([Verdict(hole.query, hole.product_id, "E", side=sides[0], rank=1)], "ann")
    after = holes_of(comparer, top_tens(comparer, *sides))
    assert hole.pair not in {other.pair for other in after.queue}
    assert len(after.queue) == len(before.queue) - 1
    assert after.queries == before.queries == 40
    chosen = select(comparer.judged_queries(), "unseen", [comparer.side("bm25")])
    assert hole.query_id in {query.query_id for query in chosen}
    comparer.close()


# Doubtful judgments


def test_sources_that_disagree_contradict_and_a_corrected_file_does_not() -> None:
    imported = [
        Given("q1", "Red Tents", "p1", "I", "/a/old.csv"),
        Given("q1", "Red Tents", "p1", "E", "/a/old.csv"),
        Given("q1", "Red Tents", "p2", "S", "/a/old.csv"),
        Given("q1", "Red Tents", "p2", "C", "/b/new.csv"),
        Given("q7", "red tent", "p3", "E", "/a/old.csv"),
        Given("q1", "Red Tents", "p3", "I", "/a/old.csv"),
        Given("q2", "lamp", "p1", "C", "/a/old.csv"),
    ]
    said = [
        Verdict("lamp", "p1", "E", judge="ann", number=1),
        Verdict("lamps", "p1", "C", judge="ann", number=2),
        Verdict("red tent", "p4", "E", judge="ann", number=3),
        Verdict("red  tents", "p4", "S", judge="bob", number=4),
    ]
    found = contradictory(imported, said, (), GAINS)
    told = {doubt.product_id: dict(doubt.evidence) for doubt in found}
    assert told == {
        "p2": {"old.csv": "S", "new.csv": "C"},
        "p3": {"old.csv, q7": "E", "old.csv, q1": "I"},
        "p4": {"ann": "E", "bob": "S"},
    }
    assert [doubt.product_id for doubt in found] == ["p3", "p4", "p2"]
    # Spellings that were separated are two queries.
    assert "p4" not in {d.product_id for d in contradictory([], said, {"red tent"}, GAINS)}


def test_pairs_that_stand_twice_and_texts_with_two_grades_are_duplicates() -> None:
    queries = [
        JudgedQuery("q1", "tents", grades={"p1": "E", "p2": "E", "p3": "I", "p4": "S"}),
        JudgedQuery("q2", "Tent", grades={"p1": "E", "p2": "S"}),
        JudgedQuery("q3", "lamp", grades={"p1": "E"}),
    ]
    texts = {"p2": "same", "p3": "same", "p1": "one", "p4": "one"}
    found = duplicate(queries, texts, (), GAINS)
    assert [(d.query, d.product_id, dict(d.evidence)) for d in found] == [
        ("tents", "p2", {"p2": "E", "p3": "I"}),
        ("tents", "p1", {"p1": "E", "p4": "S"}),
        ("tents", "p1", {"q1": "E", "q2": "E"}),
    ]


def test_only_a_grade_that_every_side_disagrees_with_is_suspicious() -> None:
    filler = [f"f{n}" for n in range(300)]
    deep, deeper = [*filler[:DEEP], "late", *filler[DEEP:]], [*filler[:150], "late"]
    grades = {"late": "E", "f0": "I", "f1": "I", "f5": "I", "gone": "E", "f200": "E"}
    query = JudgedQuery("q1", "tent", grades=grades)
    catalog = {*filler, "late"}
    sides = [
        Fixed("a", {"tent": deep}),
        Fixed("b", {"tent": ["f0", "f3", "f9", "f1", *deeper[4:]]}),
    ]
    found = suspicious(sides, [query], catalog)
    assert [(d.product_id, d.grade, dict(d.evidence)) for d in found] == [
        ("f200", "E", {"a": 202, "b": None}),
        ("late", "E", {"a": 101, "b": 151}),
        ("f0", "I", {"a": 1, "b": 1}),
    ]
    assert suspicious(sides, [query], catalog, {("q1", "f0")})[-1].product_id == "late"
    assert suspicious(sides[:1], [query], catalog) == []
    nothing = Fixed("c", {"tent": []})
    assert suspicious([*sides, nothing], [query], catalog) == []


def test_a_workspace_is_looked_through_and_stays_as_it_was(
    tiny_workspace: Workspace, tmp_path: Path
) -> None:
    other = tmp_path / "other.csv"
    with Records(tiny_workspace.records_path) as records:
        query = records.judged_queries()[0]
        product = query.positives()[0]
        pl.DataFrame(
            [(query.query.upper(), product, "I")],
            schema=["query", "product_id", "label"],
            orient="row",
        ).write_csv(other)
        records.add_judgments(read_judgments(other), other)
        counted = records.judgments_hash()
    comparer = Comparer(tiny_workspace)
    found = find_doubtful(comparer)
    comparer.close()
    assert found.queries >= 40 and found.sides == ("bm25",)
    (doubt,) = found.of(CONTRADICTORY)
    assert doubt.product_id == product and set(doubt.evidence.values()) == {"E", "I"}
    assert json.dumps(doubt.to_json())
    with Records(tiny_workspace.records_path) as records:
        assert records.judgments_hash() == counted
