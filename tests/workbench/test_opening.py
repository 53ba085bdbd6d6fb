"""Before everything is open: what failed, how it is tried again, who answers meanwhile."""

from __future__ import annotations

import threading

from looking import answered, lines, page, until
from stand_in import StandIn, Status

from engine.errors import RankbenchError
from workbench.app import RankbenchApp


async def test_parts_that_do_not_open_say_so(make_app, ws) -> None:
    def factory() -> StandIn:
        raise RankbenchError("The catalog is gone.", "Run `rankbench init` again.")

    app = RankbenchApp(ws, factory, find_jobs=list)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(lambda: "The catalog is gone." in page(app))
        assert "Run `rankbench init` again." in page(app)
        await pilot.press("x")
        await pilot.pause(0.1)


async def test_after_a_failed_opening_the_next_key_opens_again(make_app, ws) -> None:
    tries: list[int] = []

    def factory() -> StandIn:
        tries.append(1)
        if len(tries) < 3:
            raise RankbenchError("The catalog is gone.", "Put it back.")
        return StandIn()

    app = RankbenchApp(ws, factory, find_jobs=list)
    async with app.run_test(size=(120, 30)) as pilot:
        await until(lambda: "Put it back. The next key tries again." in page(app).replace("\n", ""))
        await pilot.press("l")
        await until(lambda: len(tries) == 2 and app.trouble is not None)
        await until(lambda: "did not open: any key tries again" in page(app))
        await pilot.press(*"amp")
        await until(answered(app, "lamp"))
        assert len(tries) == 3 and app.trouble is None
        assert "did not open" not in page(app)


async def test_after_a_failed_opening_the_palette_opens_again(make_app, ws) -> None:
    tries: list[int] = []

    def factory() -> StandIn:
        tries.append(1)
        if len(tries) == 1:
            raise RankbenchError("The catalog is gone.", "Put it back.")
        return StandIn()

    app = RankbenchApp(ws, factory, find_jobs=list)
    async with app.run_test(size=(120, 30)) as pilot:
        await until(lambda: app.trouble is not None)
        await pilot.press("ctrl+p", *"open the catalog")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await until(lambda: app.judged != ())
        assert "Type a query" in page(app)


async def test_bm25_answers_until_the_encoder_is_loaded(make_app) -> None:
    hold = threading.Event()

    class Slow(StandIn):
        def prepare(self, name: str) -> None:
            hold.wait(10)
            super().prepare(name)

    statuses = [Status("bm25", "bm25", True), Status("base", "encoder", False, "loading")]
    app = make_app(Slow(statuses=statuses))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press(*"lamp")
        await until(answered(app, "lamp"))
        assert "bm25 for base" in lines(app)[3]
        assert "base loading, bm25 answers" in page(app)
        hold.set()
        await until(lambda: app.compare.comparison.baseline.encoder == "base")
        await pilot.pause(0.1)
        assert "bm25 for base" not in page(app)
        assert "base loading" not in page(app)


async def test_lists_nobody_has_entered_begin_at_their_first_row(make_app) -> None:
    """The encoder that comes in has the stand-in's first product further down."""
    hold = threading.Event()

    class Slow(StandIn):
        def prepare(self, name: str) -> None:
            hold.wait(10)
            super().prepare(name)

    statuses = [Status("bm25", "bm25", True), Status("base", "encoder", False, "loading")]
    app = make_app(Slow(statuses=statuses))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press(*"lamp")
        await until(answered(app, "lamp"))
        left = app.compare.baseline
        first = left.hits[0].product_id
        hold.set()
        await until(lambda: app.compare.comparison.baseline.encoder == "base")
        assert left.row_of(first) != 0
        await pilot.press("down", "down", "down")
        assert left.hit is left.hits[2]
        assert [shown.top for shown in app.compare.lists] == [0, 0]
