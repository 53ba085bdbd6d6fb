"""Jobs that end: what a cancel kept, encoders without an index, what happened while away."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from looking import answered, lines, page, until
from shelved import shelve, verdict
from stand_in import StandIn, Status

from engine import supervise
from engine.jobs.train import next_name
from engine.workspace import Workspace
from workbench import saved
from workbench.messages import JobView, Trouble
from workbench.screens.encoders import EncodersScreen
from workbench.screens.run import RunScreen
from workbench.watching import jobs_of

KEPT = (
    "Cancelled after step 12; the best weights so far were kept as fresh-02. "
    "Index it with `rankbench index --encoder fresh-02`."
)
RUNNING = JobView("0001", "train", "running", "fresh-02", 10, 40)
CANCELLED = JobView("0001", "train", "cancelled", "fresh-02", said=KEPT, ended=5.0)


def told(app: Any) -> list[str]:
    return [note.message for note in app._notifications]


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What jobs were started; none is."""
    seen: list[tuple[str, dict[str, Any]]] = []

    def start(ws: Workspace, kind: str, params: dict[str, Any], **_: Any) -> JobView:
        seen.append((kind, dict(params)))
        return JobView(f"{len(seen) + 1:04}", kind, "queued")

    monkeypatch.setattr(supervise, "start", start)
    return seen


async def at_encoder(app: Any, pilot: Any, name: str) -> EncodersScreen:
    await until(lambda: app.sides != ())
    await pilot.press("f6")
    screen = app.screen
    assert isinstance(screen, EncodersScreen)
    await until(lambda: any(row.name == name for row in screen.table.rows), seconds=20)
    screen.table.place([row.name for row in screen.table.rows].index(name))
    return screen


async def test_a_cancel_says_what_it_kept_and_where_that_is_indexed(make_app) -> None:
    jobs = [RUNNING]
    app = make_app(find_jobs=lambda: list(jobs))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.jobs != ())
        await pilot.press("f5")
        jobs[0] = CANCELLED
        await until(lambda: bool(told(app)))
        assert told(app) == [
            "train fresh-02 was cancelled after step 12; the best weights so far were kept as "
            "fresh-02. F6, then r on its row, indexes it."
        ]
        await until(lambda: "cancelled, kept as fresh-02  r takes it up again" in page(app))


async def test_a_cancel_that_kept_nothing_says_so(make_app) -> None:
    jobs = [JobView("0001", "train", "queued", "a-1")]
    app = make_app(find_jobs=lambda: list(jobs))
    async with app.run_test(size=(120, 24)) as pilot:
        await until(lambda: app.jobs != ())
        await pilot.press("f5")
        jobs[0] = JobView("0001", "train", "cancelled", "a-1", said="Cancelled while it waited.")
        await until(lambda: bool(told(app)))
        assert told(app) == ["train a-1 was cancelled while it waited."]
        await until(lambda: "takes it up again  Cancelled while it waited." in page(app))


def test_the_last_word_and_the_held_out_score_are_the_jobs_own(ws) -> None:
    job = ws.jobs_dir / "0001"
    job.mkdir(parents=True)
    (job / "job.json").write_text(
        json.dumps({"id": "0001", "kind": "train", "params": {}, "created": 1.0})
    )
    (job / "events.jsonl").write_text(
        json.dumps({"t": 3, "event": "cancelled", "message": KEPT, "encoder": "fresh-02"}) + "\n"
    )
    (view,) = jobs_of(ws)()
    assert (view.said, view.encoder, view.ended, view.score) == (KEPT, "fresh-02", 3, None)


@pytest.mark.parametrize("way", ["r", "f8"])
async def test_an_encoder_without_an_index_gets_it_and_then_its_side(
    make_app, ws, begun, way: str
) -> None:
    shelve(ws, "fresh-02", built=False)
    jobs: list[JobView] = []
    stand_in = StandIn()
    app = make_app(stand_in, root=ws, find_jobs=lambda: list(jobs))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"lamp")
        await until(answered(app, "lamp"))
        await at_encoder(app, pilot, "fresh-02")
        app._newest = "fresh-02"
        await pilot.press(way)
        await until(lambda: begun == [("index", {"encoder": "fresh-02"})])
        said = "fresh-02 is not indexed yet: job 0002 indexes it now, then it goes on the right."
        await until(lambda: told(app) == [said])
        jobs.append(JobView("0002", "index", "running", "fresh-02", 3, 9))
        await until(lambda: app.jobs != ())
        await pilot.press(way)
        again = "fresh-02 is being indexed: it goes on the right after that."
        await until(lambda: told(app)[1:] == [again])
        assert len(begun) == 1 and app.settings.candidate == ""
        _build(ws, "fresh-02")
        stand_in.statuses[-1] = Status("fresh-02", "encoder", False, "loading")
        jobs[0] = JobView("0002", "index", "done", "fresh-02")
        await until(lambda: app.settings.candidate == "fresh-02", seconds=10)
        await until(lambda: app.compare.comparison.candidate.encoder == "fresh-02")


