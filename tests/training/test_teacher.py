"""Teachers trained from judgments, and the check of a teacher against its student."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from engine.catalog.queries import JudgedQuery
from engine.encoders.card import Card, read_card, write_card
from engine.encoders.cross_encoder import load_cross_encoder, score_pairs, weights_hash
from engine.errors import RankbenchError, UsageError
from engine.measures.query import measure_search
from engine.training.outcome import Cancelled
from engine.training.reranking import Check, candidates, check
from engine.training.teacher import teach, teach_recipe
from engine.training.teacher_rows import graded_lists
from engine.workspace import DEFAULT_GAINS

QUICK = ["max_steps=6", "lr=1e-3", "documents=6", "negatives=2"]


def part(queries: Sequence[JudgedQuery], split: str) -> list[JudgedQuery]:
    return [query for query in queries if query.split == split]


def by_words(texts):
    """A ranker that counts shared words, ties by id."""

    def rank(query: str) -> list[str]:
        words = set(query.split())
        return sorted(texts, key=lambda p: (-len(words & set(texts[p].split())), p))

    return rank


def test_the_check_measures_what_the_evaluation_measures(
    tiny_cross_encoder_dir: Path, tiny_texts, tiny_queries
) -> None:
    model = load_cross_encoder(tiny_cross_encoder_dir)
    rank = by_words(tiny_texts)
    backwards = lambda query: sorted(tiny_texts, reverse=True)  # noqa: E731
    dev = part(tiny_queries, "dev")
    nothing = JudgedQuery("none", "no hope", "dev", {"p000": "I"})
    said: list[dict] = []
    found = check(
        model, [*dev, nothing], [rank, backwards], tiny_texts, DEFAULT_GAINS,
        report=said.append, should_stop=lambda: False,
    )  # fmt: skip
    assert found.query_ids == tuple(query.query_id for query in dev)
    assert said[-1]["step"] == said[-1]["steps"] == len(dev) == 8
    for query, student, teacher in zip(dev, found.student, found.teacher, strict=True):
        pool = sorted({*rank(query.query)[:100], *backwards(query.query)[:100]})
        assert pool == candidates(query.query, [rank, backwards], tiny_texts)
        scores = score_pairs(model, query.query, [tiny_texts[p] for p in pool])
        reranked = sorted(pool, key=lambda p: (-scores[pool.index(p)], p))
        for ranked, value in ((rank(query.query), student), (reranked, teacher)):
            judged = [product for product in ranked if product in query.grades]
            judged += sorted(set(query.grades).difference(judged))
            theirs = measure_search(ranked, judged, query.grades, DEFAULT_GAINS)["ndcg@10"]
            assert value == pytest.approx(theirs, abs=1e-9)
    assert found.to_json()["delta"] == pytest.approx(
        np.mean(found.teacher) - np.mean(found.student)
    )


def test_a_teacher_beats_only_with_a_higher_mean_over_enough_queries() -> None:
    def made(student: list[float], teacher: list[float]) -> Check:
        ids = tuple(map(str, range(len(student))))
        return Check(ids, tuple(student), tuple(teacher), 10, 1.0)

    assert made([0.5] * 6, [0.6, 0.5, 0.5, 0.5, 0.5, 0.5]).beats
    assert not made([0.5] * 6, [0.5] * 6).beats
    assert not made([0.5] * 6, [0.9, 0.1, 0.1, 0.5, 0.5, 0.5]).beats
    assert not made([0.1] * 4, [0.9] * 4).beats


def test_every_judged_product_is_taught_once_and_the_unjudged_are_wrong(
    tiny_texts, tiny_queries
) -> None:
    train = part(tiny_queries, "train")
    lists = graded_lists(train, tiny_texts, teach_recipe("bce", QUICK), 3, [by_words(tiny_texts)])
    target = {"E": 1, "S": 2 / 3, "C": 1 / 3, "I": 0}
    product = {text: p for p, text in tiny_texts.items()}
    for query in train:
        rows = [row for row in lists if row.query_id == query.query_id]
        pairs = [
            (product[document], goal)
            for row in rows
            for document, goal in zip(row.documents, row.targets, strict=True)
        ]
        judged = {p: goal for p, goal in pairs if p in query.grades}
        assert judged == pytest.approx({p: target[grade] for p, grade in query.grades.items()})
        others = [goal for p, goal in pairs if p not in query.grades]
        assert len(pairs) == len({p for p, _ in pairs}) and set(others) == {0.0}
        assert len(others) == 2 * len(rows)
    again = graded_lists(train, tiny_texts, teach_recipe("bce", QUICK), 3, [by_words(tiny_texts)])
    assert lists == again


@pytest.mark.parametrize("loss", ["bce", "lambda", "listnet"])
def test_a_teacher_is_trained_saved_and_says_what_it_has_seen(
    loss: str, tiny_encoder_dir: Path, tiny_texts, tiny_queries, tmp_path: Path
) -> None:
    out = tmp_path / "teachers" / "one"
    said: list[dict] = []
    taught = teach(
        teach_recipe(loss, [*QUICK, "max_steps=12", "lr=3e-3"]), tiny_encoder_dir,
        part(tiny_queries, "train"), part(tiny_queries, "dev"), tiny_texts, out,
        rankers=[by_words(tiny_texts)], report=said.append, name="one", data={"catalog": "c"},
    )  # fmt: skip
    losses = [event["loss"] for event in said if event.get("phase") == "training"]
    assert len(losses) == 12 and np.mean(losses[-4:]) < losses[0]
    assert [path.name for path in out.parent.iterdir()] == ["one"]
    card = read_card(out)
    assert card is not None and card == taught.card
    assert set(card.trained_queries) == {q.query for q in part(tiny_queries, "train")}
    assert card.selection_queries == () and card.base == "base" and card.data["catalog"] == "c"
    assert card.scores["dev"]["n"] == 8 and card.beats_base is taught.check.beats
    assert "judgments of 24 queries" in card.note
    assert weights_hash(load_cross_encoder(out)) == card.data["weights"]
    with pytest.raises(RankbenchError, match="exists already"):
        teach(teach_recipe(loss, QUICK), tiny_encoder_dir, [], [], tiny_texts, out)


def test_a_teacher_cancelled_and_resumed_is_the_one_that_ran_through(
    tiny_encoder_dir: Path, tiny_texts, tiny_queries, tmp_path: Path
) -> None:
    train = part(tiny_queries, "train")

    def run(out: str, **options) -> str:
        recipe = teach_recipe("lambda", QUICK)
        taught = teach(recipe, tiny_encoder_dir, train, [], tiny_texts, tmp_path / out, **options)
        return taught.card.data["weights"]

    steps: list[int] = []

    def report(event: dict) -> None:
        if event.get("phase") == "training":
            steps.append(event["step"])

    with pytest.raises(Cancelled, match="no teacher was kept"):
        run("cut", report=report, should_stop=lambda: len(steps) >= 2, checkpoints=tmp_path / "c")
    assert not (tmp_path / "cut").exists() and 2 <= steps[-1] < 6
    stopped = steps[-1]
    steps.clear()
    resumed = run("cut", report=report, checkpoints=tmp_path / "c")
    assert steps[0] == stopped + 1 and steps[-1] == 6
    assert resumed == run("whole")


def test_a_teacher_goes_on_from_a_cross_encoder_and_inherits_what_that_one_saw(
    tiny_cross_encoder_dir: Path, tiny_texts, tiny_queries, tmp_path: Path
) -> None:
    import shutil

    start = Path(shutil.copytree(tiny_cross_encoder_dir, tmp_path / "start"))
    write_card(start, Card("first", trained_queries=("a thing",), parents=("base",)))
    taught = teach(
        teach_recipe("bce", QUICK), start, part(tiny_queries, "train"), [], tiny_texts,
        tmp_path / "out", base_name="first",
    )  # fmt: skip
    assert "a thing" in taught.card.seen_queries()
    assert taught.card.parents == ("first", "base") and taught.card.beats_base is None
    assert "too few dev queries" in taught.card.note


@pytest.mark.parametrize(("asked", "kept"), [(16, 16), (96, 48)])
def test_a_teacher_keeps_the_length_that_is_asked_for_wherever_it_begins(
    tiny_cross_encoder_dir: Path, tiny_texts, tiny_queries, tmp_path: Path, asked: int, kept: int
) -> None:
    """The cross-encoder that it begins with takes 48 tokens, and cannot be given more."""
    said: list[dict] = []
    taught = teach(
        teach_recipe("bce", ["max_steps=1", f"max_length={asked}"]), tiny_cross_encoder_dir,
        part(tiny_queries, "train")[:2], [], tiny_texts, tmp_path / "out", report=said.append,
    )  # fmt: skip
    model = load_cross_encoder(taught.path, "cpu")
    assert model.max_seq_length == kept == taught.card.recipe["parameters"]["max_length"]
    assert any(f"cut to {kept} tokens" in event.get("message", "") for event in said)
    long = "red tent " * 40
    near, far = (score_pairs(model, "tent", [long + word]) for word in ("pot", "lamp"))
    assert near == far


@pytest.mark.parametrize("seen", [2, 8])
def test_what_a_teacher_began_with_had_seen_of_dev_does_not_judge_it(
    tiny_cross_encoder_dir: Path, tiny_texts, tiny_queries, tmp_path: Path, seen: int
) -> None:
    import shutil

    dev = part(tiny_queries, "dev")
    start = Path(shutil.copytree(tiny_cross_encoder_dir, tmp_path / "start"))
    known = tuple(query.query for query in dev[:seen])
    write_card(start, Card("first", trained_queries=known[:1], selection_queries=known[1:]))
    taught = teach(
        teach_recipe("bce", QUICK), start, part(tiny_queries, "train"), dev, tiny_texts,
        tmp_path / "out", base_name="first", rankers=[by_words(tiny_texts)],
        student_seen=[dev[0].query, dev[7].query],
    )  # fmt: skip
    assert f"{seen} dev queries left out" in taught.card.note
    if seen == 8:
        assert taught.check is None and "too few dev queries" in taught.card.note
        return
    assert taught.check.query_ids == tuple(query.query_id for query in dev[2:])
    assert taught.card.scores["dev"]["n"] == 6 and taught.card.scores["dev"]["favoured"] == 1


def test_what_cannot_be_taught_is_told_before_any_training(
    tiny_encoder_dir: Path, tiny_texts, tiny_queries, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no parameter"):
        teach_recipe("bce", ["epoch=1"])
    with pytest.raises(UsageError, match="no loss"):
        teach_recipe("hinge")
    bad = [JudgedQuery("q", "red tent", "train", {"p000": "I", "p001": "C"})]
    for queries in ([], bad):
        with pytest.raises(RankbenchError, match="nothing to teach"):
            teach(teach_recipe(), tiny_encoder_dir, queries, [], tiny_texts, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
