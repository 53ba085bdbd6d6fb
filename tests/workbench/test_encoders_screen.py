"""Encoders: what the table says, sides put by a key, work on one encoder, other processes."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from looking import answered, lines, page, until
from shelved import shelve, verdict
from stand_in import StandIn, Status

from engine import supervise
from engine.encoders.registry import add
from engine.index.build import build_index, remove_encoder
from engine.workspace import Workspace, open_workspace
from workbench.messages import JobView
from workbench.screens.encoders import EncodersScreen
from workbench.screens.run import RunScreen


@pytest.fixture
def shelf(ws: Workspace) -> Workspace:
    """Three encoders above the base: a good one, its child, and one that is not indexed."""
    shelve(ws, "tuned-01", verdict("tuned-01"))
    bad = verdict("tuned-02", "do not use this one", (-0.051, -0.08, -0.02))
    shelve(ws, "tuned-02", bad, parents=("tuned-01", "base"))
    shelve(ws, "fresh-02", built=False)
    return ws


def comparer() -> StandIn:
    stand_in = StandIn()
    stand_in.statuses.insert(3, Status("tuned-02", "encoder", True))
    return stand_in


async def opened(app: Any, pilot: Any, name: str = "tuned-01") -> EncodersScreen:
    """The screen with its cursor on `name`."""
    await until(lambda: app.sides != ())
    await pilot.press("f6")
    screen = app.screen
    assert isinstance(screen, EncodersScreen)
    await until(lambda: bool(screen.table.rows), seconds=20)
    names = [row.name for row in screen.table.rows]
    await pilot.press("home", *["down"] * names.index(name))
    assert screen.table.row.name == name
    return screen


def row_of(app: Any, name: str) -> str:
    return next(line for line in lines(app) if line[1:].startswith(f"{name} "))


async def test_a_row_says_what_an_encoder_is_worth(make_app, shelf) -> None:
    app = make_app(comparer(), root=shelf)
    async with app.run_test(size=(140, 40)) as pilot:
        await opened(app, pilot, "tuned-02")
        row = row_of(app, "tuned-02")
        for said in ("tuned-01", "flags", ".557→.566", "-.051", "do not use this one", "1.2 MB"):
            assert said in row
        assert "right" in row and "left" in row_of(app, "base")
        assert "not yet" in row_of(app, "fresh-02")
        await until(lambda: "base → tuned-01 (flags) → tuned-02 (flags)" in page(app))
        assert "unseen catalog NDCG@10 -.051 (-.080 to -.020, n 30)" in page(app)
        assert "catalog cf85e883" in page(app) and "seed 3" in page(app)
        assert "dev catalog NDCG@10 .557 → .566 (n 18)" in page(app)


async def test_what_matters_stays_at_80_columns(make_app, shelf) -> None:
    app = make_app(comparer(), root=shelf)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, "tuned-02")
        row = row_of(app, "tuned-02")
        assert "do not use this one" in row and "-.051" in row and "right" in row
        assert "not indexed" in row_of(app, "fresh-02")
        measures, names = lines(app)[:2]
        assert measures.split() == ["NDCG@10"] * 2 and "verdict" in names
        assert [len(measures[:at]) for at in (measures.index("@10"), measures.rindex("@10"))] == [
            names.index("dev"), names.index("seen") + 1,
        ]  # fmt: skip
        keys = lines(app)[-1]
        assert all(key in keys for key in ("Enter run", "l r put", "d remove", "w v export", "^P"))


async def test_l_and_r_put_any_two_side_by_side(make_app, shelf) -> None:
    app = make_app(comparer(), root=shelf)
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        await pilot.press(*"lamp")
        await until(answered(app, "lamp"))
        await opened(app, pilot, "tuned-02")
        await pilot.press("l")
        await until(lambda: "tuned-02 is on the left." in page(app))
        await pilot.press("up", "r")
        await until(lambda: "tuned-01 is on the right." in page(app))
        await until(
            lambda: "left" in row_of(app, "tuned-02") and "right" in row_of(app, "tuned-01")
        )
        assert app.wanted == ("tuned-02", "tuned-01")
        await pilot.press("f6")
        await until(lambda: app.compare.comparison.baseline.encoder == "tuned-02")
        settings = open_workspace(shelf.root).settings
        assert (settings.baseline, settings.candidate) == ("tuned-02", "tuned-01")


async def test_what_another_app_has_chosen_is_told_as_the_default(make_app, shelf) -> None:
    app = make_app(comparer(), root=shelf)
    other = open_workspace(shelf.root)
    settings = other.settings
    async with app.run_test(size=(120, 30)) as pilot:
        app.choose_side("candidate", "bm25")
        await until(lambda: open_workspace(shelf.root).settings.candidate == "bm25")
        from dataclasses import replace

        other.save(replace(settings, candidate="tuned-01"))
        await opened(app, pilot)
        assert "default right" in row_of(app, "tuned-01")


async def test_a_question_comes_before_a_removal_and_the_base_stays(make_app, shelf) -> None:
    app = make_app(comparer(), root=shelf)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await opened(app, pilot, "base")
        await pilot.press("d")
        await until(lambda: "The base encoder cannot be removed" in page(app))
        await pilot.press("down", "d")
        text = " ".join(page(app).replace("│", " ").split())
        assert "Remove tuned-01" in text and "parent of tuned-02" in text
        await pilot.press("n", "d", "escape", "d", "enter", "n")
        assert (shelf.encoders_dir / "tuned-01").is_dir()
        await pilot.press("down", "d")
        assert "It is in use: right." in " ".join(page(app).split())
        await pilot.press("y")
        await until(lambda: "tuned-02 and its index are removed." in page(app), seconds=30)
        await until(lambda: all(row.name != "tuned-02" for row in app.screen.table.rows))
        assert not (shelf.encoders_dir / "tuned-02").exists()


async def test_a_removed_side_leaves_the_settings(make_app, shelf) -> None:
    app = make_app(comparer(), root=shelf)
    async with app.run_test(size=(100, 30)) as pilot:
        app.choose_side("candidate", "tuned-01")
        await opened(app, pilot)
        await pilot.press("d", "y")
        await until(lambda: app.settings.candidate == "", seconds=30)
        await until(lambda: open_workspace(shelf.root).settings.candidate == "")


async def test_the_page_of_a_run_from_its_row(make_app, shelf) -> None:
    app = make_app(comparer(), root=shelf)
    async with app.run_test(size=(120, 60), notifications=True) as pilot:
        await opened(app, pilot)
        await pilot.press("enter")
        await until(lambda: "tuned-01 against base: safe to try" in lines(app)[0])
        await until(lambda: "Blue desk lamp" in page(app))
        text = page(app)
        for said in (
            "+.012 (-.004 to +.028, n 30)",
            "6 improved, 20 unchanged, 4 harmed; p .213",
            ".912 (mean of the same queries)",
            "should fall",
            "4 of 4 left the top 10",
            "(n 1)",
            "before the flags",
            "> 1,000",
            "a query that got worse, number 5",
            "93 s",
        ):
            assert said in text, said
        await pilot.press("r")
        await until(lambda: "tuned-01 is on the right." in page(app))
        await pilot.press("escape")
        assert isinstance(app.screen, EncodersScreen)
        await pilot.press("end", "enter")
        await until(lambda: "fresh-02 has no verdict" in page(app))


async def test_the_page_scrolls_and_cuts_nothing_at_80x24(make_app, shelf) -> None:
    app = make_app(comparer(), root=shelf)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        await pilot.press("enter")
        await until(lambda: "safe to try" in lines(app)[0])
        first = page(app)
        assert "+.012 (-.004 to +.028, n 30)" in first and "4 of 4 left the top 10" in first
        assert "1–22 of" in lines(app)[0] and "…" not in first
        await pilot.press("end")
        assert "with the flags" in lines(app)[22]
        await pilot.press("pageup", "home")
        assert page(app) == first


async def test_f7_opens_the_newest_run_and_a_mode_key_leaves_it(make_app, shelf) -> None:
    app = make_app(comparer(), root=shelf)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        await pilot.press("f7")
        await until(lambda: isinstance(app.screen, RunScreen))
        assert app.screen.encoder == "tuned-02"
        await pilot.press("f7")
        await pilot.pause(0.1)
        await pilot.press("f2")
        assert len(app.screen_stack) == 2
        await pilot.press("escape")
        assert app.screen is app.compare


async def test_a_run_that_ends_says_its_call(make_app, shelf) -> None:
    jobs = [JobView("0001", "train", "running", "tuned-02", 10, 40)]
    app = make_app(comparer(), root=shelf, find_jobs=lambda: list(jobs))
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(lambda: app.jobs != ())
        jobs[0] = JobView("0001", "train", "done", "tuned-02")
        told = "tuned-02 is ready: do not use this one. F7 says why, F8 puts it on the right."
        await until(lambda: told in " ".join(page(app).split()))
        await pilot.press("f7")
        await until(lambda: isinstance(app.screen, RunScreen))


async def test_two_apps_hear_of_the_same_run(make_app, shelf) -> None:
    jobs = [JobView("0001", "train", "running", "tuned-02", 10, 40)]
    one, other = (make_app(comparer(), root=shelf, find_jobs=lambda: list(jobs)) for _ in range(2))
    async with one.run_test(size=(80, 24)) as fingers, other.run_test(size=(80, 24)) as pilot:
        await until(lambda: bool(one.jobs and other.jobs))
        jobs[0] = JobView("0001", "train", "done", "tuned-02")
        await until(lambda: one.newest_encoder == other.newest_encoder == "tuned-02")
        await fingers.press("f8")
        await until(lambda: one.settings.candidate == "tuned-02")
        await pilot.press("f6")
        await until(lambda: "right" in row_of(other, "tuned-02"))


@pytest.mark.parametrize("where", ["", "f2", "f5", "f6", "f1", "f3", "f7"])
async def test_f8_works_from_any_screen(make_app, shelf, where: str) -> None:
    app = make_app(comparer(), root=shelf)
    async with app.run_test(size=(100, 24)) as pilot:
        await until(lambda: app.sides != ())
        app.choose_side("candidate", "bm25")
        await pilot.press(*[where] if where else [])
        await pilot.press("f8")
        await until(lambda: app.settings.candidate == "tuned-02")


async def test_f8_says_that_the_newest_was_deleted_meanwhile(make_app, shelf) -> None:
    app = make_app(comparer(), root=shelf)
    async with app.run_test(size=(120, 24), notifications=True) as pilot:
        await until(lambda: app.sides != ())
        shutil.rmtree(shelf.encoders_dir / "tuned-02")
        await pilot.press("f8")
        told = "tuned-02 is not in this workspace any more. tuned-01 is on the right."
        await until(lambda: told in page(app))
        shutil.rmtree(shelf.encoders_dir / "tuned-01")
        await pilot.press("f8")
        await until(lambda: "F5 trains one" in page(app))


async def test_a_side_deleted_by_another_process_is_told_and_bm25_answers(make_app, ws) -> None:
    shelve(ws, "tuned-01")
    stand_in = StandIn()
    app = make_app(stand_in, root=ws)
    async with app.run_test(size=(120, 24), notifications=True) as pilot:
        await pilot.press(*"lamp")
        await until(answered(app, "lamp"))
        app.choose_side("candidate", "tuned-01")
        await until(lambda: app.compare.comparison.candidate.encoder == "tuned-01")
        stand_in.statuses = [s for s in stand_in.statuses if s.name != "tuned-01"]
        shutil.rmtree(ws.encoders_dir / "tuned-01")
        await until(lambda: "tuned-01 was removed: bm25 answers on the right" in page(app))
        await until(lambda: app.compare.comparison.candidate.encoder == "bm25")
        await until(lambda: "bm25 for tuned-01" in lines(app)[3])


async def test_an_encoder_that_another_process_adds_comes_into_the_table(make_app, shelf) -> None:
    app = make_app(comparer(), root=shelf)
    async with app.run_test(size=(100, 24)) as pilot:
        screen = await opened(app, pilot)
        shelve(shelf, "zeta-09")
        await until(lambda: "zeta-09" in page(app))
        assert screen.table.row.name == "tuned-01"
        shutil.rmtree(shelf.encoders_dir / "zeta-09")
        await until(lambda: "zeta-09" not in page(app))


async def test_training_again_starts_a_job_with_the_cards_params(
    make_app, shelf, monkeypatch
) -> None:
    from engine.jobs import from_card, material, train

    begun: list[dict[str, Any]] = []

    def start(ws: Workspace, kind: str, params: dict[str, Any]) -> JobView:
        begun.append(params)
        return JobView("0007", kind, "queued")

    params = {"recipe": "flags", "seed": 3}
    monkeypatch.setattr(supervise, "start", start)
    monkeypatch.setattr(train, "check", lambda ws, given: None)
    monkeypatch.setattr(material, "check_basket", lambda ws, given, *more: None)
    monkeypatch.setattr(
        from_card, "params_from_card", lambda ws, name: (params, ("the catalog differs",))
    )
    app = make_app(comparer(), root=shelf)
    async with app.run_test(size=(120, 24), notifications=True) as pilot:
        await opened(app, pilot, "base")
        await pilot.press("t")
        await until(lambda: "base was not trained here" in page(app))
        await pilot.press("down", "t")
        await until(lambda: "Other than then: the catalog differs." in page(app))
        assert begun == [params] and "Job 0007 has started" in page(app)


async def test_work_on_a_real_encoder(
    make_app, tiny_workspace: Workspace, tiny_encoder_dir: Path, tmp_path: Path
) -> None:
    """Timed, written out whole and as vectors, removed."""
    ws = tiny_workspace
    add(ws, str(tiny_encoder_dir), "other")
    build_index(ws, "other")
    app = make_app(root=ws)
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        screen = await opened(app, pilot, "other")
        await pilot.press("m")
        await until(lambda: " ms" in row_of(app, "other"), seconds=60)
        assert "p95" in page(app) and "(n 50)" in page(app)
        out = tmp_path / "out"
        await pilot.press("w", "ctrl+u", *str(out), "enter")
        await until(lambda: (out / "modules.json").is_file())
        await until(lambda: f"other is in {out}" in "".join(page(app).split("\n")))
        await pilot.press("w", "ctrl+u", *str(out), "enter")
        await until(lambda: "exists already" in page(app))
        vectors = tmp_path / "vectors.parquet"
        await pilot.press("v", "ctrl+u", *str(vectors), "enter")
        await until(vectors.is_file, seconds=30)
        await until(lambda: "220 vectors of other" in page(app))
        remove_encoder(ws, "other")
        await until(lambda: len(screen.table.rows) == 1)


async def test_one_encoder_is_timed_at_a_time_beside_the_keys(make_app, shelf, monkeypatch) -> None:
    from engine.encoders import latency

    hold = threading.Event()

    def slow(directory: Path) -> latency.Latency:
        hold.wait(10)
        return latency.Latency(8.1, 9.9, 50, 2)

    monkeypatch.setattr(latency, "query_latency", slow)
    app = make_app(comparer(), root=shelf)
    async with app.run_test(size=(120, 24), notifications=True) as pilot:
        await opened(app, pilot)
        await pilot.press("m")
        assert "…" in row_of(app, "tuned-01")
        await pilot.press("down", "m")
        await until(lambda: "tuned-01 is being timed: one at a time." in page(app))
        hold.set()
        await until(lambda: "8.1 ms" in row_of(app, "tuned-01"))
        await pilot.press("f6", "f6")
        await until(lambda: "8.1 ms" in page(app))


async def test_every_key_has_a_palette_entry(make_app, shelf) -> None:
    app = make_app(comparer(), root=shelf)
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(app, pilot)
        await pilot.press("ctrl+p", *"put this encoder left")
        await pilot.pause(0.4)
        await pilot.press("enter")
        await until(lambda: app.settings.baseline == "tuned-01")
        await pilot.press("ctrl+p", *"open the page of the run")
        await pilot.pause(0.4)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, RunScreen))
