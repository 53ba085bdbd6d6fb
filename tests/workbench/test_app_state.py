"""What the app keeps, what it hears of jobs, its themes, and what it must not import."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from looking import answered, lines, page, until
from stand_in import StandIn, Status, workspace

from engine.workspace import open_workspace
from workbench import saved, themes
from workbench.app import RankbenchApp
from workbench.cancelling import canceller_of
from workbench.messages import JobView
from workbench.status import job_line
from workbench.watching import jobs_of

ROOT = Path(__file__).parents[2]


async def test_the_last_comparison_is_painted_before_anything_is_open(make_app, ws) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"red desk lamp")
        await until(answered(app, "red desk lamp"))
        top = app.compare.baseline.hits[0].title[:15]
    assert saved.load(ws.cache_dir).query == "red desk lamp"

    again = RankbenchApp(ws, lambda: pytest.fail("opened too early"), find_jobs=list)
    again._start_threads = lambda: None
    async with again.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "❯ red desk lamp" in lines(again)[0]
        assert " saved " in lines(again)[2]
        assert top in lines(again)[5]


async def test_a_live_answer_takes_the_saved_ones_place(make_app, ws) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"lamp")
        await until(answered(app, "lamp"))
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(answered(app, "lamp"))
        await pilot.pause(0.05)
        assert " saved " not in lines(app)[2]
        await pilot.press("t")
        await until(answered(app, "t"))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"version": 1}', '{"version": 99}', "\0"])
def test_a_saved_comparison_that_cannot_be_read_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / saved.FILE_NAME).write_text(text)
    assert saved.load(tmp_path) is None


def test_saving_and_loading_give_the_same_comparison(tmp_path: Path) -> None:
    comparison = StandIn(fixed_ms=3.0).compare("tent", "base", "bm25", 50)
    saved.store(tmp_path, comparison)
    assert saved.load(tmp_path) == comparison
    saved.store(tmp_path / "file.txt" / "x", comparison)


async def test_the_theme_is_kept(make_app, ws) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)):
        app.theme = "rankbench-light"
        await until(lambda: open_workspace(ws.root).settings.theme == "rankbench-light")
    again = make_app(root=open_workspace(ws.root))
    assert again.theme == "rankbench-light"


@pytest.mark.parametrize("name", ["nord", "textual-ansi", "dracula", "no such theme"])
async def test_any_theme_has_our_colours(make_app, tmp_path: Path, name: str) -> None:
    app = make_app(root=workspace(tmp_path / "other", theme=name))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"lamp")
        await until(answered(app, "lamp"))
        assert app.theme_variables["gain"] and app.theme_variables["loss"]


def test_gain_and_loss_differ_in_our_themes_and_are_not_red_and_green() -> None:
    for theme in themes.THEMES:
        gain, loss = (theme.variables[name].lstrip("#") for name in ("gain", "loss"))
        assert gain != loss
        assert int(gain[4:], 16) > int(gain[:2], 16) and int(loss[:2], 16) > int(loss[4:], 16)


async def test_a_setting_that_cannot_be_written_is_told(make_app, ws, monkeypatch) -> None:
    from engine.errors import RankbenchError
    from engine.workspace import Workspace

    def refuse(self: Workspace, settings: object) -> None:
        raise RankbenchError("Cannot write [/] here.", "Free some space.")

    monkeypatch.setattr(Workspace, "save", refuse)
    app = make_app()
    async with app.run_test(size=(80, 24), notifications=True):
        await until(lambda: app.sides != ())
        app.theme = "rankbench-light"
        await until(lambda: "Cannot write [/] here." in page(app))


def test_a_running_job_in_words() -> None:
    job = JobView("0001", "train", "running", "infonce-01", 120, 400, 0.83, 118.0)
    assert job_line(job) == "training infonce-01: step 120/400 · loss .83 · 2 min left"
    scored = JobView("0001", "train", "running", "a", 12, 76, 0.0006, 4.0, "training", score=0.412)
    assert job_line(replace(scored, queries=18)).endswith(
        "step 12/76 · loss .0006 · 4 s left · dev NDCG@10 .412 (n 18)"
    )
    assert job_line(JobView("1", "train", "queued", "a")) == "training a: waiting"


async def test_a_finished_job_puts_its_encoder_on_the_right_at_once(make_app) -> None:
    jobs = [JobView("0001", "train", "running", "fresh-02", 10, 40)]
    stand_in = StandIn(statuses=[Status("bm25", "bm25", True), Status("base", "encoder", True)])
    app = make_app(stand_in, find_jobs=lambda: list(jobs))
    async with app.run_test(size=(100, 24), notifications=True) as pilot:
        await pilot.press(*"lamp")
        await until(answered(app, "lamp"))
        await until(lambda: "training fresh-02: step 10/40" in page(app))
        assert app.compare.comparison.candidate.encoder == "bm25"
        stand_in.statuses.append(Status("fresh-02", "encoder", False, "loading"))
        jobs[0] = JobView("0001", "train", "done", "fresh-02")
        await until(lambda: app.compare.comparison.candidate.encoder == "fresh-02")
        await until(lambda: "fresh-02 is ready." in page(app))
        assert stand_in.prepared == ["fresh-02"] and stand_in.refreshed == 1


async def test_a_chosen_side_stays_when_a_job_is_done(make_app, tmp_path: Path) -> None:
    jobs = [JobView("0001", "train", "running", "fresh-02")]
    stand_in = StandIn()
    root = workspace(tmp_path / "fixed", candidate="bm25")
    app = make_app(stand_in, root=root, find_jobs=lambda: list(jobs))
    async with app.run_test(size=(100, 24)) as pilot:
        await pilot.press(*"lamp")
        await until(answered(app, "lamp"))
        await until(lambda: app.jobs != ())
        jobs[0] = JobView("0001", "train", "done", "fresh-02")
        await until(lambda: stand_in.refreshed == 1)
        await pilot.pause(0.1)
        assert app.compare.comparison.candidate.encoder == "bm25"


async def test_a_failed_job_says_where_to_look(make_app) -> None:
    jobs = [JobView("0007", "train", "running", "x-1")]
    app = make_app(find_jobs=lambda: list(jobs))
    async with app.run_test(size=(120, 24), notifications=True):
        await until(lambda: app.jobs != ())
        jobs[0] = JobView("0007", "train", "failed", "x-1", error="no [/] memory")
        await until(lambda: "no [/] memory" in page(app))
        (told,) = [note.message for note in app._notifications]
        assert told.endswith("See `rankbench jobs 0007 --log`.")


async def test_a_running_job_is_cancelled_from_the_palette(make_app) -> None:
    jobs = [JobView("0001", "train", "done", "a-1"), JobView("0002", "train", "running", "b-1")]
    hold, cancelled = threading.Event(), []

    def cancel(job_id: str) -> None:
        hold.wait(5)
        cancelled.append(job_id)
        jobs[1] = JobView("0002", "train", "cancelled", "b-1")

    app = make_app(find_jobs=lambda: list(jobs), cancel_job=cancel)
    async with app.run_test(size=(100, 24), notifications=True) as pilot:
        await until(lambda: app.jobs != ())
        await pilot.press("ctrl+p", *"cancel")
        await pilot.pause(0.5)
        assert "Cancel the running job" in page(app) and "training b-1" in page(app)
        await pilot.press("enter")
        await until(lambda: "Training b-1 stops at its next step." in page(app))
        await pilot.press(*"lamp")
        await until(answered(app, "lamp"))
        hold.set()
        await until(lambda: "train b-1 was cancelled." in page(app))
        assert cancelled == ["0002"]
        assert not app.live_jobs


async def test_a_job_that_cannot_be_cancelled_is_told(make_app, ws) -> None:
    jobs = [JobView("0042", "train", "running", "b-1")]
    app = make_app(find_jobs=lambda: list(jobs))
    async with app.run_test(size=(100, 24), notifications=True):
        await until(lambda: app.jobs != ())
        app.cancel_job(jobs[0])
        await until(lambda: "There is no job '0042'." in page(app))


def test_a_job_is_cancelled_as_the_command_does(ws, monkeypatch) -> None:
    from engine import supervise

    path = ws.jobs_dir / "0001"
    path.mkdir(parents=True)
    job = {"id": "0001", "kind": "train", "params": {}, "created": time.time()}
    (path / "job.json").write_text(json.dumps(job))
    ended = []
    monkeypatch.setattr(supervise, "cancel", lambda found: ended.append(found.id))
    canceller_of(ws)("0001")
    assert ended == ["0001"]


def test_jobs_are_read_from_their_directories(ws) -> None:
    find = jobs_of(ws)
    assert find() == []
    job = ws.jobs_dir / "0001"
    job.mkdir(parents=True)
    created = {"id": "0001", "kind": "train", "params": {"recipe": "infonce"}, "created": 1.0}
    (job / "job.json").write_text(json.dumps(created))
    events = [
        {"t": 1, "event": "started"},
        {"t": 2, "event": "progress", "step": 3, "steps": 9, "eta_s": 4},
        {"t": 3, "event": "done", "encoder": "infonce-01"},
    ]
    (job / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    (ws.jobs_dir / "rubbish").mkdir()
    (view,) = find()
    assert (view.state, view.encoder, view.step, view.steps) == ("done", "infonce-01", 3, 9)
    assert find() == [view]


def test_the_app_imports_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "sentence_transformers", "lancedb", "polars", "pyarrow")
    modules = (
        "workbench.app, workbench.screens.queries, workbench.screens.help, "
        "workbench.screens.sides, workbench.screens.product, workbench.screens.train, "
        "workbench.recording, engine.records.judge"
    )
    code = f"import sys, {modules}; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
