"""Rules of a gate: how they are read, and what they hold against an evaluation."""

from __future__ import annotations

import math
from operator import ge, gt, le, lt

import pytest

from engine.errors import RankbenchError, UsageError
from engine.evaluation.evaluate import Evaluation, evaluate
from engine.evaluation.gate import check_rules
from engine.evaluation.rules import check_candidates, parse_rule
from engine.measures import DEFINITIONS
from engine.workspace import DEFAULT_GAINS
from tests.evaluation.fake_sides import ScoredSide, make_catalog, make_queries

OPS = {">=": ge, ">": gt, "<=": le, "<": lt}


def evaluation(count: int = 30, skill: float = 0.4) -> Evaluation:
    catalog = make_catalog()
    queries = make_queries(catalog, count)
    sides = [ScoredSide(n, catalog, queries, s) for n, s in (("base", 0.2), ("tuned", skill))]
    return evaluate(*sides, queries, catalog, gains=DEFAULT_GAINS, split="test")


@pytest.fixture(scope="module")
def found() -> Evaluation:
    return evaluation()


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("ndcg@10 >= base + 0.01", ("ndcg@10", "mean", ">=", 0.01)),
        ("ndcg@10>=base+.01", ("ndcg@10", "mean", ">=", 0.01)),
        ("  NDCG@10   >  Base - 1e-2 ", ("ndcg@10", "mean", ">", -0.01)),
        ("recall@50 < base", ("recall@50", "mean", "<", 0.0)),
        ("rbo_ideal.low >= base - 0.005", ("rbo_ideal", "low", ">=", -0.005)),
        ("mrr@10.high <= base + 1", ("mrr@10", "high", "<=", 1.0)),
        ("harmed <= 20%", ("ndcg@10", "harmed", "<=", 20.0)),
        ("improved>12.5 %", ("ndcg@10", "improved", ">", 12.5)),
    ],
)
def test_a_rule_is_read(text: str, read: tuple[str, str, str, float]) -> None:
    rule = parse_rule(text)
    assert (rule.measure, rule.part, rule.op, rule.number) == read
    assert rule.text == " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "place", "allowed"),
    [
        ("", "ends at column 1,", "ndcg@10"),
        ("ndcg@5 >= base", "column 1, 'ndcg@5'", "ndcg@10"),
        ("harmed.low <= 3%", "column 1, 'harmed.low'", "harmed"),
        ("ndcg@10 => base", "column 9, '=>' after 'ndcg@10'", ">=, >, <=, <"),
        ("ndcg@10 ≥ base", "column 9, '≥'", ">="),
        ("ndcg@10 == base", "column 9, '=='", ">="),
        ("ndcg@10", "ends at column 8 after 'ndcg@10'", ">="),
        ("ndcg@10 >= 0.5", "column 12, '0.5'", "base"),
        ("ndcg@10 >= baseline", "column 12, 'baseline'", "base"),
        ("ndcg@10 >= base 0.01", "column 17, '0.01'", "+, -"),
        ("ndcg@10 >= base − 0.01", "column 17, '−'", "+, -"),
        ("ndcg@10 >= base +", "ends at column 18 after '+'", "0.01"),
        ("ndcg@10 >= base + x", "column 19, 'x'", "0.01"),
        ("ndcg@10 >= base + 5", "column 19, '5'", "0 to 1"),
        ("ndcg@10 >= base + 1%", "column 20, '%'", "nothing more"),
        ("ndcg@10 >= base + 0.01 0", "column 24, '0'", "nothing more"),
        ("harmed <= 20", "ends at column 13 after '20'", "%"),
        ("harmed <= base", "column 11, 'base'", "20%"),
        ("harmed <= 120%", "column 11, '120'", "0% to 100%"),
    ],
)
def test_what_does_not_parse_is_told_with_its_place(text: str, place: str, allowed: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_rule(text, "rules.txt, line 3")
    assert place in caught.value.what and "rules.txt, line 3" in caught.value.what
    assert allowed in caught.value.todo.partition(" In all")[0]
    assert "\n" not in caught.value.what + caught.value.todo


@pytest.mark.parametrize("name", [name for name in DEFINITIONS if name != "ndcg"])
def test_rules_compare_the_means_of_the_rows(found: Evaluation, name: str) -> None:
    base = math.fsum(row.baseline[name] for row in found.rows) / 30
    tuned = math.fsum(row.candidate[name] for row in found.rows) / 30
    for op, compare in OPS.items():
        for margin in (-0.5, tuned - base - 0.001, tuned - base + 0.001, 0.5):
            rule = parse_rule(f"{name} {op} base {'-' if margin < 0 else '+'} {abs(margin):.6f}")
            (checked,) = check_rules([rule], found)
            assert checked.passed is compare(tuned, base + rule.number)
            assert checked.value == pytest.approx(tuned)
            assert checked.needed == pytest.approx(base + rule.number)


def test_an_equal_value_holds_only_where_equality_may(found: Evaluation) -> None:
    delta = found.delta["ndcg@10"]
    for part, moved in (("", delta.mean), (".low", delta.low), (".high", delta.high)):
        sign = "-" if moved < 0 else "+"
        rules = [parse_rule(f"ndcg@10{part} {op} base {sign} {abs(moved)!r}") for op in OPS]
        assert [checked.passed for checked in check_rules(rules, found)] == [True, False] * 2


def test_the_ends_ask_for_more_than_the_mean(found: Evaluation) -> None:
    delta = found.delta["ndcg@10"]
    assert delta.low < delta.mean < delta.high
    between = (delta.low + delta.mean) / 2
    rules = [parse_rule(f"ndcg@10{part} >= base + {between:.6f}") for part in ("", ".low", ".high")]
    checked = check_rules(rules, found)
    assert [rule.passed for rule in checked] == [True, False, True]
    assert [rule.close for rule in checked] == [True, False, False]
    assert checked[1].value == pytest.approx(found.baseline.means["ndcg@10"] + delta.low)


def test_shares_are_of_the_queries(found: Evaluation) -> None:
    for part, sign in (("harmed", -1), ("improved", 1)):
        count = sum(sign * row.delta["ndcg@10"] > found.unchanged for row in found.rows)
        percent = 100 * count / 30
        assert 0 < percent < 100
        texts = [f"{part} <= {percent!r}%", f"{part} < {percent!r}%", f"{part} > {percent - 1}%"]
        checked = check_rules([parse_rule(text) for text in texts], found)
        assert [rule.passed for rule in checked] == [True, False, True]
        assert (checked[0].count, checked[0].value) == (count, pytest.approx(percent))


def test_full_depth_ndcg_needs_judged_candidates() -> None:
    rules = [parse_rule("ndcg >= base")]
    check_candidates(rules, "judged")
    with pytest.raises(UsageError, match="no value over the catalog") as caught:
        check_candidates(rules, "catalog")
    assert "--candidates judged" in caught.value.todo


def test_five_queries_have_a_mean_and_no_interval_and_six_have_both() -> None:
    five = evaluation(count=5)
    assert check_rules([parse_rule("ndcg@10 >= base - 1")], five)[0].passed
    with pytest.raises(RankbenchError, match=r"takes 6 queries or more, and n is 5 \(test\)"):
        check_rules([parse_rule("ndcg@10.low >= base - 1")], five)
    assert check_rules([parse_rule("ndcg@10.low >= base - 1")], evaluation(count=6))[0].passed


@pytest.mark.parametrize("text", ["ndcg@10 >= base", "harmed <= 100%", "mrr@10.high >= base"])
def test_a_set_without_a_query_to_measure_holds_nothing(text: str) -> None:
    with pytest.raises(RankbenchError, match="positive gain"):
        check_rules([parse_rule(text)], evaluation(count=0))
