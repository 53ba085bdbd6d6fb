"""Training on verdicts: rows and replay, what the run does to flagged results, what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.catalog.normalise import normalise_query
from engine.catalog.queries import JudgedQuery
from engine.encoders.load import load_encoder
from engine.records import Verdict, merge
from engine.training.basket import Basket, basket
from engine.training.flags import flag_examples, mixed_plan, replay_queries, with_replay
from engine.training.outcome import Boldest, Candidate
from engine.training.recipe import Recipe, load_recipe
from engine.training.train import train

QUICK = ["replay=40", "batch_size=8", "lr=1e-3", "dev_products=100", "push=20"]


@dataclass
class Case:
    """Base, its vectors, queries and texts of the tiny shop."""

    base: Path
    ids: list[str]
    vectors: np.ndarray
    queries: list[JudgedQuery]
    texts: dict[str, str]

    def top(self, side: str, query: str) -> list[str]:
        vector = load_encoder(self.base, "cpu").encode_queries([query])[0]
        return [self.ids[row] for row in np.argsort(-(self.vectors @ vector))[:10]]

    def basket(self, verdicts: list[Verdict], recipe: Recipe, **options: Any) -> Basket:
        return basket(merge(self.queries, verdicts), self.texts, self.top, recipe, **options)

    def train(
        self, verdicts: list[Verdict], recipe: Recipe, out: Path, source: str = "flags", **more: Any
    ) -> Any:
        merged = merge(self.queries, verdicts)
        return train(
            recipe,
            self.base,
            [],
            [query for query in merged.queries if query.split == "dev"],
            self.texts,
            out,
            basket=self.basket(verdicts, recipe, source=source),
            queries=merged.queries,
            base_vectors=(self.ids, self.vectors),
            device="cpu",
            **more,
        )


@pytest.fixture(scope="module")
def case(
    tiny_encoder_dir: Path, tiny_texts: dict[str, str], tiny_queries: list[JudgedQuery]
) -> Case:
    ids = sorted(tiny_texts)
    encoder = load_encoder(tiny_encoder_dir, "cpu")
    vectors = encoder.encode_documents([tiny_texts[p] for p in ids])
    return Case(tiny_encoder_dir, ids, vectors, tiny_queries, tiny_texts)


def flags(case: Case, count: int = 4) -> list[Verdict]:
    """Two of the base's worst top results of each of `count` training queries, flagged."""
    found: list[Verdict] = []
    for query in [query for query in case.queries if query.split == "train"]:
        bad = [p for p in case.top("base", query.query) if query.grades.get(p) != "E"][:2]
        found += [Verdict(query.query, p, "I", True, side="base", judge="ann") for p in bad]
        if len(found) >= 2 * count:
            break
    return found


def ranks(directory: Path, case: Case, verdicts: list[Verdict]) -> list[int]:
    encoder = load_encoder(directory, "cpu")
    vectors = encoder.encode_documents([case.texts[p] for p in case.ids])
    found = []
    for verdict in verdicts:
        scores = vectors @ encoder.encode_queries([verdict.query])[0]
        found.append(int((scores > scores[case.ids.index(verdict.product_id)]).sum()) + 1)
    return found


def test_flagged_results_fall_and_the_card_says_what_was_done(case: Case, tmp_path: Path) -> None:
    verdicts = flags(case)
    recipe = load_recipe("flags").with_set([*QUICK, "epochs=8", "alphas=1", "alpha=1", "margin=10"])
    events: list[dict[str, Any]] = []
    result = case.train(verdicts, recipe, tmp_path / "tuned", report=events.append)
    before, after = ranks(case.base, case, verdicts), ranks(result.path, case, verdicts)
    assert max(before) <= 10
    assert np.mean(after) > 2 * np.mean(before)

    trained = [e for e in events if e.get("phase") in ("training", "dev")]
    scored = [e["phase"] for e in trained].index("dev")
    assert scored > 0 and all(e["eta_s"] is None for e in trained[:scored])
    left = [e["eta_s"] for e in trained[scored:] if e["phase"] == "training"]
    assert left and all(seconds >= 0 for seconds in left) and left[0] > 0

    card = result.card
    pairs = case.basket(verdicts, recipe).pairs
    assert card.scores["source"] == "flags" and card.scores["replay_rows"] >= 40
    assert card.scores["rows"] == result.rows == pairs + card.scores["replay_rows"]
    assert card.data["verdicts"] and card.data["judgments"] and card.data["rows"]
    flagged = {normalise_query(verdict.query) for verdict in verdicts}
    train_queries = {normalise_query(q.query) for q in case.queries if q.split == "train"}
    # Replayed queries were seen too, and nothing of dev or test.
    assert flagged < set(card.trained_queries) <= train_queries
    assert any(event.get("phase") == "dev" for event in events)


def test_replay_keeps_what_nobody_flagged(case: Case, tmp_path: Path) -> None:
    """With the replay's loss off the same run moves the rest of the catalog further."""
    others = [query.query for query in case.queries if query.split == "test"]

    def moved(weight: float) -> float:
        recipe = load_recipe("flags").with_set(
            [*QUICK, "epochs=4", "alphas=1", "alpha=1", f"replay_weight={weight}"]
        )
        result = case.train(flags(case), recipe, tmp_path / str(weight))
        tuned, base = load_encoder(result.path, "cpu"), load_encoder(case.base, "cpu")
        texts = [case.texts[p] for p in case.ids]
        one = base.encode_queries(others) @ base.encode_documents(texts).T
        two = tuned.encode_queries(others) @ tuned.encode_documents(texts).T
        return float(np.abs(one - two).mean())

    assert moved(3.0) < moved(0.0)


