"""A run again from its card: the same weights from the same data, and what differs otherwise."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from engine import supervise
from engine.encoders.card import Card, read_card, write_card
from engine.encoders.cross_encoder import load_cross_encoder
from engine.errors import RankbenchError
from engine.index.build import load_matrix
from engine.index.store import read_items, write_items
from engine.jobs.from_card import compare_with, params_from_card, same_run
from engine.jobs.material import read_basket
from engine.records import Verdict, Verdicts
from engine.training.recipe import load_recipe
from engine.workspace import Workspace

QUICK = ["max_steps=6", "lr=1e-3", "dev_products=80", "replay=30", "alphas=1", "alpha=1"]


def run(ws: Workspace, params: dict[str, Any]) -> str:
    job = supervise.start(ws, "train", params, threads=1)
    last = list(supervise.follow(job))[-1]
    assert last["event"] == "done", last
    return str(last["encoder"])


def say(ws: Workspace, *words: tuple[str, str, str]) -> None:
    with Verdicts(ws.records_path) as verdicts:
        verdicts.add([Verdict(q, p, g, bad=g == "I", side="base") for q, p, g in words], "ann")


def card_of(ws: Workspace, name: str) -> Card:
    card = read_card(ws.encoders_dir / name)
    assert card is not None
    return card


@pytest.fixture
def flagged(tiny_workspace: Workspace) -> Workspace:
    say(tiny_workspace, ("red sneaker", "p100", "I"), ("red sneaker", "p101", "I"))
    say(tiny_workspace, ("red lamp", "p102", "I"), ("black sneaker", "p103", "I"))
    return tiny_workspace


def test_the_same_data_and_seed_give_the_same_encoder(flagged: Workspace) -> None:
    ws = flagged
    asked = {
        "recipe": "flags", "set": QUICK, "seed": 5, "source": "both", "include_test": True,
        "deselected": [["red sneaker", "p101"]],
    }  # fmt: skip
    first = run(ws, asked)
    params, differences = params_from_card(ws, first)
    assert differences == ()
    assert (params["seed"], params["source"], params["base"]) == (5, "both", "base")
    assert params["include_test"] is True and params["deselected"] == [["red sneaker", "p101"]]
    second = run(ws, params)
    assert (first, second) == ("flags-01", "flags-02")
    one, two = card_of(ws, first), card_of(ws, second)
    assert one.data == two.data and one.recipe == two.recipe and one.asked == two.asked
    assert {"rows", "verdicts", "judgments", "judged", "dev", "catalog"} <= set(one.data)
    here, again = load_matrix(ws, first), load_matrix(ws, second)
    np.testing.assert_allclose(again.vectors, here.vectors, atol=1e-6)
    base = load_matrix(ws, "base")
    assert np.abs(base.vectors - here.vectors).max() > 1e-3  # there was something to reproduce
    assert "same weights as flags-01" in compare_with(ws, second, first)
    other = run(ws, {**params, "seed": 6})
    assert "other data or settings" in compare_with(ws, other, first)


def test_what_differs_is_said_by_its_name_and_the_run_goes_on(flagged: Workspace) -> None:
    ws = flagged
    first = run(ws, {"recipe": "flags", "set": QUICK})
    say(ws, ("blue kettle", "p104", "I"))
    _, differences = params_from_card(ws, first)
    assert "the verdicts differ" in differences
    assert not any("catalog" in said for said in differences)
    items = read_items(ws, ["product_id", "title"])
    write_items(ws, items.with_columns(pl.col("title").replace(items["title"][9], "a new lamp")))
    params, differences = params_from_card(ws, first)
    assert "the catalog differs" in differences
    second = run(ws, params)
    assert second == "flags-02" and "other data" in compare_with(ws, second, first)
    assert card_of(ws, second).data["verdicts"] == read_basket(ws, params).verdicts_hash


def test_new_judgments_differ_and_verdicts_do_not(tiny_workspace: Workspace) -> None:
    ws = tiny_workspace
    first = run(ws, {"recipe": "adapter", "set": ["epochs=1"]})
    say(ws, ("red lamp", "p102", "I"))
    # A run on judgments alone looks at no verdict.
    params, differences = params_from_card(ws, first)
    assert differences == () and params["source"] == "judgments"
    write_card(
        ws.encoders_dir / first,
        replace(card_of(ws, first), data={**card_of(ws, first).data, "judged": "0" * 16}),
    )
    (said,) = params_from_card(ws, first)[1]
    assert said == "the grades of all train and dev queries differ"


def card_of_path(path: Path) -> Card:
    card = read_card(path.parent)
    assert card is not None
    return card


def card_like(ws: Workspace, **values: Any) -> Path:
    """A card of a run from this base, in a directory of its own."""
    from engine.encoders.fingerprint import fingerprint

    directory = ws.root / "elsewhere"
    directory.mkdir(exist_ok=True)
    recipe = {"name": "adapter", "loss": "adapter", "parameters": {"seed": 3, "epochs": 1}}
    mark = fingerprint(ws.encoders_dir / "base")
    write_card(directory, replace(Card("old", "base", mark, recipe), **values))
    return directory / "card.json"


def test_another_teacher_of_the_same_name_is_said(
    tiny_workspace: Workspace, tiny_cross_encoder_dir: Path
) -> None:
    ws = tiny_workspace
    place = ws.teachers_dir / "ours"
    shutil.copytree(tiny_cross_encoder_dir, place)
    write_card(place, Card("ours", created="2026-01-01T00:00:00"))
    settings = ["teacher=ours", "max_steps=1", "max_per_query=2", "dev_products=50", "alphas=1"]
    asked = {"recipe": "hard-negatives", "set": settings, "source": "", "seed": None}
    first = run(ws, asked)
    assert same_run(ws, asked) == first and params_from_card(ws, first)[1] == ()
    other = load_cross_encoder(place, "cpu")
    next(other.parameters()).data += 0.1
    other.save_pretrained(str(place))
    assert same_run(ws, asked) == ""
    assert params_from_card(ws, first)[1] == ("the teacher's weights differ",)


def test_a_card_of_an_older_rankbench_or_of_a_recipe_file_is_read(
    tiny_workspace: Workspace,
) -> None:
    ws = tiny_workspace
    params, differences = params_from_card(ws, str(card_like(ws)))
    assert params["seed"] == 3 and "epochs=1" in params["set"]
    (said,) = differences
    assert said.startswith("the recipe adapter has got ") and "lr = " in said
    recipe = {**load_recipe("adapter").to_json(), "name": "mine"}
    recipe["parameters"]["gone"] = 1
    scores = {"cancelled_after_step": 7}
    told = params_from_card(ws, str(card_like(ws, recipe=recipe, scores=scores).parent))
    assert told[0]["recipe"] == "adapter"
    assert [said.partition(":")[0] for said in told[1]] == [
        "there is no recipe mine here",
        "the recipe adapter no longer has gone",
        "old was cancelled after step 7; this run goes to its end",
    ]


def test_a_card_that_tells_nothing_of_its_data_is_not_called_the_same(
    tiny_workspace: Workspace,
) -> None:
    ws = tiny_workspace
    path = card_like(ws)
    made = ws.encoders_dir / "again"
    shutil.copytree(ws.encoders_dir / "base", made)
    write_card(made, replace(card_of_path(path), name="again", data={"rows": "a", "dev": "b"}))
    assert "does not tell on which data" in compare_with(ws, "again", str(path))
    told = str(card_like(ws, data={"rows": "a", "dev": "b"}))
    assert "same data, settings and seed" in compare_with(ws, "again", told)
    assert "other data" in compare_with(ws, "again", str(card_like(ws, data={"rows": "c"})))


def test_the_base_is_found_by_its_weights_or_the_run_refuses(tiny_workspace: Workspace) -> None:
    ws = tiny_workspace
    path = card_like(ws, base="former")
    assert params_from_card(ws, str(path))[0]["base"] == "base"
    assert "its base former is called base here" in params_from_card(ws, str(path))[1]
    path = card_like(ws, base_fingerprint="f" * 16)
    with pytest.raises(RankbenchError, match="has other weights here"):
        params_from_card(ws, str(path))
    path = card_like(ws, base="former", base_fingerprint="f" * 16)
    with pytest.raises(RankbenchError, match="is not in this workspace"):
        params_from_card(ws, str(path))


@pytest.mark.parametrize(
    ("name", "word"),
    [("base", "added as it is"), ("nosuch", "no encoder"), ("workspace.toml", "card.json")],
)
def test_what_is_no_card_is_one_error(
    name: str, word: str, tiny_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_workspace.root)
    with pytest.raises(RankbenchError, match=word):
        params_from_card(tiny_workspace, name)


def test_a_directory_without_a_card_and_a_broken_one_are_one_error(
    tiny_workspace: Workspace, tmp_path: Path
) -> None:
    ws = tiny_workspace
    with pytest.raises(RankbenchError, match=r"has no card\.json"):
        params_from_card(ws, str(tmp_path))
    broken = shutil.copy(card_like(ws), tmp_path / "card.json")
    Path(broken).write_text(json.dumps({"name": "x", "recipe": {"name": "adapter"}}))
    with pytest.raises(RankbenchError):
        params_from_card(ws, str(broken))
