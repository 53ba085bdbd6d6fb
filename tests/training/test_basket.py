"""The basket: what each verdict becomes, where positives come from, and what refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from engine.catalog.queries import JudgedQuery
from engine.errors import RankbenchError
from engine.records import Verdict, merge
from engine.training.basket import Basket, basket
from engine.training.flags import flag_examples
from engine.training.near import Near
from engine.training.recipe import load_recipe

TEXTS = {f"p{n}": f"title number {n}" for n in range(300)}
TRAIN = JudgedQuery("q1", "red tent", "train", {"p0": "E", "p1": "E", "p2": "S", "p3": "I"})
TEST = JudgedQuery("q2", "blue winter jacket", "test", {"p0": "E", "p5": "I"})
DEV = JudgedQuery("q3", "kettle", "dev", {"p6": "E"})
FLAGS = load_recipe("flags")


def top(side: str, query: str) -> list[str]:
    """The base finds p0 to p9, bm25 the same from p4 on and in turn; no other side answers."""
    found = {"base": range(10), "bm25": (9, 8, 7, 6, 5, 4, 20, 21, 22, 23)}
    return [f"p{n}" for n in found.get(side, ())]


def said(query: str, product: str, grade: str = "I", **more: object) -> Verdict:
    values = {"judge": "ann", "bad": grade == "I", "side": "base", **more}
    return Verdict(query, product, grade, **values)  # type: ignore[arg-type]


def make(verdicts: Sequence[Verdict], *imported: JudgedQuery, **options: object) -> Basket:
    numbered = [replace(verdict, number=n) for n, verdict in enumerate(verdicts, 1)]
    merged = merge(imported or (TRAIN, TEST, DEV), numbered)
    return basket(merged, TEXTS, top, FLAGS, **options)  # type: ignore[arg-type]


def becomes(found: Basket) -> dict[str, str]:
    return {row.product_id: row.becomes for group in found.groups for row in group.rows}


def test_a_flag_is_set_against_the_exact_results_peoples_first() -> None:
    found = make([said("red tent", "p3"), said("red tent", "p9", "E"), said("red tent", "p0", "S")])
    assert becomes(found) == {"p3": "negative", "p9": "positive", "p0": "negative"}
    (group,) = found.groups
    assert [(p.product_id, p.source) for p in group.positives] == [
        ("p9", "graded"),
        ("p1", "judged"),
    ]
    assert set(group.pairs) == {(p, n) for p in ("p9", "p1") for n in ("p3", "p0")}
    assert (found.pairs, found.negatives, found.positives) == (4, 2, 2)
    assert found.flagged() == {("q1", "p3")}  # a Substitute is no result to push out
    found.check()


def test_spellings_that_share_verdicts_count_once() -> None:
    again = JudgedQuery("q9", "Red Tents", "train", {"p1": "E"})
    found = make([said("red  tents", "p3")], TRAIN, again)
    assert len(found.groups) == 1 and found.negatives == 1


def test_a_side_called_base_is_asked_where_another_encoder_is_tuned() -> None:
    asked = []

    def tops(side: str, query: str) -> list[str]:
        asked.append(side)
        return [f"p{n}" for n in {"base": range(4, 14), "flags-01": range(10)}[side]]

    merged = merge([TRAIN], [said("lamp", "p8"), said("lamp", "p0", side="flags-01")])
    found = basket(merged, TEXTS, tops, FLAGS, base="flags-01")
    assert asked == ["flags-01", "base"]
    # p0 to p3 are the tuned one's alone.
    assert found.groups[0].positives[0].product_id == "p4"


def test_what_was_deselected_is_no_negative_in_any_row() -> None:
    query = JudgedQuery("q1", "red tent", "train", {"p0": "E"})
    other = JudgedQuery("q7", "green lamp", "train", {"p20": "E", "p21": "I"})
    words = [said("red tent", "p1", "E"), said("red tent", "p2", "I")]
    out = [("Red Tents", "p2")]
    found = make(words, query, other, deselected=out)
    assert becomes(found) == {"p1": "positive", "p2": "left out: deselected"}
    assert found.groups[0].pairs == (("p1", ""),)
    both = make(words, query, other, deselected=out, source="both")
    merged = merge([query, other], words)
    rows = flag_examples(both, merged.queries, TEXTS, FLAGS, 0).rows
    assert both.judged + both.pairs == len(rows)
    judged = [row for row in rows if row.query == "red tent"][both.pairs :]
    # Its only negative is gone: what is left is any other query's product.
    assert judged and not any("p2" in row.negative_ids for row in judged)
    assert set(make(words, query, other).groups[0].pairs) == {("p0", "p2"), ("p1", "p2")}


def test_a_held_out_query_that_the_files_own_splits_leave_beside_a_train_query_is_seen() -> None:
    train = JudgedQuery("q5", "two person tent green large", "train", {"p0": "E"})
    test = JudgedQuery("q6", "green large two person tent", "test", {"p0": "E"})
    found = make([said(train.query, "p7")], train, test)
    assert becomes(found) == {"p7": "negative"}
    assert found.groups[0].near == (Near("q6", test.query, "test", "words"),)
    assert found.touched() == {"q5", "q6"}
    assert any("counted as seen" in note and "1 query" in note for note in found.notes)
    plain = make([said("red tent", "p3")])
    assert plain.groups[0].near == () and not any("seen" in note for note in plain.notes)


def test_without_an_exact_result_the_best_of_the_agreed_top_is_taken_and_said() -> None:
    found = make([said("lamp", "p0"), said("lamp", "p9"), said("lamp", "p8", side="bm25")])
    (group,) = found.groups
    # p9 and p8 are wrong, and of the others in both lists p4 to p7 have equal sums of ranks.
    assert [p.source for p in group.positives] == ["agreed top"]
    assert group.positives[0].product_id in {"p4", "p5", "p6", "p7"}
    assert group.note == f"positive taken from the agreed top: {group.positives[0].text}"
    assert any("agreed top" in note for note in found.notes)
    alone = make([said("lamp", "p0"), said("lamp", "p2", side="gone-01")])
    assert alone.groups[0].positives[0].product_id == "p1"


def test_an_exact_result_graded_down_is_not_replaced_by_the_agreed_top() -> None:
    shoe = JudgedQuery("q4", "red shoe", "train", {"p1": "E", "p2": "S"})
    found = make([said("red shoe", "p1")], shoe)
    (group,) = found.groups
    assert not group.pairs and "graded down" in group.note
    assert "no Exact result" in found.refusal
    # What a person calls right is.
    found = make([said("red shoe", "p1"), said("red shoe", "p3", "E")], shoe)
    assert found.groups[0].pairs == (("p3", "p1"),)


def test_nothing_that_anyone_graded_below_exact_is_an_agreed_positive() -> None:
    minority = [said("lamp", "p1", "S", judge="bob"), said("lamp", "p1", "E", judge="cid")]
    found = make([said("lamp", "p0"), *minority, said("lamp", "p1", "I", judge="dee")])
    assert found.groups[0].positives[0].product_id == "p2"


def test_flags_of_test_and_dev_queries_are_left_out_unless_asked_for() -> None:
    verdicts = [said("blue winter jackets", "p7"), said("kettle", "p8"), said("red tent", "p3")]
    found = make(verdicts)
    assert becomes(found)["p7"] == "left out: a test query"
    assert becomes(found)["p8"] == "left out: a dev query"
    assert found.negatives == 1 and any("left out" in note for note in found.notes)
    assert make(verdicts, include_test=True).negatives == 3


def test_a_query_that_nearly_repeats_a_test_query_is_a_test_query() -> None:
    found = make([said("winter blue jacket", "p7")])
    assert becomes(found)["p7"] == "left out: nearly the same as a test query"
    with pytest.raises(RankbenchError, match="dev and test") as caught:
        found.check()
    assert "--include-test" in caught.value.todo
    asked = make([said("winter blue jacket", "p7")], include_test=True)
    assert asked.groups[0].near == (Near("q2", TEST.query, "test", "words"),)
    assert asked.touched() == {asked.groups[0].query_id, "q2"}


def test_verdicts_on_the_products_of_a_test_query_make_a_test_query() -> None:
    test = replace(TEST, grades={f"p{n}": "E" for n in range(5, 9)})
    three = [said("windbreaker", f"p{n}") for n in (5, 6, 7)]
    found = make(three, TRAIN, test)
    assert set(becomes(found).values()) == {"left out: judged on the products of a test query"}
    assert "dev and test" in found.refusal
    assert make(three, TRAIN, test, include_test=True).touched() >= {"q2"}
    assert make(three[:2], TRAIN, test).negatives == 2


def test_shared_products_say_nothing_in_a_densely_judged_set() -> None:
    grades = {f"p{n}": "E" for n in range(5, 9)}
    pool = [JudgedQuery(f"q{n}", f"word{n}", "test", grades) for n in range(12)]
    found = make([said("windbreaker", f"p{n}", "E") for n in (5, 6, 7)], *pool)
    assert found.groups[0].near == () and found.groups[0].split == ""


def test_only_exact_products_link_where_all_grades_link_everything() -> None:
    shared = {f"p{n}": "I" for n in range(3)}
    pool = [
        JudgedQuery(
            f"q{n}", f"word{n}", "test", {**shared, **{f"p{20 * n + i}": "E" for i in (5, 6, 7)}}
        )
        for n in range(12)
    ]
    irrelevant = make([said("windbreaker", f"p{n}") for n in range(3)], *pool)
    assert irrelevant.groups[0].near == ()
    exact = make([said("windbreaker", f"p{20 + i}", "E") for i in (5, 6, 7)], *pool)
    assert [near.query_id for near in exact.groups[0].near] == ["q1"]


def test_what_cannot_be_an_example_says_why() -> None:
    texts = {**TEXTS, "p4": "", "p5": TEXTS["p0"]}
    verdicts = [said("red tent", p) for p in ("p3", "p4", "p5", "gone", "p6")]
    merged = merge([TRAIN], verdicts)
    found = basket(merged, texts, top, FLAGS, deselected=[("Red Tents", "p6")])
    assert becomes(found) == {
        "p3": "negative",
        "p4": "left out: its text is empty",
        "p5": "left out: its text is that of an Exact result",
        "gone": "left out: not in the catalog",
        "p6": "left out: deselected",
    }


def test_judges_who_disagree_are_counted_and_the_majority_decides() -> None:
    votes = [("ann", "I"), ("bob", "E"), ("cid", "E")]
    found = make([said("red tent", "p3", grade, judge=judge) for judge, grade in votes])
    assert becomes(found) == {"p3": "positive"}
    assert any("disagree on 1 result" in note for note in found.notes)


@pytest.mark.parametrize(
    ("verdicts", "word"),
    [
        ([], "no verdicts"),
        ([said("red tent", "gone")], "not in the catalog"),
        ([said("blue winter jacket", "p1")], "dev and test"),
    ],
)
def test_a_basket_without_a_pair_refuses_with_the_reason(
    verdicts: list[Verdict], word: str
) -> None:
    found = make(verdicts)
    assert word in found.refusal and found.todo and found.pairs == 0
    with pytest.raises(RankbenchError):
        found.check()


def test_three_flags_without_positives_and_without_a_base_refuse() -> None:
    merged = merge([TRAIN], [said("lamp", f"p{n}") for n in range(3)])
    found = basket(merged, TEXTS, lambda side, query: (), FLAGS)
    assert "no Exact result" in found.refusal and "Grade" in found.todo


def test_one_flag_is_enough_and_says_how_little_it_is() -> None:
    found = make([said("red tent", "p3")])
    assert found.pairs == 2 and not found.refusal
    assert any("one query only" in note for note in found.notes)
    assert found.replay >= 3 * found.pairs


def test_five_hundred_contradictory_flags_are_settled_by_the_newest() -> None:
    half = [said("lamp", f"p{n}", judge="ann") for n in range(250)]
    other = [said("lamp", f"p{n}", "E", judge="bob") for n in range(250)]
    found = make([*half, *other])
    assert set(becomes(found).values()) == {"positive"}
    assert any("disagree on 250" in note for note in found.notes)


def test_ten_thousand_flags_are_drawn_down_to_what_a_run_can_hold() -> None:
    verdicts = [
        said(f"query {n // 10} of many", f"p{n % 300}", "E" if n % 10 == 0 else "I")
        for n in range(10_000)
    ]
    found = make(verdicts)
    assert found.pairs == FLAGS["max_rows"]
    # Every query keeps a part.
    assert sum(bool(group.pairs) for group in found.groups) == 1000
    assert any("max_rows" in note for note in found.notes)
    assert found == make(verdicts)


def test_what_a_run_cannot_hold_is_said_to_be_left_out() -> None:
    verdicts = [said("red tent", f"p{n}") for n in range(10, 60)]
    full = make(verdicts)
    assert (full.pairs, full.negatives) == (100, 50)
    few = replace(FLAGS, parameters={**FLAGS.parameters, "max_rows": 10})
    found = basket(merge((TRAIN,), verdicts), TEXTS, top, few)
    assert (found.pairs, found.negatives) == (10, 10)
    (group,) = found.groups
    assert set(group.becoming("negative")) == {negative for _, negative in group.pairs}
    assert len(found.flagged()) == 10
    assert list(becomes(found).values()).count("left out: beyond `max_rows`") == 40
    # Before any has a second pair, each has its first.
    most = replace(FLAGS, parameters={**FLAGS.parameters, "max_rows": 60})
    assert basket(merge((TRAIN,), verdicts), TEXTS, top, most).negatives == 50


def test_judgments_add_their_rows() -> None:
    queries = [replace(TRAIN, query_id="q7", query="green lamp"), TRAIN]
    found = make([said("red tent", "p3")], *queries, source="both")
    assert found.judged == 4


def test_the_hash_follows_the_verdicts() -> None:
    one, other = make([said("red tent", "p3")]), make([said("red tent", "p2")])
    assert one.verdicts_hash != other.verdicts_hash
    assert one.verdicts_hash == make([said("red tent", "p3")]).verdicts_hash