def _build(ws: Workspace, name: str) -> None:
    import shutil

    shutil.rmtree(ws.encoders_dir / name)
    shelve(ws, name)


async def test_an_index_that_fails_puts_nothing_anywhere(make_app, ws, begun) -> None:
    shelve(ws, "fresh-02", built=False)
    jobs: list[JobView] = []
    app = make_app(root=ws, find_jobs=lambda: list(jobs))
    async with app.run_test(size=(80, 24)) as pilot:
        await at_encoder(app, pilot, "fresh-02")
        await pilot.press("r")
        await until(lambda: len(begun) == 1)
        jobs.append(JobView("0002", "index", "failed", "fresh-02", error="no room"))
        await until(lambda: any("failed: no room" in text for text in told(app)))
        await pilot.press("r")
        await until(lambda: len(begun) == 2)
        assert app.settings.candidate == ""


@pytest.mark.parametrize("others", [0, 5])
async def test_a_side_that_waits_for_its_index_gets_it_at_the_next_start(
    make_app, ws, begun, others: int
) -> None:
    shelve(ws, "fresh-02", built=False)
    jobs = [JobView("0002", "index", "running", "fresh-02", 3, 9)]
    app = make_app(root=ws, find_jobs=lambda: list(jobs))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.jobs != ())
        await at_encoder(app, pilot, "fresh-02")
        await pilot.press("r")
        await until(lambda: any("is being indexed" in text for text in told(app)))
    _build(ws, "fresh-02")
    jobs[0] = JobView("0002", "index", "done", "fresh-02", ended=5.0)
    jobs += [JobView(f"{n + 3:04}", "index", "done", f"a-{n}") for n in range(others)]
    stand_in = StandIn()
    stand_in.statuses[-1] = Status("fresh-02", "encoder", True)
    app = make_app(stand_in, root=ws, find_jobs=lambda: list(jobs))
    async with app.run_test(size=(80, 24)):
        await until(lambda: app.settings.candidate == "fresh-02")
    assert saved.awaited_before(ws.cache_dir) == {} and begun == []


async def test_a_side_whose_job_is_gone_is_waited_for_no_more(make_app, ws, begun) -> None:
    shelve(ws, "fresh-02", built=False)
    saved.store_ended(ws.cache_dir, [], {"fresh-02": "candidate", "base": "nowhere"})
    app = make_app(root=ws)
    async with app.run_test(size=(80, 24)) as pilot:
        await at_encoder(app, pilot, "fresh-02")
        await pilot.press("r")
        await until(lambda: begun == [("index", {"encoder": "fresh-02"})])


async def test_the_open_screen_shows_what_a_run_has_made(make_app, ws) -> None:
    shelve(ws, "fresh-02", built=False)
    jobs = [RUNNING]
    app = make_app(root=ws, find_jobs=lambda: list(jobs))
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await at_encoder(app, pilot, "fresh-02")
        await until(lambda: app.jobs != ())
        assert screen.table.row.build is None
        # In place: no name comes or goes, as when a run ends after its encoder was put there.
        from engine.state import Build, State

        state = State(ws.state_path)
        mark = "print-of-fresh-02"
        state.activate(Build("0234abcd", "fresh-02", mark, "title", "v", 2013, 384, 1, 9.0, 1.0))
        state.close()
        jobs[0] = JobView("0001", "train", "done", "fresh-02")
        await until(lambda: screen.table.row.build is not None)


async def test_the_open_screen_follows_the_sides(make_app, ws) -> None:
    stand_in = StandIn()
    app = make_app(stand_in, root=ws)
    async with app.run_test(size=(100, 30)) as pilot:
        await at_encoder(app, pilot, "base")
        looks: list[int] = []
        app.shelf.look = lambda: looks.append(1)
        app.searcher.refresh_sides()
        stand_in.statuses[-1] = Status("fresh-02", "encoder", True)
        app.searcher.refresh_sides()
        await until(lambda: bool(looks))


async def test_enter_opens_the_run_as_its_card_is_now(make_app, ws) -> None:
    from dataclasses import replace

    from engine.encoders.card import read_card, write_card

    shelve(ws, "fresh-02")
    app = make_app(root=ws)
    async with app.run_test(size=(100, 30)) as pilot:
        await at_encoder(app, pilot, "fresh-02")
        directory = ws.encoders_dir / "fresh-02"
        write_card(directory, replace(read_card(directory), verdict=verdict("fresh-02")))
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, RunScreen))


