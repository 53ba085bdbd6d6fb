"""Every recipe end to end on a tiny real encoder: trained, cancelled, resumed, refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.catalog.queries import JudgedQuery
from engine.encoders.load import load_encoder, load_model
from engine.errors import RankbenchError, UsageError
from engine.records import Verdict, merge
from engine.training.basket import basket
from engine.training.outcome import Cancelled
from engine.training.recipe import Recipe, list_recipes, load_recipe
from engine.training.weights import add_lora
from tests.conftest import make_encoder
from tests.training.conftest import Runs

# `adapter` and `flags` have tests of their own.
NAMES = [r.name for r in list_recipes() if r.loss not in ("adapter", "flags")]
OPTIONS = {"lora": ["lora=4"], "freeze": ["freeze=1"], "mini_batch": ["mini_batch=2"]}
FULL = [name for name in NAMES if name != "infonce"]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *((name, []) for name in NAMES),
        ("infonce", ["lora=2"]),
        ("hard-negatives", ["lora=2"]),
        ("listwise", ["freeze=1", "lora=2", "patience=1"]),
    ],
)
def test_a_recipe_trains_is_cancelled_and_goes_on(
    name: str, settings: list[str], runs: Runs
) -> None:
    """A run that was cut off and taken up again ends with the weights of one that was not."""
    if settings:
        runs.base = make_encoder(runs.out / "two-layers", layers=2)
    whole = runs(name, "whole", *settings)
    assert whole.rows >= 4 and whole.steps >= 6
    texts = list(runs.texts.values())[:40]
    base = load_encoder(runs.base, "cpu").encode_documents(texts)
    assert np.abs(runs.vectors("whole") - base).max() > 1e-3
    card = whole.card
    assert card.scores["chosen"]["alpha"] > 0 and card.trained_queries

    half = 2 * whole.steps // 3 + 1  # within an epoch
    runs.events.clear()
    place = runs.out / "checkpoints"

    stop = {"checkpoints": place, "should_stop": lambda: runs.trained() >= half}
    runs(name, "cut", *settings, **stop)
    runs.events.clear()
    again = runs(name, "again", *settings, checkpoints=place)
    told = [event["step"] for event in runs.events if event.get("phase") == "training"]
    assert min(told) > 0 and len(told) < whole.steps
    assert again.steps == whole.steps == max(told)
    assert np.array_equal(runs.vectors("again"), runs.vectors("whole"))


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_stopped_at_once_leaves_nothing(name: str, runs: Runs) -> None:
    with pytest.raises(Cancelled):
        runs(name, "cut", should_stop=lambda: bool(runs.events))
    assert not list(runs.out.iterdir())


@pytest.mark.parametrize("name", [recipe.name for recipe in list_recipes()])
def test_a_run_reads_every_parameter_of_its_recipe(
    name: str, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that nothing reads would be taken, explained, kept in the card, and do nothing."""
    recipe, read = runs.recipe(name, "epochs=1"), set()
    given = Recipe.get
    item = Recipe.__getitem__

    def got(self: Recipe, key: str, default: Any) -> Any:
        read.add(key)
        return given(self, key, default)

    def taken(self: Recipe, key: str) -> Any:
        read.add(key)
        return item(self, key)

    monkeypatch.setattr(Recipe, "get", got)
    monkeypatch.setattr(Recipe, "__getitem__", taken)
    options = {}
    if recipe.loss == "flags":
        some = [query for query in runs.queries if query.split == "train"][:2]
        said = [
            Verdict(query.query, p, "I", True) for query in some for p in list(query.grades)[-1:]
        ]
        made = merge(runs.queries, said)
        found = basket(made, runs.texts, lambda side, query: [], recipe, source="both")
        options = {"basket": found, "queries": made.queries}
    runs(recipe, "o", **options)
    assert set(recipe.parameters) - read == set()


