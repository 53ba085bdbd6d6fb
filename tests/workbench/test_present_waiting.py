"""Present in a slow start: a page waits for its facts, and nothing keeps it from them."""

from __future__ import annotations

import threading
import time

from looking import lines, page, prose, steps, until
from stand_in import StandIn, Status


async def test_space_waits_for_the_facts_of_the_page(make_app, ws) -> None:
    (ws.root / "present.txt").write_text("lamp\ntent\n")
    gate = threading.Semaphore(0)
    app = make_app(StandIn(gate=gate))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.judged != () and app.presenter.queries != ())
        await pilot.press("f9", "space", "space", "pagedown", "enter", "right")
        await pilot.pause()
        assert (app.presenter.at, app.presenter.step) == (0, 1)
        assert "Both sides are answering." in page(app)
        assert "Space waits for them; ↓ goes on to the next query." in prose(app)
        await pilot.press("down", "space", "up", "space", "space")
        assert (app.presenter.at, app.presenter.step) == (0, 1)
        await until(lambda: bool(app.searcher._comparer.asked))
        gate.release(40)
        await until(lambda: "its first 5" in page(app))
        await pilot.press("space")
        assert app.presenter.step == 2 and "had them" in prose(app)


async def test_what_is_only_late_is_not_said_to_be_missing(make_app) -> None:
    hold = threading.Event()

    class Late(StandIn):
        def judged_queries(self):
            hold.wait(5)
            return super().judged_queries()

    app = make_app(Late())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("f9", "space")
        assert "Looking for the best wins" in page(app) and "No query is listed" not in page(app)
        hold.set()
        await until(lambda: app.presenter.query != "")


async def test_while_a_side_is_loaded_the_foot_says_who_answers_for_it(make_app) -> None:
    hold = threading.Event()

    class Loading(StandIn):
        def prepare(self, name):
            hold.wait(5)
            super().prepare(name)

    side = Status("base", "encoder", False, "loading")
    app = make_app(Loading(statuses=[Status("bm25", "bm25", True), side]))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.sides != ())
        await pilot.press("f9")
        await until(lambda: "bm25 answers for base" in lines(app)[-2])
        hold.set()
        await until(lambda: app.standing == ("base", "bm25"))
        await until(lambda: "answers for" not in page(app))


async def test_an_evaluation_without_end_keeps_no_page_from_its_facts(make_app, ws) -> None:
    class Endless(StandIn):
        def evaluate(self, *sides, progress, **_):
            while True:
                progress(1, 24)
                time.sleep(0.1)

    (ws.root / "present.txt").write_text("lamp\ntent\n")
    app = make_app(Endless())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.judged != () and app.presenter.queries != ())
        await pilot.press("f9")
        await until(lambda: "1 of 24 judged queries" in page(app))
        await steps(app, pilot, 7)
        assert "tent" in page(app) and (app.presenter.at, app.presenter.step) == (1, 3)
        await pilot.press("space")
        assert "Both sides are answering every judged query." in page(app)


async def test_a_side_that_fails_or_changes_stops_nobody(make_app, ws) -> None:
    (ws.root / "present.txt").write_text("boom lamp\nblue desk lamp\n")
    app = make_app(StandIn(fail_on="boom"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.judged != () and app.presenter.queries != ())
        await pilot.press("f9")
        await steps(app, pilot)
        await until(lambda: "The index cannot be read." in page(app))
        await pilot.press("space", "space", "space")
        assert app.presenter.query == "blue desk lamp"
        await steps(app, pilot, 2)
        # Other sides: the page has other facts to wait for, and Space goes on with them.
        app.choose_side("candidate", "bm25")
        await steps(app, pilot)
        assert app.presenter.step == 3 and "with bm25" in prose(app)
