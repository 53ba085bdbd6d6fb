"""Each recipe end to end on the tiny encoder: what is saved, chosen, reported and refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.catalog.queries import JudgedQuery
from engine.encoders.card import read_card
from engine.encoders.fingerprint import fingerprint
from engine.encoders.load import load_encoder, load_model
from engine.errors import RankbenchError
from engine.training.outcome import Best, Candidate
from engine.training.recipe import Recipe, load_recipe
from engine.training.train import Cancelled, TrainResult, train

Queries = list[JudgedQuery]
QUICK = {
    "infonce": ["lr=1e-3", "max_per_query=3", "epochs=2", "dev_products=180", "margin=0"],
    "adapter": ["epochs=4", "lr=1e-3", "margin=0"],
}


def quick(name: str, *more: str) -> Recipe:
    return load_recipe(name).with_set([*QUICK[name], *more])


def part(queries: Queries, split: str) -> Queries:
    return [query for query in queries if query.split == split]


def run(
    recipe: Recipe, base: Path, queries: Queries, texts: dict[str, str], out: Path, **options: Any
) -> TrainResult:
    return train(
        recipe,
        base,
        part(queries, "train"),
        part(queries, "dev"),
        texts,
        out,
        device="cpu",
        **options,
    )


@pytest.mark.parametrize("name", ["infonce", "adapter"])
def test_a_recipe_end_to_end(
    name: str,
    tiny_encoder_dir: Path,
    tiny_texts: dict[str, str],
    tiny_queries: Queries,
    tmp_path: Path,
) -> None:
    events: list[dict[str, Any]] = []
    base = load_encoder(tiny_encoder_dir, "cpu")
    ids = sorted(tiny_texts)
    vectors = base.encode_documents([tiny_texts[p] for p in ids])
    out = tmp_path / "tuned"
    result = run(
        quick(name),
        tiny_encoder_dir,
        tiny_queries,
        tiny_texts,
        out,
        report=events.append,
        base_vectors=(ids, vectors),
        name="mine-01",
    )
    assert result.path == out and [p.name for p in tmp_path.iterdir()] == ["tuned"]
    tuned = load_encoder(out, "cpu")
    moved = tuned.encode_documents([tiny_texts[p] for p in ids])
    assert moved.shape == vectors.shape
    assert np.allclose(np.linalg.norm(moved, axis=1), 1, atol=1e-5)
    assert np.abs(moved - vectors).max() > 1e-3

    card = read_card(out)
    assert card == result.card and card is not None and card.recipe is not None
    assert card.name == "mine-01" and card.base == "base" and card.parents == ("base",)
    assert card.base_fingerprint == fingerprint(tiny_encoder_dir)
    assert card.recipe["name"] == name and card.recipe["parameters"]["seed"] == 0
    train_queries = part(tiny_queries, "train")
    assert set(card.trained_query_ids) == {q.query_id for q in train_queries}
    assert set(card.trained_queries) == {q.query for q in train_queries}
    assert set(card.selection_queries) == {q.query for q in part(tiny_queries, "dev")}
    scores = card.scores
    assert scores["measure"].startswith("dev catalog NDCG@10")
    assert ("reduced to 180 products" in scores["measure"]) == (name == "infonce")
    assert scores["tuned"] == max(c["score"] for c in scores["candidates"])
    assert all(c["alpha"] > 0 for c in scores["candidates"])
    assert card.beats_base == (scores["tuned"] > scores["base"])
    assert card.seconds > 0 and card.created and card.data["rows"] and card.data["judgments"]

    steps = [e for e in events if e.get("phase") == "training"]
    assert steps and steps[-1]["step"] == steps[-1]["steps"] == result.steps
    assert all(math.isfinite(e["loss"]) for e in steps)
    # Infonce tells no time left before it has timed a scoring.
    left = [e["eta_s"] for e in steps if name != "infonce" or e["epoch"] > 1]
    assert all(seconds >= 0 for seconds in left)
    assert any(e.get("phase") == "dev" and 0 <= e["score"] <= 1 for e in events)


@pytest.mark.parametrize("name", ["infonce", "adapter"])
def test_the_same_seed_gives_the_same_weights(
    name: str,
    tiny_encoder_dir: Path,
    tiny_texts: dict[str, str],
    tiny_queries: Queries,
    tmp_path: Path,
) -> None:
    prints = []
    for number, seed in enumerate((1, 1, 2)):
        out = tmp_path / str(number)
        run(quick(name, "max_steps=6"), tiny_encoder_dir, tiny_queries, tiny_texts, out, seed=seed)
        prints.append(fingerprint(out))
    assert prints[0] == prints[1] != prints[2]


def test_training_teaches(
    tiny_encoder_dir: Path, tiny_texts: dict[str, str], tiny_queries: Queries, tmp_path: Path
) -> None:
    events: list[dict[str, Any]] = []
    recipe = quick("infonce", "epochs=4", "lr=3e-3", "dev_products=220")
    result = run(
        recipe, tiny_encoder_dir, tiny_queries, tiny_texts, tmp_path / "t", report=events.append
    )
    assert result.card.beats_base
    losses = [e["loss"] for e in events if "loss" in e]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


def test_the_saved_weights_are_the_chosen_interpolation(
    tiny_encoder_dir: Path, tiny_texts: dict[str, str], tiny_queries: Queries, tmp_path: Path
) -> None:
    whole = run(
        quick("infonce", "alphas=1", "alpha=1", "epochs=1"),
        tiny_encoder_dir,
        tiny_queries,
        tiny_texts,
        tmp_path / "whole",
    )
    half = run(
        quick("infonce", "alphas=0.5", "alpha=0.5", "epochs=1"),
        tiny_encoder_dir,
        tiny_queries,
        tiny_texts,
        tmp_path / "half",
    )
    assert half.card.scores["chosen"] == {"epoch": 1, "alpha": 0.5}
    base, one, mid = (
        load_model(path, "cpu").state_dict() for path in (tiny_encoder_dir, whole.path, half.path)
    )
    for name, value in mid.items():
        if value.is_floating_point():
            assert np.allclose(value, (base[name] + one[name]) / 2, atol=1e-5)


def test_few_dev_queries_skip_the_choice_and_say_so(
    tiny_encoder_dir: Path, tiny_texts: dict[str, str], tiny_queries: Queries, tmp_path: Path
) -> None:
    for name in ("infonce", "adapter"):
        result = train(
            quick(name, "max_steps=4", "alpha=0.5"),
            tiny_encoder_dir,
            part(tiny_queries, "train"),
            part(tiny_queries, "dev")[:4],
            tiny_texts,
            tmp_path / name,
            device="cpu",
        )
        assert result.card.beats_base is None and "too few dev" in result.card.note
        assert result.card.scores["chosen"]["alpha"] == 0.5
        assert result.card.selection_queries == ()


@pytest.mark.parametrize("name", ["infonce", "adapter"])
def test_cancel_leaves_nothing(
    name: str,
    tiny_encoder_dir: Path,
    tiny_texts: dict[str, str],
    tiny_queries: Queries,
    tmp_path: Path,
) -> None:
    seen: list[dict[str, Any]] = []

    def stop() -> bool:
        return any(e.get("phase") == "training" for e in seen)

    with pytest.raises(Cancelled):
        run(
            quick(name, "epochs=50"),
            tiny_encoder_dir,
            tiny_queries,
            tiny_texts,
            tmp_path / "x" / "tuned",
            report=seen.append,
            should_stop=stop,
        )
    assert sum(e.get("phase") == "training" for e in seen) <= 2
    assert not list(tmp_path.rglob("*"))


def test_bad_data_is_refused_before_anything_is_loaded(
    tiny_texts: dict[str, str], tmp_path: Path
) -> None:
    queries = [JudgedQuery("q", "red tent", "train", {"p000": "I"})]
    with pytest.raises(RankbenchError, match="Exact"):
        train(load_recipe("infonce"), tmp_path / "nowhere", queries, [], tiny_texts, tmp_path / "o")


def test_a_diverged_run_saves_nothing(
    tiny_encoder_dir: Path, tiny_texts: dict[str, str], tiny_queries: Queries, tmp_path: Path
) -> None:
    import torch

    model = load_model(tiny_encoder_dir, "cpu")
    with torch.no_grad():
        next(model.parameters())[:] = math.nan
    model.save_pretrained(str(tmp_path / "base"), create_model_card=False)
    with pytest.raises(RankbenchError, match="diverged"):
        run(quick("infonce"), tmp_path / "base", tiny_queries, tiny_texts, tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_a_path_that_exists_is_never_overwritten(
    tiny_encoder_dir: Path, tiny_texts: dict[str, str], tiny_queries: Queries, tmp_path: Path
) -> None:
    (tmp_path / "o").mkdir()
    with pytest.raises(RankbenchError, match="exists"):
        run(quick("adapter"), tiny_encoder_dir, tiny_queries, tiny_texts, tmp_path / "o")


def test_an_identity_adapter_is_the_base(
    tiny_encoder_dir: Path, tiny_texts: dict[str, str], tmp_path: Path
) -> None:
    from engine.training.adapter import apply, attach

    texts = list(tiny_texts.values())[:20]
    base = load_encoder(tiny_encoder_dir, "cpu")
    expected = base.encode_documents(texts)
    same = attach(load_model(tiny_encoder_dir, "cpu"), np.eye(32, dtype=np.float32))
    same.save_pretrained(str(tmp_path / "same"), create_model_card=False)
    kinds = [type(m).__name__ for m in load_model(tmp_path / "same", "cpu").children()]
    assert kinds == ["Transformer", "Pooling", "Dense", "Normalize"]
    found = load_encoder(tmp_path / "same", "cpu").encode_documents(texts)
    assert np.allclose(found, expected, atol=1e-6)

    weight = np.eye(32, dtype=np.float32) + np.random.default_rng(0).normal(
        0, 0.05, (32, 32)
    ).astype(np.float32)
    moved = attach(load_model(tiny_encoder_dir, "cpu"), weight)
    moved.save_pretrained(str(tmp_path / "moved"), create_model_card=False)
    found = load_encoder(tmp_path / "moved", "cpu").encode_documents(texts)
    assert np.allclose(found, apply(weight, expected), atol=1e-5)


def test_prompts_of_the_model_are_used_in_training(tiny_encoder_dir: Path) -> None:
    from engine.training.fitting import _prompts

    model = load_model(tiny_encoder_dir, "cpu")
    assert _prompts(model, 1) is None
    model.prompts = {"query": "query: ", "passage": "passage: "}
    assert _prompts(model, 1) == {
        "query": "query: ",
        "positive": "passage: ",
        "negative_0": "passage: ",
    }


def test_a_choice_that_is_not_clearly_better_gives_way_to_the_recipes_own() -> None:
    first = Candidate(1, 0.5, (0.5, 0.6, 0.9, 0.4))
    own = Candidate(2, 1.0, (0.5, 0.7, 0.7, 0.4))
    clear = Candidate(2, 0.5, (0.6, 0.8, 0.8, 0.5))

    def settled(margin: float, *candidates: Candidate) -> Candidate | None:
        best = Best()
        for candidate in candidates:
            best.offer(candidate, lambda kept=candidate: kept)
        best.settle(1.0, margin, lambda: own)
        assert best.weights is best.chosen
        return best.chosen

    assert settled(0, first, own) is first
    assert settled(1, first, own) is own
    assert settled(1, first, clear, own) is clear
    # An epoch that is not the last is nobody's own choice.
    assert settled(1, Candidate(1, 1.0, own.scores), first, Candidate(2, 0.5, own.scores)) is first