@pytest.mark.parametrize("name", ["infonce", "adapter"])
def test_other_recipes_train_on_flags_too(name: str, case: Case, tmp_path: Path) -> None:
    recipe = load_recipe(name).with_set(["epochs=1", "dev_products=100"])
    result = case.train(flags(case), recipe, tmp_path / "tuned")
    assert result.card.scores["source"] == "flags" and "replay_rows" not in result.card.scores
    assert len(result.card.trained_queries) == 4


def test_one_flag_trains(case: Case, tmp_path: Path) -> None:
    recipe = load_recipe("flags").with_set([*QUICK, "epochs=1"])
    result = case.train(flags(case)[:1], recipe, tmp_path / "tuned")
    assert result.path.is_dir() and result.rows > 4


def test_judgments_join_the_flags(case: Case, tmp_path: Path) -> None:
    recipe = load_recipe("flags").with_set([*QUICK, "epochs=1", "max_per_query=2"])
    result = case.train(flags(case), recipe, tmp_path / "tuned", source="both", seed=3)
    train_queries = {normalise_query(q.query) for q in case.queries if q.split == "train"}
    assert set(result.card.trained_queries) == train_queries
    assert result.card.scores["source"] == "both"


def test_rows_hold_the_pair_first_and_replay_none_of_what_was_judged(case: Case) -> None:
    recipe = load_recipe("flags").with_set(QUICK)
    verdicts = flags(case)
    merged = merge(case.queries, verdicts)
    found = case.basket(verdicts, recipe)
    examples = flag_examples(found, merged.queries, case.texts, recipe, 0)
    encoder = load_encoder(case.base, "cpu")
    made = with_replay(
        examples,
        merged.queries,
        case.texts,
        (case.ids, case.vectors),
        encoder.encode_queries,
        recipe,
        0,
        found.flagged(),
    )
    rows = made.examples.rows
    assert {len(row.documents()) for row in rows} == {recipe["documents"]}
    assert made.contrast.sum() == found.pairs == made.pushed.sum()
    assert len(rows) - found.pairs == found.replay
    pairs = {(row.positive_id, row.negative_ids[0]) for row in rows[: found.pairs]}
    assert pairs == {pair for group in found.groups for pair in group.pairs}
    flagged = {normalise_query(verdict.query) for verdict in verdicts}
    assert not flagged & {normalise_query(row.query) for row in rows[found.pairs :]}
    for row in rows[: found.pairs]:
        judged = made.spoken[normalise_query(row.query)]
        assert not judged & set(row.negatives[1:-1])  # the last is any product at all
    first = rows[0]
    place = case.ids.index(first.positive_id)
    assert np.allclose(made.documents[0, 0], case.vectors[place])


def test_replay_never_says_a_held_out_query(case: Case) -> None:
    titles = {f"t{n}": "red sneaker" for n in range(50)} | {"u": "quiet umbrella"}
    found = replay_queries(case.queries, titles, 500, 0, {"red sneaker"})
    texts = [normalise_query(text) for _, text in found]
    assert len(texts) == len(set(texts))
    held = {normalise_query(q.query) for q in case.queries if q.split in ("dev", "test")}
    assert not held & set(texts) and "red sneaker" not in texts
    assert "quiet umbrella" in texts
    assert found == replay_queries(case.queries, titles, 500, 0, {"red sneaker"})


def test_contrast_rows_are_spread_over_the_batches() -> None:
    contrast = np.arange(100) < 20
    batches = mixed_plan(contrast, 10, 0)
    assert sorted(row for batch in batches for row in batch) == list(range(100))
    assert {sum(bool(contrast[row]) for row in batch) for batch in batches} == {2}
    assert batches != mixed_plan(contrast, 10, 1)
    assert sorted(r for b in mixed_plan(contrast[:7], 3, 0) for r in b) == list(range(7))


def test_the_boldest_candidate_that_is_not_clearly_worse_is_chosen() -> None:
    base = (0.5, 0.6, 0.7, 0.4)

    def chosen(*candidates: Candidate) -> Candidate | None:
        best = Boldest(base=base, margin=1.0)
        for candidate in candidates:
            best.offer(candidate, lambda: None)
        best.settle(0.5, 1.0, lambda: None)
        return best.chosen

    better = Candidate(1, 0.25, (0.9, 0.9, 0.9, 0.9))
    same = Candidate(1, 0.5, (0.4, 0.7, 0.6, 0.5))
    worse = Candidate(1, 0.75, (0.4, 0.5, 0.6, 0.3))
    assert chosen(better, same, worse) is same
    later = Candidate(2, 0.25, base)
    assert chosen(better, same, worse, later) is later
    assert chosen(worse) is worse
    awful = Candidate(2, 0.75, (0.1, 0.1, 0.1, 0.1))
    assert chosen(worse, awful) is worse
