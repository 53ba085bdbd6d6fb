"""Sweeps on the tiny shop: what they find, how they stop and go on, what they refuse."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
import pytest

from engine.catalog.queries import JudgedQuery
from engine.encoders.load import load_encoder
from engine.errors import RankbenchError, UsageError
from engine.evaluation.intervals import paired_delta
from engine.experiments.experiment import Experiment, directory_name
from engine.experiments.search_space import NOT_SEARCHED, REFUSED, SPACES, space_of
from engine.experiments.study import STARTUP, Study
from engine.experiments.sweep import Budget, SweepResult, sweep
from engine.training.outcome import Cancelled
from engine.training.recipe import list_recipes, load_recipe
from engine.training.train import train

Queries = list[JudgedQuery]
SETTINGS = ["dev_products=100", "max_per_query=4", "epochs=3", "alphas=1", "alpha=1", "lr=1e-6"]
# 1e-6 moves nothing in three epochs; 1e-2 does. One row more or fewer in a batch matters little.
SPACE = ["lr=1e-6..1e-2:log", "batch_size=60..64"]
DEFAULTS = {"lr": 1e-6, "batch_size": 64}
TRIALS = 10


@pytest.fixture(scope="module")
def experiment(
    tiny_encoder_dir: Path, tiny_texts: dict[str, str], tiny_queries: Queries
) -> Experiment:
    recipe = load_recipe("adapter").with_set(SETTINGS)
    ids = sorted(tiny_texts)
    encoder = load_encoder(tiny_encoder_dir, "cpu")
    return Experiment(
        recipe,
        space_of(recipe, SPACE),
        tiny_encoder_dir,
        [query for query in tiny_queries if query.split == "train"],
        [query for query in tiny_queries if query.split == "dev"],
        tiny_texts,
        base_vectors=(ids, encoder.encode_documents([tiny_texts[p] for p in ids])),
        device="cpu",
    )


def run(experiment: Experiment, place: Path, trials: int = 3, **options: Any) -> SweepResult:
    return sweep(experiment, place, Budget(trials), **options)


@dataclass(frozen=True)
class Whole:
    """A sweep that nobody stopped. The settings of its first n trials are those of any of n."""

    place: Path
    events: list[dict[str, Any]]
    found: SweepResult

    def settings(self, trials: int) -> list[Any]:
        return [trial.settings for trial in self.found.trials[:trials]]


@pytest.fixture(scope="module")
def whole(experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    place = tmp_path_factory.mktemp("whole") / "s"
    events: list[dict[str, Any]] = []
    return Whole(place, events, run(experiment, place, TRIALS, progress=events.append))


def test_a_sweep_finds_a_better_rate_and_says_by_how_much(
    experiment: Experiment, whole: Whole, tmp_path: Path
) -> None:
    found = whole.found
    assert len(found.trials) == TRIALS
    defaults = found.trials[0]
    assert defaults.defaults and defaults.settings == DEFAULTS
    assert found.best.score > defaults.score + 0.01
    assert found.best.settings["lr"] > 1e-4
    assert found.best.score == max(t.score for t in found.trials if t.state == "complete")
    # The best is what the same settings give outside of any sweep, query by query.
    alone = train(
        experiment.recipe.with_set([f"{k}={v:g}" for k, v in found.best.settings.items()]),
        experiment.base_dir,
        experiment.train_queries,
        experiment.dev_queries,
        experiment.texts,
        tmp_path / "alone",
        seed=0,
        base_vectors=experiment.base_vectors,
        device="cpu",
    )
    tuned = {query: after for query, (_, after) in alone.dev.items()}
    assert tuned == found.best.dev
    assert found.best.score == pytest.approx(fmean(tuned.values()))
    assert alone.card.scores["tuned"] == pytest.approx(found.best.score, abs=1e-5)
    base = [before for before, _ in alone.dev.values()]
    assert found.base == pytest.approx(fmean(base))
    assert alone.card.scores["base"] == pytest.approx(found.base, abs=1e-5)
    assert found.queries == 8 == found.gain.n == found.over_base.n
    expected = paired_delta(list(defaults.dev.values()), list(tuned.values()))
    assert (found.gain.mean, found.gain.low) == (expected.mean, expected.low)
    assert found.over_base.mean == pytest.approx(found.best.score - found.base)


def test_a_sweep_keeps_nothing_but_scores_and_tells_how_far_it_is(whole: Whole) -> None:
    names = {path.name for path in whole.place.iterdir()}
    assert names == {"study.db", "settings.json", ".running.lock"}
    known = json.loads((whole.place / "settings.json").read_text())
    assert known["space"] == {"lr": "1e-06..0.01:log", "batch_size": "60..64"}
    begun = [event for event in whole.events if event["event"] == "trial"]
    assert [event["trial"] for event in begun] == list(range(1, TRIALS + 1))
    assert begun[0]["defaults"] and begun[0]["eta_s"] is None and begun[1]["eta_s"] > 0
    ended = [event for event in whole.events if event["event"] == "trial ended"]
    assert [event["result"] for event in ended] == list(whole.found.trials)
    assert ended[-1]["best"] == whole.found.best.score


def test_the_parameter_that_matters_is_the_important_one(whole: Whole) -> None:
    found = whole.found.importances
    assert list(found) == ["lr", "batch_size"]
    assert sum(found.values()) == pytest.approx(1) and found["lr"] > 0.8


@pytest.mark.parametrize("at", [1, 4])
def test_it_goes_on_as_if_it_had_never_stopped(
    at: int, experiment: Experiment, whole: Whole, tmp_path: Path
) -> None:
    begun = 0

    def count(event: dict[str, Any]) -> None:
        nonlocal begun
        begun += event["event"] == "trial"

    with pytest.raises(Cancelled):
        run(experiment, tmp_path, 5, progress=count, should_stop=lambda: begun >= at)
    assert begun == at
    kept = Study(tmp_path, experiment.space, DEFAULTS, 0).trials()
    assert [trial.settings for trial in kept] == whole.settings(at - 1)
    again = run(experiment, tmp_path, 5)
    assert [trial.settings for trial in again.trials] == whole.settings(5)
    assert [t.score for t in again.trials] == [t.score for t in whole.found.trials[:5]]
    assert again.importances is None  # five trials are too few
    # Enough is enough: nothing is run for a budget that is spent.
    assert len(run(experiment, tmp_path, 5, progress=count).trials) == 5
    assert begun == at


KILLED = """
import os, pickle, signal, sys
from pathlib import Path
from engine.experiments.sweep import Budget, sweep
experiment = pickle.load(open(sys.argv[1], "rb"))
begun = 0
def report(event):
    global begun
    begun += event["event"] == "trial"
    if begun == int(sys.argv[3]) and event.get("phase") == "training":
        os.kill(os.getpid(), signal.SIGKILL)