@pytest.mark.parametrize(
    ("name", "option"),
    [(n, o) for n in NAMES for o in sorted(OPTIONS) if o in load_recipe(n).parameters],
)
def test_an_option_of_every_recipe(name: str, option: str, runs: Runs) -> None:
    runs.base = make_encoder(runs.out / "two-layers", layers=2)
    runs(name, "o", "epochs=1", "max_steps=3", "alphas=1", *OPTIONS[option])
    base = load_model(runs.base, "cpu").state_dict()
    found = load_model(runs.out / "o", "cpu").state_dict()
    assert found.keys() == base.keys()
    moved = {name for name in base if not np.allclose(base[name], found[name], atol=1e-6)}
    assert moved
    if option == "freeze":
        assert not [name for name in moved if "embeddings" in name or "layer.0." in name]
    if option == "lora":
        ranks = {
            int(np.linalg.matrix_rank((found[name] - base[name]).numpy(), tol=1e-4))
            for name in moved
        }
        stages = 2 if name == "hard-negatives" else 1  # each adds updates of its own
        assert max(ranks) <= 4 * stages
        assert all("embeddings" not in name and name.endswith(".weight") for name in moved)


def test_low_rank_updates_begin_by_the_seed(runs: Runs) -> None:
    """And by nothing that was drawn in the process before."""
    settings = ["lora=2", "epochs=1", "alphas=1", "max_steps=3"]
    for name in "ab":
        runs("infonce", name, *settings, seed=1)
    assert np.array_equal(runs.vectors("a"), runs.vectors("b"))
    begun = []
    for seed in (1, 1, 2):
        model = load_model(runs.base, "cpu")
        add_lora(model, 2, seed)
        begun.append({k: v for k, v in model.state_dict().items() if ".lora_A" in k})
    assert begun[0] and all(v.equal(begun[1][k]) for k, v in begun[0].items())
    assert not any(v.equal(begun[2][k]) for k, v in begun[0].items())


@pytest.mark.parametrize("name", FULL)
def test_options_go_together_in_every_recipe(name: str, runs: Runs) -> None:
    runs.base = make_encoder(runs.out / "two-layers", layers=2)
    runs(name, "o", "lora=2", "freeze=1", "patience=1", "epochs=1", "max_steps=2")
    base = load_model(runs.base, "cpu").state_dict()
    found = load_model(runs.out / "o", "cpu").state_dict()
    moved = {key for key in base if not np.allclose(base[key], found[key], atol=1e-7)}
    assert moved and all("layer.1." in key and key.endswith("weight") for key in moved)


def test_a_later_stage_goes_on_from_its_own_checkpoints(runs: Runs) -> None:
    """The steps of a stage begin at 1: the first stage's checkpoints are higher numbers."""
    place = runs.out / "checkpoints"
    settings = ["first_epochs=2", "epochs=2", "rounds=1"]
    whole = runs("hard-negatives", "whole", *settings)
    runs.events.clear()
    last = whole.steps // 2 + whole.steps // 3  # in the second stage's second epoch
    cut = runs(
        "hard-negatives",
        "cut",
        *settings,
        checkpoints=place,
        should_stop=lambda: runs.trained() >= last,
    )
    assert cut.cancelled is not None and cut.cancelled >= last
    runs.events.clear()
    again = runs("hard-negatives", "again", *settings, checkpoints=place)
    told = [event["step"] for event in runs.events if event.get("phase") == "training"]
    assert min(told) > last and again.steps == whole.steps
    assert np.array_equal(runs.vectors("again"), runs.vectors("whole"))


def test_stopped_while_it_mines_it_keeps_the_first_stage(runs: Runs) -> None:
    def stop() -> bool:
        return any(event.get("phase") == "mining" for event in runs.events)

    result = runs("hard-negatives", "o", should_stop=stop)
    told = [event for event in runs.events if event.get("phase") == "mining"]
    assert told[-1]["step"] <= told[-1]["steps"] and result.steps == runs.trained()
    assert result.cancelled == result.steps > 0
    assert result.card.scores["chosen"]["epoch"] <= 2


@pytest.mark.parametrize(
    ("recipe", "setting"), [("hard-negatives", "negatives=0"), ("infonce", "alphas=0")]
)
def test_values_that_are_impossible_together_are_refused(recipe: str, setting: str) -> None:
    with pytest.raises(UsageError):
        load_recipe(recipe).with_set([setting, "alpha=0"] if "alphas" in setting else [setting])


@pytest.mark.parametrize("by", ["category", "locale", "source"])
def test_strata_that_nothing_has_are_refused(by: str, runs: Runs) -> None:
    runs.base = Path("nowhere")
    with pytest.raises(RankbenchError, match=f"no training row has a {by}"):
        runs("infonce", "o", f"strata={by}")


