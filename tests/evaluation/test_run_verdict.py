"""The verdict on a run: the call by the interval, the flagged results' ranks, the worst queries."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from engine.evaluation.evaluate import evaluate
from engine.evaluation.intervals import Delta, paired_delta
from engine.evaluation.run_verdict import DO_NOT, NOT_SHOWN, SAFE, call_of, judge_run
from engine.workspace import DEFAULT_GAINS
from tests.evaluation.fake_sides import ScoredSide, make_catalog, make_queries
from workbench.commands.verdict_page import show_page
from workbench.run_page import run_lines

CATALOG = make_catalog()
QUERIES = make_queries(CATALOG)


@dataclass(frozen=True)
class Given:
    query: str
    before: dict[str, str]
    after: dict[str, str]
    fall: tuple[str, ...]
    rise: tuple[str, ...] = field(default=())


def sides(skill: float, base_skill: float = 0.3) -> tuple[ScoredSide, ScoredSide]:
    base = ScoredSide("base", CATALOG, QUERIES, base_skill)
    return base, ScoredSide("base", CATALOG, QUERIES, skill, build="b2")


def run(skill: float, base_skill: float = 0.3, flagged: tuple[Given, ...] = ()):
    base, tuned = sides(skill, base_skill)
    unseen = evaluate(base, tuned, QUERIES, CATALOG, gains=DEFAULT_GAINS)
    return judge_run(base, tuned, flagged, unseen, DEFAULT_GAINS, dict.fromkeys(CATALOG), 12.0)


@pytest.mark.parametrize(
    ("low", "high", "call"),
    [
        (0.01, 0.05, SAFE),
        (-0.019, 0.03, SAFE),
        (-0.02, 0.03, NOT_SHOWN),
        (-0.3, 0.2, NOT_SHOWN),
        (-0.019, -0.001, DO_NOT),
        (-0.2, -0.1, DO_NOT),
        (None, None, NOT_SHOWN),
    ],
)
def test_the_call_follows_the_interval(low: float, high: float, call: str) -> None:
    delta = Delta(0.0 if low is None else (low + high) / 2, low, high, 0.5, 1, 1, 1, 30)
    found, why = call_of(delta)
    assert found == call and "n 30" in why


@pytest.mark.parametrize(
    ("deltas", "call"),
    [
        ([0.1, 0.1], NOT_SHOWN),
        ([0.05] * 19, NOT_SHOWN),
        ([0.05] * 20, SAFE),
        ([-0.1] * 6, DO_NOT),
        ([-0.1] * 5, NOT_SHOWN),
    ],
)
def test_few_queries_show_nothing_safe_however_alike_they_are(
    deltas: list[float], call: str
) -> None:
    n = len(deltas)
    found, why = call_of(paired_delta(np.zeros(n), np.array(deltas)))
    assert found == call
    if call == NOT_SHOWN:
        assert f"only {n} queries that no training has seen, too few" in why
        assert f"{deltas[0]:+.3f}" in why and f"n {n}" in why


def test_without_unseen_queries_nothing_is_shown_safe() -> None:
    base, tuned = sides(0.5)
    found = judge_run(base, tuned, (), None, DEFAULT_GAINS, dict.fromkeys(CATALOG))
    assert found.call == NOT_SHOWN and found.unseen is None and found.worst == ()


def test_a_better_run_is_safe_and_a_worse_one_names_its_worst_queries() -> None:
    assert run(0.9).call == SAFE
    worse = run(0.1, base_skill=0.9)
    assert worse.call == DO_NOT and len(worse.worst) == 5
    losses = [row.tuned - row.base for row in worse.worst]
    assert losses == sorted(losses) and losses[-1] < -0.01
    assert worse.rbo is not None and 0 < worse.rbo < 1


def test_a_run_says_how_few_hits_were_judged_where_the_others_could_turn_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    few = run(0.9)  # most of the catalog is unjudged
    evaluation = evaluate(*sides(0.9), QUERIES, CATALOG, gains=DEFAULT_GAINS)
    low, high = evaluation.bounds
    shares = [side.means["judged@10"] for side in (evaluation.baseline, evaluation.candidate)]
    assert few.call == SAFE and low < 0 < high and list(few.judged) == shares
    told = [f"{100 * shares[0]:.0f} % (base)", f"{100 * shares[1]:.0f} % (tuned)", "turn its sign"]
    assert all(part in few.caution for part in [*told, f"{low:+.3f}", f"{high:+.3f}"])
    show_page(few.to_json())
    assert few.caution in capsys.readouterr().out
    lines = run_lines(few.to_json(), {}, 78)
    page = " ".join("".join(text for _, text in line).strip() for line in lines)
    assert told[0] in page and "turn its sign" in page
    assert all(len("".join(text for _, text in line)) <= 78 for line in lines)
    judged = [
        replace(query, grades={**dict.fromkeys(CATALOG, "I"), **query.grades}) for query in QUERIES
    ]
    base, tuned = (ScoredSide("base", CATALOG, judged, skill) for skill in (0.3, 0.9))
    unseen = evaluate(base, tuned, judged, CATALOG, gains=DEFAULT_GAINS)
    sure = judge_run(base, tuned, (), unseen, DEFAULT_GAINS, dict.fromkeys(CATALOG))
    assert sure.judged == (1.0, 1.0) and sure.caution == ""
    older = {k: v for k, v in few.to_json().items() if k not in ("caution", "judged", "bounds")}
    assert run_lines(older, {}, 78)


def test_flagged_results_are_followed_and_scored_before_and_after_the_flags() -> None:
    base, _ = sides(0.3)
    query = next(q for q in QUERIES if "E" in q.grades.values() and "gone" not in q.grades)
    top = base.rank(query.query).product_ids
    wrong = next(p for p in top if query.grades.get(p) != "E")
    before = {**query.grades, wrong: "E"}
    given = Given(
        query.query, before, {**before, wrong: "I"}, (wrong, "not there"), tuple(query.positives())
    )
    found = run(0.9, flagged=(given,)).flagged[0]
    assert [m.product_id for m in found.moved if m.wanted == "fall"] == [wrong]
    assert {m.product_id for m in found.moved if m.wanted == "rise"} == set(query.positives())
    assert found.moved[0].base == top.index(wrong) + 1
    # The base is not another ranking than before: only what is held against it has changed.
    assert found.imported[0] != found.merged[0]


def test_the_counts_of_what_left_the_top_ten() -> None:
    given = Given("query 1", {}, {"p1": "I", "p2": "I"}, ("p1", "p2"))
    verdict = run(0.5, flagged=(given,))
    query = verdict.flagged[0]
    assert query.imported == (None, None)
    moved = tuple(
        replace(m, base=base, tuned=tuned)
        for m, base, tuned in zip(query.moved, (1, 40), (30, None), strict=True)
    )
    changed = replace(verdict, flagged=(replace(query, moved=moved),))
    assert changed.left_top_ten == (1, 1)
    assert changed.mean_ranks() == (20.5, (30 + 1001) / 2)
    assert changed.to_json()["mean_ranks"] == {"fall": (20.5, 515.5), "rise": None}
    assert changed.to_json()["ndcg"] == {"imported": None, "merged": verdict.mean_ndcg("merged")}
    pair = replace(query, imported=(0.2, 0.6), merged=(None, 0.1))
    two = replace(verdict, flagged=(pair, replace(pair, imported=(0.4, 0.4)), query))
    assert two.mean_ndcg("imported") == (pytest.approx(0.3), pytest.approx(0.5), 2)


def test_one_result_that_is_not_found_does_not_swamp_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ids = [f"p{n}" for n in range(1, 7)]
    given = Given("query 1", {}, dict.fromkeys(ids, "I"), tuple(ids))
    verdict = run(0.5, flagged=(given,))
    (query,) = verdict.flagged
    assert len(query.moved) == 6
    ranks = zip((1, 2, 3, 5, 6, None), (4, 12, 13, 14, 34, None), strict=True)
    moved = [
        replace(m, base=base, tuned=tuned)
        for m, (base, tuned) in zip(query.moved, ranks, strict=True)
    ]
    told = replace(verdict, flagged=(replace(query, moved=moved),)).to_json()
    assert told["median_ranks"] == {"fall": (4.0, 13.5, 6), "rise": None}
    show_page(told)
    assert "should fall (n 6): median rank 4.0 -> 13.5, 4 of 5 left" in capsys.readouterr().out
    page = "\n".join("".join(text for _, text in line) for line in run_lines(told, {}, 100))
    assert "should fall      median rank 4.0 → 13.5 (n 6 results)" in page and "> 1,000" in page
    gone = [replace(m, tuned=None) for m in moved[:2]]
    told = replace(verdict, flagged=(replace(query, moved=gone),)).to_json()
    assert told["median_ranks"]["fall"] == (1.5, None, 2)
    show_page(told)
    assert "median rank 1.5 -> past 1,000" in capsys.readouterr().out
