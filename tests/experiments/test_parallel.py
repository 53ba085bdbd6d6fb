"""Folds on several devices at once, and what becomes of the others where one fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest

from engine.catalog.queries import JudgedQuery
from engine.catalog.splits import folds as make_folds
from engine.errors import RankbenchError
from engine.experiments.crossval import crossval
from engine.experiments.pace import Pace
from engine.training.outcome import Cancelled
from engine.training.recipe import load_recipe

Texts = dict[str, str]
Queries = list[JudgedQuery]


def test_the_time_left_moves_while_folds_run() -> None:
    now = 0.0
    runs = [(0, fold) for fold in range(4)]
    pace = Pace(runs, clock=lambda: now)
    assert pace.left(runs[0], {}, ()) is None
    told = []
    for run in runs:  # each takes 100 s; its own estimate knows the first 80 of them
        for second in range(0, 100, 10):
            eta = {"eta_s": 80 - second} if second < 80 else {}
            told.append(pace.left(run, eta, runs[: run[1]]))
            now += 10
    # Until one has ended, what comes after its own estimate is not known.
    assert told[:10] == [320, 310, 300, 290, 280, 270, 260, 250, 240, 270]
    assert told[10:] == [300 - 10 * step for step in range(30)]


def test_the_time_left_of_folds_at_once_is_shared_and_one_that_is_late_goes_by_its_own() -> None:
    now = 0.0
    runs = [(0, fold) for fold in range(4)]
    pace = Pace(runs, 2, clock=lambda: now)
    pace.left(runs[0], {}, ())
    pace.left(runs[1], {}, ())
    now = 100.0
    assert pace.left(runs[2], {}, runs[:2]) == (100 + 100) / 2
    now = 150.0
    assert pace.left(runs[3], {}, runs[:2]) == (50 + 100) / 2
    now = 230.0  # the one has lasted 130 s of 100, the other 80
    assert pace.left(runs[2], {"eta_s": 30}, runs[:2]) == (30 + 20) / 2
    now = 270.0
    assert pace.left(runs[3], {"eta_s": 6}, runs[:3]) == round((100 + 100 + 170) / 3 - 120, 1)


def test_folds_on_two_devices_at_once_are_the_same_experiment(
    tiny_encoder_dir: Path, tiny_texts: Texts, queries: Queries, tmp_path: Path
) -> None:
    recipe = load_recipe("adapter").with_set(["epochs=2"])
    events: list[dict[str, Any]] = []

    def run(out: Path, **more: Any) -> Any:
        return crossval(recipe, tiny_encoder_dir, tiny_texts, queries, out, folds=3, **more)

    both = run(tmp_path / "two", devices=["cpu", "cpu"], progress=events.append)
    alone = run(tmp_path / "one", devices=["cpu"])
    assert {event["fold"] for event in events if "fold" in event} == {0, 1, 2}
    assert max(event["run"] for event in events if "run" in event) <= 3
    assert all(event["total_eta_s"] >= 0 for event in events if event.get("eta_s") is not None)
    for left, right in zip(both.per_query, alone.per_query, strict=True):
        assert left["tuned"] == pytest.approx(right["tuned"], abs=1e-6)
    assert not list((tmp_path / "two").glob(".work-*"))
    with pytest.raises(Cancelled):
        run(tmp_path / "stopped", devices=["cpu", "cpu"], should_stop=lambda: True)


def test_a_fold_that_fails_beside_another_says_why(
    tiny_encoder_dir: Path, tiny_texts: Texts, queries: Queries, tmp_path: Path
) -> None:
    nothing = [replace(query, grades=dict.fromkeys(query.grades, "S")) for query in queries]
    with pytest.raises(RankbenchError, match="Exact") as raised:
        crossval(
            load_recipe("adapter"),
            tiny_encoder_dir,
            tiny_texts,
            nothing,
            tmp_path,
            folds=2,
            devices=["cpu", "cpu"],
        )
    assert raised.value.todo


@pytest.fixture
def children_end() -> Iterator[None]:
    """Whatever a fault leaves at work is killed after a minute, so that no test waits for ever."""
    timer = threading.Timer(60, lambda: [child.kill() for child in active_children()])
    timer.start()
    yield
    timer.cancel()


@pytest.mark.usefixtures("children_end")
def test_a_fold_that_fails_stops_the_one_beside_it(
    tiny_encoder_dir: Path, tiny_texts: Texts, queries: Queries, tmp_path: Path
) -> None:
    """Only fold 1 has Exact products, so that without it there is nothing to train on."""
    fold_of = make_folds(queries, 2)
    some = [
        query
        if fold_of[query.query_id]
        else replace(query, grades=dict.fromkeys(query.grades, "S"))
        for query in queries
    ]
    assert make_folds(some, 2) == fold_of
    began = time.monotonic()
    with pytest.raises(RankbenchError, match="Exact"):
        crossval(
            load_recipe("infonce").with_set(["epochs=1000", "batch_size=2"]),
            tiny_encoder_dir,
            tiny_texts,
            some,
            tmp_path,
            folds=2,
            devices=["cpu", "cpu"],
        )
    assert time.monotonic() - began < 55
    assert not list(tmp_path.glob("fold0-*")) and not list(tmp_path.glob(".work-*"))


@pytest.mark.usefixtures("children_end")
def test_a_fold_whose_process_is_killed_is_one_error(
    tiny_encoder_dir: Path, tiny_texts: Texts, queries: Queries, tmp_path: Path
) -> None:
    def kill(event: dict[str, Any]) -> None:
        if "fold" in event:
            active_children()[0].kill()

    with pytest.raises(RankbenchError, match="ended abruptly") as raised:
        crossval(
            load_recipe("infonce").with_set(["epochs=1000", "batch_size=2"]),
            tiny_encoder_dir,
            tiny_texts,
            queries,
            tmp_path,
            folds=2,
            devices=["cpu", "cpu"],
            progress=kill,
        )
    assert "are kept" in raised.value.todo
