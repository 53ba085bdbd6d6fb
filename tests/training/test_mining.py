"""Hard negatives with a teacher's word: what is left out, what the card says, what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.catalog.queries import JudgedQuery
from engine.encoders.card import Card
from engine.encoders.cross_encoder import load_cross_encoder, score_pairs, weights_hash
from engine.encoders.load import SentenceEncoder, load_model
from engine.errors import RankbenchError, UsageError
from engine.experiments.crossval import crossval
from engine.experiments.search_space import space_of
from engine.jobs.material import fixed_settings
from engine.jobs.train import check
from engine.training.examples import Example, Examples, build_examples
from engine.training.mining import Labels, mine
from engine.training.recipe import load_recipe
from engine.training.selection import fast_inference
from engine.training.teachers import Teacher
from engine.training.train import train
from engine.workspace import Workspace

PLAIN = load_recipe("hard-negatives").with_set(["max_per_query=2", "negatives=1", "mine_to=500"])


@pytest.fixture
def train_queries(tiny_queries: list[JudgedQuery]) -> list[JudgedQuery]:
    return [query for query in tiny_queries if query.split == "train"][:6]


def mined(
    encoder: Path, queries: Sequence[JudgedQuery], texts: dict[str, str], labels: Labels | None
) -> tuple[Examples, list[dict[str, Any]]]:
    examples = build_examples(queries, texts, max_per_query=2, negatives=1, seed=0)
    events: list[dict[str, Any]] = []
    model = load_model(encoder, "cpu")
    return mine(model, examples, texts, PLAIN, events.append, lambda: False, labels), events


def test_a_teacher_leaves_out_what_it_scores_as_high_as_the_positive(
    tiny_encoder_dir: Path, tiny_cross_encoder_dir: Path, tiny_texts, train_queries
) -> None:
    teacher = load_cross_encoder(tiny_cross_encoder_dir, "cpu")

    def lead(row: Example) -> float:
        """By how much the teacher prefers the mined product to the positive."""
        wrong, right = score_pairs(teacher, row.query, [row.negatives[0], row.positive])
        return float(wrong - right)

    def run(labels: Labels | None) -> tuple[Examples, list[dict[str, Any]]]:
        return mined(tiny_encoder_dir, train_queries, tiny_texts, labels)

    own = build_examples(train_queries, tiny_texts, max_per_query=2, negatives=1, seed=0)
    plain, _ = run(None)
    found, events = run(Labels(teacher))
    assert any(lead(row) > 0 for row in plain.rows)
    left = [row for row in found.rows if row not in own.rows]
    assert len(left) > len(found.rows) / 2 and all(lead(row) <= 0 for row in left)
    # Where the teacher had nothing against what was mined first, that stays.
    for before, after in zip(plain.rows, found.rows, strict=True):
        assert (before.negatives == after.negatives) == (lead(before) <= 0)
    told = [event["step"] for event in events if event["phase"] == "labelling"]
    assert told == [1, 2, 3, 4, 5, 6]
    assert any("the teacher takes for right" in note for note in found.notes)
    # Far below the positive is as good as right: nothing mined is left.
    with pytest.raises(RankbenchError, match="or that the teacher takes for right"):
        run(Labels(teacher, margin=1000.0))


@pytest.mark.parametrize("negatives", [1, 2, 3])
def test_what_a_round_says_of_its_rows_is_so(
    negatives: int, tiny_encoder_dir: Path, tiny_texts, train_queries
) -> None:
    """Of two or more negatives the first stays judged: one less is mined for a full row."""
    own = build_examples(train_queries, tiny_texts, max_per_query=2, negatives=negatives, seed=0)
    model = load_model(tiny_encoder_dir, "cpu")
    ids = sorted(tiny_texts)
    with fast_inference(model):
        documents = SentenceEncoder(model).encode_documents([tiny_texts[p] for p in ids])
        queries = SentenceEncoder(model).encode_queries([row.query for row in own.rows])
    seen = set()
    for last in (25, 50, 75, 100, 220):
        missing = []
        for row, cosines in zip(own.rows, queries @ documents.T, strict=True):
            grades = next(q.grades for q in train_queries if q.query_id == row.query_id)
            near = np.argsort(-cosines, kind="stable")[:last]
            most = cosines[ids.index(row.positive_id)]
            fit = [ids[n] for n in near if cosines[n] <= most and grades.get(ids[n]) != "E"]
            more = set(fit).difference(row.negative_ids[: negatives > 1])
            missing.append(max(0, negatives - (negatives > 1) - len(more)))
        short, bare = np.count_nonzero(missing), missing.count(max(1, negatives - 1))
        settings = [f"negatives={negatives}", f"mine_to={last}", "near=1"]
        found = mine(
            model, own, tiny_texts, PLAIN.with_set(settings), lambda event: None, lambda: False
        )
        expected = [
            f"{short} of {len(missing)} rows had too few hard negatives and kept judged ones"
        ]
        expected = expected * bool(short)
        expected += [f"for {bare} of {len(missing)} rows nothing was mined at all"] * bool(bare)
        assert list(found.notes[len(own.notes) :]) == expected
        assert all(len(row.negative_ids) == negatives for row in found.rows)
        seen |= {short > 0, bare > 0}
    assert seen == {True, False}


def test_a_round_that_mines_nothing_is_an_error(
    tiny_encoder_dir: Path, tiny_texts, train_queries
) -> None:
    own = build_examples(train_queries, tiny_texts, max_per_query=2, negatives=2, seed=0)
    recipe = PLAIN.with_set(["negatives=2", "mine_to=1", "near=0"])
    with pytest.raises(RankbenchError, match="for any row: ranks 1 to 1 of their queries"):
        mine(
            load_model(tiny_encoder_dir, "cpu"), own, tiny_texts, recipe,
            lambda event: None, lambda: False,
        )  # fmt: skip


def test_ranks_that_hold_nothing_are_refused_before_any_training(
    tiny_texts, train_queries, tmp_path: Path
) -> None:
    for first, last in ((50, 10), (20, 20)):
        with pytest.raises(UsageError, match="no ranks to mine"):
            PLAIN.with_set([f"mine_from={first}", f"mine_to={last}"])
    deep = PLAIN.with_set(["mine_from=220", "mine_to=300"])
    with pytest.raises(RankbenchError, match="passes over all 220 products"):
        train(deep, tmp_path / "nowhere", train_queries, [], tiny_texts, tmp_path / "out")


def test_the_encoder_has_seen_what_its_teacher_has(
    tiny_encoder_dir: Path, tiny_cross_encoder_dir: Path, tiny_texts, train_queries, tmp_path: Path
) -> None:
    card = Card("t", trained_queries=("pink whale", train_queries[0].query))
    teacher = Teacher("t", tiny_cross_encoder_dir, card)
    quick = ["teacher=t", "max_steps=1", "first_epochs=0", "dev_products=40"]
    made = train(
        PLAIN.with_set(quick), tiny_encoder_dir, train_queries, [], tiny_texts, tmp_path / "out",
        teacher=teacher, device="cpu",
    )  # fmt: skip
    assert made.card.inherited_queries == ("pink whale",)
    assert made.card.data["teacher"] == weights_hash(load_cross_encoder(tiny_cross_encoder_dir))
    assert made.card.recipe is not None and made.card.recipe["parameters"]["teacher"] == "t"


def test_without_a_teacher_a_recipe_has_the_settings_it_always_had() -> None:
    assert "teacher" not in PLAIN.parameters and "teacher_margin" not in PLAIN.parameters
    named = PLAIN.with_set(["teacher=t", "teacher_margin=0.5"])
    assert (named["teacher"], named["teacher_margin"]) == ("t", 0.5)
    assert named.with_set(["teacher=", "teacher_margin=0"]) == PLAIN
    with pytest.raises(UsageError, match="without a teacher"):
        PLAIN.with_set(["teacher_margin=0.5"])
    with pytest.raises(UsageError, match="no parameter 'teacher'"):
        load_recipe("infonce").with_set(["teacher=t"])


def test_a_teacher_that_is_none_or_may_have_seen_the_folds_is_refused(
    tiny_workspace: Workspace, tiny_encoder_dir: Path, tiny_texts, train_queries, tmp_path: Path
) -> None:
    def params(teacher: object) -> dict[str, Any]:
        return {"recipe": "hard-negatives", "set": [f"teacher={teacher}"]}

    with pytest.raises(RankbenchError, match="no teacher called 'nobody'"):
        check(tiny_workspace, params("nobody"))
    with pytest.raises(RankbenchError, match="is no cross-encoder"):
        check(tiny_workspace, params(tiny_encoder_dir))
    named = PLAIN.with_set(["teacher=t"])
    with pytest.raises(RankbenchError, match="Nobody knows who the teacher 't' is"):
        train(named, tiny_encoder_dir, train_queries, [], tiny_texts, tmp_path / "out")
    with pytest.raises(RankbenchError, match="fold holds out"):
        crossval(named, tiny_encoder_dir, tiny_texts, train_queries, tmp_path / "folds")
    with pytest.raises(UsageError, match="not swept with a teacher"):
        space_of(named)


def test_a_job_finds_the_teacher_wherever_it_runs(
    tiny_workspace: Workspace, tiny_cross_encoder_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_cross_encoder_dir.parent)
    found = fixed_settings(tiny_workspace, ["rounds=2", f"teacher={tiny_cross_encoder_dir.name}"])
    assert found == ["rounds=2", f"teacher={tiny_cross_encoder_dir}"]
