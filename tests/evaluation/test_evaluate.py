"""A query set through both sides: figures, keys, selection, groups."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import ClassVar

import pytest

from engine.catalog.queries import JudgedQuery
from engine.errors import RankbenchError, UsageError
from engine.evaluation.evaluate import breakdown, evaluate, judgments_hash, select
from engine.measures import DEFINITIONS
from tests.evaluation.fake_sides import ScoredSide, make_catalog, make_queries

GAINS = {"E": 1.0, "S": 0.1, "C": 0.01, "I": 0.0}
CATALOG = make_catalog()
QUERIES = make_queries(CATALOG)


def sides(queries=QUERIES, catalog=CATALOG) -> tuple[ScoredSide, ScoredSide]:
    return ScoredSide("base", catalog, queries, 0.5), ScoredSide("tuned", catalog, queries, 0.9)


@pytest.fixture(scope="module", params=["catalog", "judged"])
def found(request):
    return evaluate(*sides(), QUERIES, CATALOG, gains=GAINS, candidates=request.param)


def test_the_json_has_the_promised_keys(found) -> None:
    data = json.loads(json.dumps(found.to_json(per_query=True), allow_nan=False))
    assert data["queries"] == len(data["per_query"]) == 30
    assert data["excluded"] == 0
    assert data["absent"] == 3
    assert set(data["inputs"]) == {"catalog", "judgments", "measures"}
    for side, name in (("baseline", "base"), ("candidate", "tuned")):
        assert data[side]["encoder"] == name
        assert set(DEFINITIONS) | {"encoder", "build", "unanswered"} == set(data[side])
    keys = {"mean", "low", "high", "p", "improved", "unchanged", "harmed", "n"}
    keys |= {"sd", "visible", "skewness", "fragile"}
    assert all(set(delta) == keys for delta in data["delta"].values())
    row = data["per_query"][0]
    assert {"query_id", "query", "split", "seen", "baseline", "candidate", "delta"} <= set(row)
    assert "per_query" not in found.to_json()


def test_means_and_deltas_are_those_of_the_rows(found) -> None:
    for name in DEFINITIONS:
        values = [row.candidate[name] for row in found.rows]
        if None in values:
            assert name == "ndcg" and found.candidates == "catalog"
            assert found.candidate.means[name] is None
            assert found.delta[name].n == 0
            continue
        assert found.candidate.means[name] == pytest.approx(sum(values) / 30)
        difference = found.candidate.means[name] - found.baseline.means[name]
        assert found.delta[name].mean == pytest.approx(difference)
    assert found.rbo == pytest.approx(sum(row.rbo for row in found.rows) / 30)


def test_the_delta_lies_within_its_bounds(found) -> None:
    low, high = found.bounds
    assert (
        low <= found.delta["ndcg@10"].mean + 1e-12 and found.delta["ndcg@10"].mean <= high + 1e-12
    )
    assert (low < high) == (found.candidates == "catalog")


def test_both_sides_beat_the_random_floor(found) -> None:
    assert found.floor["ndcg@10"] < found.baseline.means["ndcg@10"]
    assert found.floor["rbo_ideal"] < found.baseline.means["rbo_ideal"]
    assert found.candidate.means["rbo_ideal"] > found.baseline.means["rbo_ideal"]


def test_a_side_against_itself_shows_nothing() -> None:
    base, _ = sides()
    same = evaluate(base, base, QUERIES, CATALOG, gains=GAINS)
    delta = same.delta["ndcg@10"]
    assert (delta.mean, delta.low, delta.high, delta.p) == (0.0, 0.0, 0.0, 1.0)
    assert delta.unchanged == 30
    assert same.rbo == pytest.approx(1.0)


def test_queries_without_a_gain_are_excluded_and_counted() -> None:
    hopeless = [
        JudgedQuery("bad", "bad", grades={CATALOG[1]: "I"}),
        JudgedQuery("gone", "gone", grades={"gone": "E"}),
        JudgedQuery("none", "none"),
    ]
    found = evaluate(*sides(), [*QUERIES[:5], *hopeless], CATALOG, gains=GAINS)
    assert found.excluded == ("bad", "gone", "none")
    assert found.queries == 5
    assert found.to_json()["excluded"] == 3


def test_no_query_at_all_gives_nulls() -> None:
    data = evaluate(*sides(), [], CATALOG, gains=GAINS).to_json(per_query=True)
    assert data["queries"] == 0
    assert data["baseline"]["ndcg@10"] is None
    assert data["delta"]["ndcg@10"]["mean"] is None
    assert data["bounds"] == {"ndcg@10": None}


def test_sides_are_prepared_and_progress_is_told() -> None:
    base, tuned = sides()
    told: list[tuple[int, int]] = []
    evaluate(base, tuned, QUERIES[:3], CATALOG, gains=GAINS, progress=lambda *x: told.append(x))
    assert base.prepared == tuned.prepared == ["query 0", "query 1", "query 2"]
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_no_more_is_prepared_than_is_ranked_next() -> None:
    base, tuned = sides()
    ahead: list[int] = []  # a side keeps a few thousand query vectors: a set may be larger
    evaluate(
        base, tuned, QUERIES, CATALOG, gains=GAINS,
        progress=lambda done, _: ahead.append(len(base.prepared) - done),
    )  # fmt: skip
    assert max(ahead) == 16 - 1 and len(QUERIES) > 16


def test_a_side_that_finds_nothing_counts_as_zero() -> None:
    class Silent(ScoredSide):
        def rank(self, query: str, depth: int = 1000):
            return super().rank(query, 0)

    base, _ = sides()
    found = evaluate(base, Silent("mute", CATALOG, QUERIES), QUERIES[:4], CATALOG, gains=GAINS)
    assert found.candidate.means["ndcg@10"] == 0.0
    assert found.candidate.means["judged@10"] == 0.0
    assert found.rbo == 0.0


def test_select() -> None:
    base, tuned = sides()
    tuned.trained = frozenset(q.query for q in QUERIES if q.split == "train")
    base.trained = frozenset({"query 2"})
    assert select(QUERIES, "all", [base, tuned]) == QUERIES
    assert {q.split for q in select(QUERIES, "test", [])} == {"test"}
    unseen = select(QUERIES, "unseen", [base, tuned])
    assert {q.split for q in unseen} == {"dev", "test"}
    assert "query 2" not in {q.query for q in unseen}
    with pytest.raises(UsageError):
        select(QUERIES, "tset", [])
    with pytest.raises(RankbenchError):
        select(QUERIES[:1], "test", [])
    with pytest.raises(RankbenchError):
        select([], "all", [])


def test_groups_add_up_to_the_whole(found) -> None:
    groups = breakdown(found, "stratum")
    assert list(groups) == ["met", "new"]
    assert sum(group.n for group in groups.values()) == 30
    whole = sum(group.n * group.delta["ndcg@10"].mean for group in groups.values()) / 30
    assert whole == pytest.approx(found.delta["ndcg@10"].mean)
    assert list(breakdown(found, "split")) == ["dev", "test", "train"]
    assert list(breakdown(found, "seen")) == ["unseen"]
    with pytest.raises(UsageError, match="No query has"):
        breakdown(found, "colour")
    json.dumps(groups["met"].to_json(), allow_nan=False)


def test_the_judgments_hash_follows_the_judgments() -> None:
    assert judgments_hash(QUERIES) == judgments_hash(list(reversed(QUERIES)))
    changed = [replace(QUERIES[0], grades={**QUERIES[0].grades, CATALOG[0]: "E"}), *QUERIES[1:]]
    assert judgments_hash(changed) != judgments_hash(QUERIES)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(UsageError):
        evaluate(*sides(), QUERIES, CATALOG, gains=GAINS, candidates="all")
    with pytest.raises(RankbenchError, match="gain"):
        evaluate(*sides(), QUERIES, CATALOG, gains={"E": 1.0})
    with pytest.raises(RankbenchError, match="gain"):
        evaluate(*sides(), QUERIES, CATALOG, gains={**GAINS, "S": float("nan")})
    with pytest.raises(RankbenchError, match="persistence"):
        evaluate(*sides(), QUERIES, CATALOG, gains=GAINS, p=1.0)
    with pytest.raises(RankbenchError, match="Two queries"):
        evaluate(*sides(), [QUERIES[0], QUERIES[0]], CATALOG, gains=GAINS)


class Remembering(ScoredSide):
    """Answers at once what it was asked before, so that the clock sees the evaluation alone."""

    memory: ClassVar[dict] = {}

    def _ranked(self, query, products, depth):
        key = (self.name, query, len(products), depth)
        if key not in self.memory:
            self.memory[key] = super()._ranked(query, products, depth)
        return self.memory[key]


def test_evaluating_costs_little_beside_the_search() -> None:
    catalog = make_catalog(7000)
    queries = make_queries(catalog, 120, 45)
    base, tuned = (Remembering(name, catalog, queries, 0.5) for name in ("base", "tuned"))
    evaluate(base, tuned, queries, catalog, gains=GAINS)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        evaluate(base, tuned, queries, catalog, gains=GAINS)
        seconds.append(time.perf_counter() - start)
    # Half a second at most on an idle core; the room is for a machine that others share.
    assert min(seconds) < 1.0
