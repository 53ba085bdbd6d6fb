"""Recipes: what comes with the package, overrides, and the errors of wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import RankbenchError, UsageError
from engine.training.recipe import PARAMETERS, list_recipes, load_recipe


def test_the_packaged_recipes_are_listed_with_summary_and_parameters() -> None:
    found = {recipe.name: recipe.to_json() for recipe in list_recipes()}
    assert {"infonce", "adapter"} <= set(found)
    for recipe in found.values():
        assert recipe["summary"]
        assert {"epochs", "lr", "seed", "max_steps"} <= set(recipe["parameters"])
        assert set(recipe["parameters"]) <= set(PARAMETERS)


def test_set_overrides_and_keeps_the_kind() -> None:
    recipe = load_recipe("infonce").with_set(["epochs=3", "lr=1e-5", "alphas=1,0.5", "epochs=4"])
    assert recipe["epochs"] == 4
    assert recipe["lr"] == 1e-5
    assert recipe["alphas"] == (0.5, 1.0)
    assert load_recipe("infonce")["epochs"] != 4


@pytest.mark.parametrize(
    ("assignment", "word"),
    [
        ("epoch=3", "epochs"),
        ("identity=1", "accepts"),
        ("epochs", "key=value"),
        ("epochs=0", "whole number"),
        ("epochs=2.5", "whole number"),
        ("epochs=many", "whole number"),
        ("lr=nan", "number"),
        ("lr=-1", "number"),
        ("alphas=", "numbers"),
        ("alphas=0.5,2", "numbers"),
        ("alphas=-1", "numbers"),
        ("alphas=0", "above 0"),
        ("alphas=0,0.5", "above 0"),
        ("batch_size=1", "from 2"),
    ],
)
def test_a_wrong_override_says_what_is_accepted(assignment: str, word: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_recipe("infonce").with_set([assignment])
    assert word in f"{caught.value.what} {caught.value.todo}"


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        load_recipe("magic")
    assert "adapter" in caught.value.todo and "infonce" in caught.value.todo
    with pytest.raises(UsageError):
        load_recipe("../recipes/infonce")


def test_a_recipe_file_takes_its_losses_defaults(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\nloss = "infonce"\n[parameters]\nepochs = 7\n')
    recipe = load_recipe(str(path))
    assert recipe.name == "mine" and recipe["epochs"] == 7
    assert recipe["lr"] == load_recipe("infonce")["lr"]


@pytest.mark.parametrize(
    "text",
    [
        "no toml",
        'loss = "magic"',
        'loss = "infonce"\n[parameters]\nepoch = 1',
        'loss = "infonce"\n[parameters]\nepochs = "two"',
        'loss = "infonce"\n[parameters]\nepochs = true',
    ],
)
def test_a_broken_recipe_file_is_one_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.toml"
    path.write_text(text)
    with pytest.raises(RankbenchError):
        load_recipe(str(path))
