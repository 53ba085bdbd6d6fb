"""`train --source flags`: the dry run in words and in JSON, and the run that follows, agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.jobs.from_card import same_run
from engine.records import Records, Verdict, Verdicts
from engine.workspace import open_workspace
from workbench.text import count

DRY = ["train", "--source", "flags", "--dry-run"]


@pytest.fixture
def rb(workspace: Path, rankbench: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A command on the workspace, by the judge ann."""
    monkeypatch.setenv("RANKBENCH_JUDGE", "ann")
    return lambda *arguments: rankbench(*arguments, "-w", workspace)


def query_of(workspace: Path, split: str) -> str:
    with Records(workspace / "records.db") as records:
        records.assign_missing_splits()
        return next(
            query.query
            for query in records.judged_queries()
            if query.split == split and query.positives()
        )


def say(workspace: Path, query: str, products: list[str], grade: str = "I", **more: str) -> None:
    with Verdicts(workspace / "records.db") as records:
        records.add(
            [Verdict(query, product, grade, grade == "I", **more) for product in products], "ann"
        )


def agreed(rb: Any) -> dict[str, Any]:
    """The dry run's JSON, after a look that the words say the same."""
    found, words = json.loads(rb(*DRY, "--json").out), rb(*DRY)
    counted = f"{count(found['pairs'], 'pair')} of {count(found['negatives'], 'negative')} and"
    assert words.code == (1 if found["refusal"] else 0) and counted in words.out
    for note in found["notes"]:
        assert note in words.err
    for group in found["groups"]:
        for row in group["rows"]:
            assert row["becomes"] in words.out
    refused = f"No run can start: {found['refusal']}"
    assert (refused in words.err) if found["refusal"] else ("No run can start" not in words.err)
    return found


def test_one_flag_trains_on_what_the_dry_run_said(rb: Any, workspace: Path) -> None:
    say(workspace, query_of(workspace, "train"), ["p16"], judge="ann")
    found = agreed(rb)
    assert found["negatives"] == 1 and not found["refusal"]
    quick = ["--set", "max_steps=2", "--set", "replay=10"]
    again = rb(*DRY, *quick, "--json").json
    run = ["train", "--source", "flags", *quick]
    done = rb(*run, "--json").json
    assert done["rows"] == again["pairs"] + again["judged"] + again["replay"]

    shown = rb("encoders", done["encoder"]).out
    (told,) = [line for line in shown.splitlines() if line.startswith("trained on")]
    own = f"1 query ({again['pairs']} row"
    assert own in told and f"{again['replay']} rows of replay" in told
    # The same again is told; another seed, or another word, is another run.
    twin = f"{done['encoder']} was trained so"
    params = {"recipe": "flags", "source": "flags", "set": quick[1::2]}
    ws = open_workspace(workspace)
    assert same_run(ws, params) == done["encoder"]
    assert same_run(ws, {**params, "seed": 7}) == ""
    assert same_run(ws, {**params, "include_test": True}) == ""
    assert twin in rb(*run, "--json").err
    say(workspace, query_of(workspace, "train"), ["p15"], judge="ann")
    assert same_run(ws, params) == ""


@pytest.mark.parametrize(
    ("split", "products", "words"),
    [
        ("train", ["gone1", "gone2"], "None of the 2 verdicts can be trained on: not in the cat"),
        ("train", ["gone1"], "The one verdict cannot be trained on: not in the catalog."),
        ("test", ["p15", "p16"], "their queries are in the dev and test splits"),
        # All there is, so three judged products of a test query too.
        ("", [f"p{n:02d}" for n in range(1, 17)], "their queries are in the dev and test splits"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_with_the_same_words(
    split: str, products: list[str], words: str, rb: Any, workspace: Path
) -> None:
    say(workspace, query_of(workspace, split) if split else "zebra", products, judge="ann")
    found = agreed(rb)
    assert words in found["refusal"] and found["pairs"] == 0
    rb("train", "--source", "flags").assert_error(1, found["refusal"], found["todo"].split("`")[0])
    assert rb("jobs", "--json").json == []


def test_the_test_split_is_trained_on_only_when_asked(rb: Any, workspace: Path) -> None:
    query = query_of(workspace, "test")
    say(workspace, query, ["p15", "p16"], judge="ann")
    assert agreed(rb)["refusal"]
    asked = rb(*DRY, "--include-test", "--json").json
    assert not asked["refusal"] and asked["include_test"] is True
    assert "1 query of the dev and test splits is trained on" in asked["notes"]


def test_judges_who_contradict_each_other_are_said(rb: Any, workspace: Path) -> None:
    query = query_of(workspace, "train")
    say(workspace, query, ["p15", "p16"], "E", judge="ann")
    say(workspace, query, ["p15", "p16"], judge="bob")
    found = agreed(rb)
    assert any("judges disagree on 2 results" in note for note in found["notes"])
    assert {row["grade"] for group in found["groups"] for row in group["rows"]} == {"I"}
    assert "* judges disagree" in rb(*DRY).err


def test_a_dry_run_on_judgments_tells_their_rows_and_no_verdict(rb: Any, workspace: Path) -> None:
    say(workspace, query_of(workspace, "train"), ["p16"], judge="ann")
    options = ["train", "--recipe", "adapter", "--dry-run"]
    found = rb(*options, "--json").json
    assert found["source"] == "judgments" and found["judged"] > 0 and found["groups"] == []
    shown = rb(*options)
    assert (
        shown.out.startswith(f"{found['judged']} rows from judgments") and "pairs" not in shown.out
    )


@pytest.mark.parametrize(
    "options",
    [
        ["--recipe", "infonce", "--set", "freeze=1000"],
        ["--recipe", "infonce", "--set", "strata=locale"],
        ["--recipe", "adapter", "--name", "base"],
        ["--source", "flags"],
    ],
)
def test_a_dry_run_refuses_what_the_run_refuses(options: list[str], rb: Any) -> None:
    dry, run = rb("train", *options, "--dry-run"), rb("train", *options)
    assert dry.code == run.code and dry.code in (1, 2)
    assert run.err.splitlines()[0].removeprefix("error: ") in dry.err
    assert rb("jobs", "--json").json == []