DIED = JobView("0003", "train", "died", "b-1", error="The process ended.", ended=4.0)


async def test_what_ended_while_the_app_was_closed_is_said_once(make_app, ws) -> None:
    shelve(ws, "fresh-02", verdict("fresh-02"))
    jobs = [JobView("0001", "train", "done", "old-1", ended=1.0), RUNNING]
    app = make_app(root=ws, find_jobs=lambda: list(jobs))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.jobs != ())
        assert told(app) == []
    jobs[1:] = [JobView("0001", "train", "done", "fresh-02", ended=3.0), DIED]
    app = make_app(root=ws, find_jobs=lambda: list(jobs))
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(lambda: len(told(app)) == 2)
        assert "fresh-02 is ready: safe to try." in "".join(told(app))
        assert any(
            text.startswith("train b-1 died: r on F5 takes it up again.") for text in told(app)
        )
        assert app.newest_encoder == "fresh-02"
    app = make_app(root=ws, find_jobs=lambda: list(jobs))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.jobs != ())
        await pilot.pause(0.1)
        assert told(app) == []


async def test_an_encoder_that_was_removed_is_not_the_newest_any_more(make_app, ws) -> None:
    jobs = [RUNNING]
    stand_in = StandIn()
    shelve(ws, "fresh-02")
    app = make_app(stand_in, root=ws, find_jobs=lambda: list(jobs))
    async with app.run_test(size=(80, 24)):
        await until(lambda: app.jobs != () and app.sides != ())
        jobs[0] = JobView("0001", "train", "done", "fresh-02")
        await until(lambda: app.newest_encoder == "fresh-02")
        stand_in.statuses.pop()
        app.searcher.refresh_sides()
        await until(lambda: app.newest_encoder == "tuned-01")


async def test_an_encoder_removed_since_is_not_announced(make_app, ws) -> None:
    shelve(ws, "flags-02", verdict("flags-02"))
    for number, name in enumerate(("flags-01", "flags-02"), 1):
        job = ws.jobs_dir / f"{number:04}"
        job.mkdir(parents=True)
        word = {"id": job.name, "kind": "train", "params": {"recipe": "flags"}, "created": 1.0}
        (job / "job.json").write_text(json.dumps(word))
        done = {"t": 2.0, "event": "done", "encoder": name}
        (job / "events.jsonl").write_text(json.dumps(done) + "\n")
    saved.store_ended(ws.cache_dir, [])
    stand_in = StandIn()
    stand_in.statuses.append(Status("flags-02", "encoder", True))
    app = make_app(stand_in, root=ws, find_jobs=jobs_of(ws))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: told(app) != [] and app.sides != ())
        await pilot.pause(0.2)
        (text,) = told(app)
        assert text.startswith("flags-02 is ready") and app.newest_encoder == "flags-02"
        await pilot.press("f5")
        await until(lambda: "0001 training flags-01: done, removed since" in page(app))
        assert "0002 training flags-02: done\n" in "\n".join(map(str.rstrip, lines(app))) + "\n"
    shutil.rmtree(ws.encoders_dir / "flags-02")
    assert next_name(ws, "flags") == "flags-03"


async def test_the_first_session_says_what_died_alone(make_app) -> None:
    jobs = [JobView("0001", "train", "done", "old-1"), DIED]
    app = make_app(find_jobs=lambda: list(jobs))
    async with app.run_test(size=(80, 24)):
        await until(lambda: app.jobs != ())
        assert [text.split(":")[0] for text in told(app)] == ["train b-1 died"]


async def test_many_that_ended_are_one_sentence(make_app, ws) -> None:
    saved.store_ended(ws.cache_dir, [])
    jobs = [JobView(f"{n:04}", "train", "done", f"a-{n}") for n in range(7)]
    app = make_app(root=ws, find_jobs=lambda: list(jobs))
    async with app.run_test(size=(80, 24)):
        await until(lambda: app.jobs != ())
        assert told(app) == ["7 jobs ended while you were away: F5 lists them."]


async def test_jobs_that_cannot_be_read_for_a_moment_do_not_end_again(make_app) -> None:
    from workbench.messages import JobsChanged

    jobs = [JobView("0001", "train", "done", "old-1")]
    app = make_app(find_jobs=lambda: list(jobs))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.jobs != ())
        app.post_message(JobsChanged((), Trouble("The disk is away.")))
        app.post_message(JobsChanged(jobs))
        await pilot.pause()
        assert told(app) == [] and len(app.jobs) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"ended": 3}', "\0"])
def test_a_list_of_ended_jobs_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / saved.ENDED_NAME).write_text(text)
    assert saved.ended_before(tmp_path) is None and saved.awaited_before(tmp_path) == {}