@pytest.mark.parametrize("name", ["infonce", "triplet", "cosine"])
def test_patience_ends_a_run_that_dev_does_not_reward(name: str, runs: Runs) -> None:
    settings = ["epochs=30", "warmup=0", "patience=2", "alphas=1", "margin=9", "lr=3e-3"]
    card = runs(name, "o", *settings).card
    scores = [event for event in runs.events if event.get("phase") == "dev"]
    assert max(event["epoch"] for event in scores) < 30
    best = max(scores, key=lambda event: event["score"])
    assert card.scores["chosen"] == {"epoch": best["epoch"], "alpha": best["alpha"]}
    assert any("No better dev score for 2 epochs" in str(e.get("message")) for e in runs.events)


def test_a_cached_batch_is_the_batch(runs: Runs) -> None:
    """Gradient caching changes memory, not the loss."""
    runs.base = make_encoder(runs.out / "still", dropout=0.0)
    few = ["max_steps=1", "batch_size=4"]
    runs("infonce", "a", *few)
    plain = [event["loss"] for event in runs.events if "loss" in event]
    runs.events.clear()
    runs("infonce", "b", *few, "mini_batch=2")
    cached = [event["loss"] for event in runs.events if "loss" in event]
    assert len(plain) == len(cached) == 1
    assert plain[0] == pytest.approx(cached[0], rel=0.02)


def test_more_frozen_layers_than_there_are_is_said(runs: Runs) -> None:
    with pytest.raises(UsageError, match="leaves nothing to train"):
        runs("infonce", "o", "freeze=99")


@pytest.mark.parametrize("name", [name for name in NAMES if name != "distill"])
@pytest.mark.parametrize(
    ("grades", "word"), [({"p000": "I", "p001": "S"}, "Exact"), ({"nowhere": "E"}, "catalog")]
)
def test_nothing_to_learn_from_is_said_before_any_training(
    name: str, grades: dict[str, str], word: str, runs: Runs
) -> None:
    runs.queries = [JudgedQuery("q", "red tent", "train", grades)]
    runs.base = Path("nowhere")
    with pytest.raises(RankbenchError, match=word):
        runs(name, "o")


@pytest.mark.parametrize("name", ["contrastive", "cosine", "cosent", "listwise", "triplet"])
@pytest.mark.parametrize("products", [2, 6])
def test_one_grade_alone_is_nothing_to_contrast(name: str, products: int, runs: Runs) -> None:
    ids = list(runs.texts)
    # Short lists are filled with the other query's products, which nobody judged otherwise.
    runs.queries = [
        JudgedQuery(f"q{at}", f"red {at}", "train", dict.fromkeys(ids[at : at + products], "E"))
        for at in (0, 6)
    ]
    runs.base = Path("nowhere")
    with pytest.raises(RankbenchError, match="to contrast"):
        runs(name, "o", "max_per_query=4")


def test_max_steps_is_at_most(runs: Runs) -> None:
    """More than the epochs have changes nothing; fewer end a run within an epoch."""
    plain = runs("infonce", "plain")
    more = runs("infonce", "more", f"max_steps={3 * plain.steps}")
    assert more.steps == plain.steps
    assert np.array_equal(runs.vectors("more"), runs.vectors("plain"))
    assert runs("infonce", "fewer", "max_steps=3").steps == 3


@pytest.mark.parametrize(("most", "epochs"), [(400, [1, 2, 3]), (2, [1, 2])])
def test_the_epochs_of_stages_are_those_that_they_had(
    most: int, epochs: list[int], runs: Runs
) -> None:
    settings = [
        "first_epochs=2",
        "epochs=1",
        f"max_steps={most}",
        "alphas=1",
        "near=1",
        "mine_to=220",
    ]
    result = runs("hard-negatives", "o", *settings)
    assert [one["epoch"] for one in result.card.scores["candidates"]] == epochs
    told = [event for event in runs.events if event.get("phase") == "training"]
    assert result.steps == len(told) and (most > 2 or result.steps == 4)


def test_max_steps_of_a_teacher_is_at_most(runs: Runs) -> None:
    from engine.training.teacher import teach, teach_recipe

    few = [query for query in runs.queries if query.split == "train"][:4]
    told = {}
    for most in (0, 500):
        recipe = teach_recipe("bce", ["documents=6", "negatives=2", f"max_steps={most}"])
        taught = teach(
            recipe, runs.base, few, [], runs.texts, runs.out / f"{most}", report=runs.events.append
        )
        told[most] = runs.trained(), taught.card.data["weights"]
        runs.events.clear()
    assert told[0] == told[500] and 0 < told[0][0] < 100