sweep(experiment, Path(sys.argv[2]), Budget(5), progress=report)
"""


def test_a_killed_sweep_goes_on(experiment: Experiment, whole: Whole, tmp_path: Path) -> None:
    (tmp_path / "experiment").write_bytes(pickle.dumps(experiment))
    place = tmp_path / "s"
    command = [sys.executable, "-c", KILLED, str(tmp_path / "experiment"), str(place), "3"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2])
    assert done.returncode == -signal.SIGKILL
    assert list(place.glob(".work-*"))
    found = run(experiment, place, 4)
    assert [trial.settings for trial in found.trials] == whole.settings(4)
    assert not list(place.glob(".work-*"))


def test_another_experiment_is_refused_with_what_differs(
    experiment: Experiment, tmp_path: Path, tiny_texts: dict[str, str]
) -> None:
    run(experiment, tmp_path / "s", 1)
    fewer = experiment.dev_queries[:-1]
    others = {
        "lr was 1e-06..0.01:log, now 0.001..0.1:log; space batch_size was 60..64, now none": {
            "space": space_of(experiment.recipe, ["lr=1e-3..1e-1:log"])
        },
        "scale was 20.0, now 30.0": {"recipe": experiment.recipe.with_set(["scale=30"])},
        "seed was 0, now 1": {"seed": 1},
        "another catalog": {"texts": {**tiny_texts, "new": "a new product"}},
        "other dev judgments": {"dev_queries": fewer},
        "loss was adapter, now infonce": {"recipe": load_recipe("infonce")},
    }
    for words, change in others.items():
        other = replace(experiment, **change)
        with pytest.raises(RankbenchError) as refused:
            run(other, tmp_path / "s", 1)
        assert words in refused.value.what and "--name" in refused.value.todo
        assert directory_name(other) != directory_name(experiment)


def test_a_trial_that_falls_behind_is_stopped(experiment: Experiment, tmp_path: Path) -> None:
    """After six good trials a bad one is stopped before its end, and cannot be the best."""
    recipe = experiment.recipe.with_set(["lr=1e-2", "epochs=10"])
    fast = replace(experiment, recipe=recipe, space=space_of(recipe, SPACE[:1]), seed=1)
    steps: dict[int, int] = {}

    def count(event: dict[str, Any]) -> None:
        if event.get("phase") == "training":
            steps[event["trial"]] = event["step"]

    found = run(fast, tmp_path / "s", 10, progress=count)
    pruned = [trial for trial in found.trials if trial.state == "pruned"]
    assert pruned and min(trial.number for trial in pruned) > STARTUP
    for trial in pruned:
        assert steps[trial.number] < steps[1] and not trial.dev and trial.score is not None
    assert found.best not in pruned


def test_a_setting_that_cannot_run_is_a_failed_trial(
    experiment: Experiment, tmp_path: Path
) -> None:
    recipe = load_recipe("infonce").with_set(
        ["max_steps=2", "dev_products=80", "batch_size=4", "max_per_query=4"]
    )
    odd = replace(experiment, recipe=recipe, space=space_of(recipe, ["freeze=0,98,99"]))
    found = sweep(odd, tmp_path / "s", Budget(30))
    assert found.exhausted and len(found.trials) == 3
    assert [trial.state for trial in found.trials] == ["complete", "failed", "failed"]
    assert "leaves nothing to train" in found.trials[1].why
    assert found.best is found.defaults and found.gain is None
    # Where the defaults cannot run there is nothing to compare with, and the error is theirs.
    wrong = replace(odd, recipe=recipe.with_set(["freeze=99"]))
    with pytest.raises(UsageError, match="leaves nothing to train"):
        sweep(wrong, tmp_path / "w", Budget(3))


def test_settings_that_are_impossible_together_are_a_failed_trial(
    experiment: Experiment, tmp_path: Path
) -> None:
    settings = ["max_steps=1", "dev_products=80", "first_epochs=0", "mine_from=30", "alphas=1"]
    recipe = load_recipe("hard-negatives").with_set(settings)
    odd = replace(experiment, recipe=recipe, space=space_of(recipe, ["mine_to=20,50"]))
    found = sweep(odd, tmp_path / "s", Budget(9))
    assert [trial.state for trial in found.trials] == ["complete", "failed"]
    assert "no ranks to mine" in found.trials[1].why


def test_the_stages_of_a_recipe_are_parts_of_one_trial(
    experiment: Experiment, tmp_path: Path
) -> None:
    settings = ["epochs=1", "rounds=2", "first_epochs=1", "max_per_query=1", "dev_products=80"]
    recipe = load_recipe("hard-negatives").with_set([*settings, "negatives=1", "alphas=1"])
    staged = replace(experiment, recipe=recipe, space=space_of(recipe, ["near=0.9,0.95"]))
    found = run(staged, tmp_path, 1)
    assert found.defaults.chosen["epoch"] in (1, 2, 3)
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{tmp_path}/study.db")
    # Three epochs in all: after one and two of them, in fifths rounded down, and at the end.
    assert sorted(study.trials[0].intermediate_values) == [1, 3, 5]


def test_the_defaults_are_the_first_trial_even_outside_of_the_space(
    experiment: Experiment, tmp_path: Path
) -> None:
    outside = replace(experiment, space=space_of(experiment.recipe, ["lr=1e-3..1e-2:log"]))
    found = run(outside, tmp_path, 3)
    assert found.trials[0].settings == {"lr": 1e-6}
    assert all(1e-3 <= trial.settings["lr"] <= 1e-2 for trial in found.trials[1:])


def test_time_ends_it_but_never_before_a_trial(experiment: Experiment, tmp_path: Path) -> None:
    began = time.monotonic()
    found = sweep(experiment, tmp_path / "s", Budget(None, 0.001))
    assert len(found.trials) == 1
    found = sweep(experiment, tmp_path / "s", Budget(None, 1.5))
    assert 2 <= len(found.trials) < 40 and time.monotonic() - began < 60


def test_a_time_that_is_none_is_refused() -> None:
    """A sweep by it would have no end."""
    for seconds in (float("nan"), float("inf"), -1.0):
        with pytest.raises(UsageError, match="no budget"):
            Budget(None, seconds)


def test_too_few_dev_queries_are_said_before_anything(
    experiment: Experiment, tmp_path: Path
) -> None:
    with pytest.raises(RankbenchError, match="fewer than 5"):
        run(replace(experiment, dev_queries=experiment.dev_queries[:4]), tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_a_path_of_any_characters_will_do(experiment: Experiment, tmp_path: Path) -> None:
    place = tmp_path / "what? 100% #1"
    run(experiment, place, 1)
    assert (place / "study.db").stat().st_size > 0
    (place / "study.db").write_bytes(b"not a database, but long enough to look at" * 50)
    with pytest.raises(RankbenchError, match="cannot be read or written") as damaged:
        run(experiment, place, 1)
    assert str(place) in damaged.value.todo
    (place / "settings.json").write_text("{")
    with pytest.raises(RankbenchError, match="cannot be read"):
        run(experiment, place, 1)


@pytest.mark.parametrize("recipe", list_recipes(), ids=lambda recipe: recipe.name)
def test_each_recipe_has_a_space_around_its_defaults(recipe: Any) -> None:
    if recipe.loss in REFUSED:
        with pytest.raises(UsageError, match="cannot be swept"):
            space_of(recipe)
        return
    space = space_of(recipe)
    assert 4 <= len(space) <= 9
    assert {item.key for item in space} == set(SPACES[recipe.loss]) <= set(recipe.parameters)
    for item in space:
        assert item.holds(recipe[item.key]), item
        for value in item.choices or (item.low, item.high):
            recipe.with_set([f"{item.key}={value}"])
        again = space_of(recipe, [f"{item.key}={item.text}"])
        assert again == (item,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lr", "key=values"),
        ("speed=1..2", "It accepts alpha, batch_size"),
        ("lr=0..1e-4:log", "1e-08 to 1"),
        ("lr=1e-4..1e-6", "lower one first"),
        ("lr=1e-6..1e-4:cubic", "'cubic' is not known"),
        ("lr=1e-6..fast", "lr = fast is not possible"),
        ("epochs=1..2.5", "a whole number from 1 to 1000"),
        ("weight_decay=0..0.1:log", "Begin above 0"),
        ("strata=none..category", "none, category, source, locale"),
        ("strata=none,colour", "one of none, category, source, locale"),
        ("strata=none", "two or more"),
        ("epochs=2,2", "two or more"),
        *((f"{key}=0,1", NOT_SEARCHED[key]) for key in NOT_SEARCHED),
    ],
)
def test_a_wrong_range_names_what_is_accepted(text: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        space_of(load_recipe("infonce"), [text])
    assert words in f"{refused.value.what} {refused.value.todo}"


def test_what_is_set_is_not_searched() -> None:
    recipe = load_recipe("adapter")
    assert "lr" not in {item.key for item in space_of(recipe, fixed=["lr"])}
    with pytest.raises(UsageError, match="--set and --param"):
        space_of(recipe, ["lr=1e-4,1e-3"], fixed=["lr"])
    with pytest.raises(UsageError, match="twice"):
        space_of(recipe, ["lr=1e-4,1e-3", "lr=1e-4,1e-2"])
    with pytest.raises(UsageError, match="Nothing is left"):
        space_of(recipe, fixed=list(recipe.parameters))
