"""The base's dev score is made as the candidates' are: weights that did not move are a tie."""

from __future__ import annotations

from statistics import fmean
from typing import Any

import pytest

from engine.encoders.load import load_encoder, load_model
from engine.training.selection import DevSet, dev_set
from engine.workspace import DEFAULT_GAINS
from tests.training.conftest import Runs

# A rate at which no weight moves by as much as bfloat16 or a cosine can tell.
STILL = ["lr=1e-8", "max_steps=1", "alphas=1", "alpha=1", "dev_products=1000"]


def vectors(runs: Runs) -> tuple[list[str], Any]:
    """The runs' whole catalog by their base, in float32, as an index has it."""
    ids = sorted(runs.texts)
    texts = [runs.texts[product] for product in ids]
    return ids, load_encoder(runs.base, "cpu").encode_documents(texts)


def expected(runs: Runs) -> tuple[float, ...]:
    """What the base scores where the candidates are scored: `DevSet.score` over all products."""
    dev = [query for query in runs.queries if query.split == "dev"]
    found = dev_set(dev, runs.texts, DEFAULT_GAINS, limit=1000, seed=0)
    assert found is not None
    return found.score(load_model(runs.base, "cpu"))


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize("name", ["infonce", "adapter"])
def test_weights_that_did_not_move_do_not_beat_their_base(
    name: str, indexed: bool, runs: Runs
) -> None:
    options = {"base_vectors": vectors(runs)} if indexed else {}
    result = runs(name, "o", *STILL, **options)
    assert result.dev and all(base == tuned for base, tuned in result.dev.values())
    assert result.card.scores["base"] == result.card.scores["tuned"]
    assert result.card.beats_base is False and "did not beat" in result.card.note
    if name == "infonce":
        assert tuple(base for base, _ in result.dev.values()) == expected(runs)


@pytest.mark.parametrize("settings", [["lora=2"], []])
def test_the_base_is_scored_once_and_told(settings: list[str], runs: Runs) -> None:
    """Stages and low-rank updates have one base: the weights before all of them."""
    result = runs("hard-negatives", "o", "epochs=1", "dev_products=1000", *settings)
    base = tuple(base for base, _ in result.dev.values())
    assert base == expected(runs)
    lines = [str(event["message"]) for event in runs.events if "message" in event]
    told = [line for line in lines if line.startswith("base ")]
    assert told == [f"base {result.card.scores['measure']} {fmean(base):.4f} (n 8)"]
    # The card has no fewer digits, so that what is shown of it is rounded once.
    assert result.card.scores["base"] == pytest.approx(fmean(base), abs=1e-11)


def test_the_first_step_does_not_wait_for_the_bases_score(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Minutes pass on a large dev set: the base is scored after an epoch, beside its candidates."""
    score = DevSet.score

    def noted(dev: DevSet, model: Any) -> tuple[float, ...]:
        runs.events.append({"phase": "score"})
        return score(dev, model)

    monkeypatch.setattr(DevSet, "score", noted)
    runs("infonce", "o", "epochs=1", "alphas=1", base_vectors=vectors(runs))
    order = [event.get("phase") for event in runs.events]
    assert order.index("score") > order.index("training") and order.count("score") == 2


@pytest.mark.parametrize("name", ["infonce", "hard-negatives"])
def test_a_resumed_run_tells_the_same_base(name: str, runs: Runs) -> None:
    whole = runs(name, "whole")
    place = runs.out / "checkpoints"
    runs.events.clear()
    last = 2 * whole.steps // 3 + 1
    runs(name, "cut", checkpoints=place, should_stop=lambda: runs.trained() >= last)
    runs.events.clear()
    again = runs(name, "again", checkpoints=place)
    assert again.dev == whole.dev and again.card.beats_base == whole.card.beats_base
    # What the checkpoint knows is not scored again.
    assert not [e for e in runs.events if str(e.get("message", "")).startswith("base ")]


def test_flags_weigh_their_candidates_against_the_base_scored_likewise(runs: Runs) -> None:
    """Weights that did not move lose nothing, however small the margin."""
    settings = [*STILL, "margin=0", "replay=10"]
    result = runs("flags", "o", *settings, queries=runs.queries, base_vectors=vectors(runs))
    assert all(base == tuned for base, tuned in result.dev.values())
    assert "clearly worse" not in result.card.note
