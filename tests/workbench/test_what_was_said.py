"""No word of a person is lost, doubled or put on another row."""

from __future__ import annotations

import sqlite3
import threading
import time
from dataclasses import replace

import pytest
from looking import answered, until
from stand_in import StandIn

from engine.records import Verdict, Verdicts
from engine.records import database as records_database
from workbench import recording, saved
from workbench.commands import open_app
from workbench.messages import Trouble

QUERY = "tent lamp"


@pytest.fixture
def comparer(ws) -> StandIn:
    return StandIn(records=ws.records_path)


def standing(ws) -> list[Verdict]:
    with Verdicts(ws.records_path) as verdicts:
        return verdicts.standing()


def told(app) -> list[str]:
    return [note.message for note in app._notifications]


async def into_the_list(app, pilot, query: str = QUERY) -> None:
    await pilot.press(*query)
    await until(answered(app, query))
    await pilot.press("down")


async def test_leaving_waits_for_another_writer(make_app, ws, comparer) -> None:
    """As a large import holds the file: longer than a moment, shorter than the busy time."""
    app = make_app(comparer)
    async with app.run_test(size=(100, 30)) as pilot:
        await into_the_list(app, pilot)
        other = sqlite3.connect(ws.records_path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(3.0, lambda: other.execute("COMMIT")).start()
        await pilot.press("x")
        app.exit()
    assert app.unkept == 0
    assert [v.grade for v in standing(ws)] == ["I"]


async def test_what_was_not_kept_is_counted_as_the_app_ends(
    make_app, ws, comparer, monkeypatch
) -> None:
    monkeypatch.setattr(records_database, "TIMEOUT_S", 0.5)
    app = make_app(comparer)
    async with app.run_test(size=(100, 30)) as pilot:
        await into_the_list(app, pilot)
        other = sqlite3.connect(ws.records_path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        await pilot.press("x", "down", "e")
        app.exit()
    other.execute("ROLLBACK")
    assert app.unkept == 2 and standing(ws) == []


def test_leaving_with_nothing_to_write_does_not_wait(ws) -> None:
    recorder = recording.Recorder(ws, lambda message: True)
    recorder.start()
    began = time.monotonic()
    assert recorder.stop() == 0
    assert time.monotonic() - began < recording._IDLE_S + 1


def test_the_command_says_what_was_not_kept(ws, monkeypatch, capsys) -> None:
    from workbench import app as apps

    class Ended:
        unkept = 2

        def __init__(self, workspace: object, **options: object) -> None:
            pass

        def run(self) -> None:
            pass

    monkeypatch.setattr(apps, "RankbenchApp", Ended)
    monkeypatch.setattr(open_app, "check_terminal", lambda: None)
    open_app.open_app(ws)
    assert capsys.readouterr().err.startswith("2 verdicts were not kept: records.db")


async def test_an_undo_of_nothing_is_no_word_of_ones_own(make_app, ws, comparer) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(100, 30)) as pilot:
        await into_the_list(app, pilot)
        await pilot.press("u")
        await until(lambda: told(app) == ["Nothing to undo."])
        product = app.compare.baseline.hits[0].product_id
        with Verdicts(ws.records_path) as verdicts:
            verdicts.add([Verdict(QUERY, product, "I", bad=True)], "bob")
        await until(lambda: app.compare.baseline.hits[0].verdict == "flagged", seconds=10)


async def test_a_verdict_that_cannot_be_counted_is_kept_all_the_same(
    make_app, ws, comparer, monkeypatch
) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(100, 30)) as pilot:
        await into_the_list(app, pilot)
        await until(lambda: app.judging._counts > 0)

        def busy(self: Verdicts) -> int:
            raise sqlite3.OperationalError("database is locked")

        with monkeypatch.context() as patch:
            patch.setattr(Verdicts, "last_number", busy)
            await pilot.press("x")
            await until(lambda: app.compare.baseline.hits[0].verdict == "flagged")
            assert told(app) == []
        await until(lambda: app.judging.standing == 1, seconds=10)


@pytest.mark.parametrize("arrives", ["answer", "trouble"])
async def test_a_note_goes_with_the_query_it_was_begun_on(
    make_app, ws, comparer, arrives: str
) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(100, 30)) as pilot:
        await into_the_list(app, pilot)
        await pilot.press("x")
        await until(lambda: app.compare.baseline.hits[0].verdict == "flagged")
        await pilot.press("n", *"why")
        if arrives == "answer":
            app.compare.show(comparer.compare("garden hose", "base", "tuned-01", 50), 99)
        else:
            app.compare.show_trouble(Trouble("The index cannot be read."), 99)
        await pilot.press("enter")
        await until(lambda: [v.note for v in standing(ws)] == ["why"])
        assert standing(ws)[0].query == QUERY


async def test_the_cursor_stays_on_its_product_when_the_live_answer_comes(make_app, ws) -> None:
    """Another ranking than the saved one: the same product is elsewhere in it."""
    earlier = StandIn(fixed_ms=3.0).compare(QUERY, "tuned-01", "base", 50)
    saved.store(ws.cache_dir, earlier)
    app, hold = _held(make_app, ws)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("down", "down", "down")
        product = app.compare.baseline.hit.product_id
        hold.set()
        await until(answered(app, QUERY))
        assert app.compare.baseline.hit.product_id == product
        await pilot.press("x")
        await until(lambda: [v.product_id for v in standing(ws)] == [product])


async def test_a_key_does_not_grade_what_has_just_come_under_the_cursor(make_app, ws) -> None:
    earlier = StandIn(fixed_ms=3.0).compare(QUERY, "base", "tuned-01", 50)
    gone = replace(earlier.baseline.hits[0], product_id="GONE", title="No longer sold")
    hits = (gone, *earlier.baseline.hits[1:])
    saved.store(ws.cache_dir, replace(earlier, baseline=replace(earlier.baseline, hits=hits)))
    app, hold = _held(make_app, ws)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("down")
        assert app.compare.baseline.hit.product_id == "GONE"
        hold.set()
        while app.compare.is_saved:
            await pilot.pause()
        await pilot.press("x")
        assert told(app) == ["The row changed as you pressed: look, and press again."]
        await pilot.pause(0.35)
        assert standing(ws) == []
        await pilot.press("x")
        await until(lambda: len(standing(ws)) == 1)


def _held(make_app, ws):
    """The app whose comparer does not open before the event is set."""
    hold = threading.Event()

    class Slow(StandIn):
        def judged_queries(self):
            hold.wait(10)
            return super().judged_queries()

    return make_app(Slow(records=ws.records_path)), hold
