"""Why a hit is here: computed beside the searches, painted where its place was kept."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from looking import answered, lines, page, until
from stand_in import StandIn

from engine.errors import RankbenchError
from engine.index.build import build_index
from engine.ranking.judged_near import Nearby
from engine.workspace import Workspace
from workbench import messages
from workbench.app import RankbenchApp
from workbench.explaining import Explained, Explaining, NearbyKnown, Wanted
from workbench.messages import Request
from workbench.searching import SearchThread

SIZES = ((80, 24), (120, 40))


class Held(StandIn):
    """Explains only when it is let."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.let = threading.Event()
        self.begun: list[str] = []
        self.ended: list[str] = []

    def explain(self, query, product_id, baseline, candidate, pause=lambda: None):
        self.begun.append(product_id)
        while not self.let.is_set():
            pause()
            time.sleep(0.002)
        self.ended.append(product_id)
        return super().explain(query, product_id, baseline, candidate, pause)


async def opened(app: RankbenchApp, pilot: Any, query: str = "desk lamp") -> None:
    await pilot.press(*query)
    await until(answered(app, query))
    await pilot.press("down", "enter")
    await until(lambda: app.product_screen() is not None)


def places(app: RankbenchApp) -> list[tuple[int, str]]:
    """Where the fixed words of the page stand."""
    marks = ("left  ", "right ", "also  ", "grade ", "left right", "nearest", "product id")
    return [(y, mark) for y, line in enumerate(lines(app)) for mark in marks if mark in line[4:40]]


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_the_page_is_there_at_once_and_nothing_jumps(make_app, size: tuple[int, int]) -> None:
    stand_in = Held()
    app = make_app(stand_in)
    async with app.run_test(size=size) as pilot:
        await opened(app, pilot, "blue desk lamp")
        await until(lambda: "reading the words" in page(app) and bool(stand_in.begun))
        assert "left  base: rank 1, cosine" in page(app) and "also  bm25: …" in page(app)
        before, height = places(app), app.screen.query_one("#product").size.height
        stand_in.let.set()
        await until(lambda: "drop in cosine when a word is left out" in page(app))
        await until(lambda: app.screen._fields != {} and app.screen._nearby is not None)
        await pilot.pause()
        assert places(app) == before and len(before) >= 5
        assert app.screen.query_one("#product").size.height >= height
        assert "also  bm25: rank" in page(app)
        row = next(line for line in lines(app) if "desk" in line and "+.160" in line)
        assert "+.160" in row and "+.080" in row
        await pilot.press("end")
        await until(lambda: "about the thing" in page(app))


async def test_the_nearest_judged_queries_are_named_with_their_number(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot)
        await until(lambda: "nearest of 24 judged queries by tuned-01" in page(app))
        assert ".900  " in page(app) and "red canopy tent" in page(app)


async def test_of_a_long_text_the_page_says_how_many_of_how_many_words_were_tried(make_app) -> None:
    title = " ".join(["lamp", *(f"word{n}" for n in range(21))])
    app = make_app(StandIn(rows={"P001": title}))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, "lamp")
        await until(lambda: "title: first 16 of 22" in page(app))


async def test_closing_the_product_abandons_its_explanation_and_typing_goes_on(make_app) -> None:
    stand_in = Held()
    app = make_app(stand_in)
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot)
        await until(lambda: len(stand_in.begun) == 1)
        # A search passes while the explanation is under way.
        app.search("red", time.monotonic())
        await until(lambda: stand_in.asked[-1] == "red")
        await pilot.press("escape")
        await pilot.press("down", "enter")
        await until(lambda: len(stand_in.begun) == 2)
        assert stand_in.ended == []
        stand_in.let.set()
        await until(lambda: "drop in cosine" in page(app))
        assert stand_in.ended == stand_in.begun[1:]


async def test_an_explanation_follows_the_sides_and_says_what_is_missing(make_app) -> None:
    class Loading(StandIn):
        tries = 0

        def explain(self, *hit, **options):
            self.tries += 1
            if self.tries == 1:
                raise RankbenchError("base is not in memory yet.", "Wait a moment.")
            return super().explain(*hit, **options)

    app = make_app(Loading())
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot)
        await until(lambda: "base is not in memory yet." in page(app))
        app.search_again()
        await until(lambda: "drop in cosine" in page(app))
        app.choose_side("baseline", "bm25")
        await until(lambda: "left  bm25: rank" in page(app) and "drop in cosine" in page(app))
        assert "also  bm25" not in page(app)  # it is a side already
        app.choose_side("candidate", "bm25")
        await until(lambda: "no encoder on either side" in page(app))


async def test_hostile_titles_and_lone_words_are_lines_like_others(make_app, monkeypatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"lamp")
        await until(answered(app, "lamp"))
        for product in ("X0", "X1", "X2", "X3", "X4", "X5"):
            app.show_product(app.compare.comparison, product)
            await until(lambda: "a lone word has none" in page(app))
            await pilot.pause()
            text = page(app)
            assert not any(ord(c) < 32 and c != "\n" for c in text)
            assert not set("\u202e\u202c\u200d\ufe0f") & set(text)
            assert {s.cell_length for s in app.screen._compositor.render_strips()} == {80}
            if product == "X0":
                assert "[red]not" in text and "red[/red]" in text
            await pilot.press("escape")


def test_between_the_pieces_of_many_judged_queries_searches_and_questions_pass() -> None:
    steps, posted = [], []

    class Many(StandIn):
        def nearby(self, *hit):
            time.sleep(0.002)
            steps.append(time.monotonic())
            return Nearby("base", min(len(steps), 400), 400, ())

    thread = SearchThread(Many, posted.append)
    explaining = Explaining(thread)
    thread.start()
    wanted = Wanted("lamp", "P000", "base", "tuned-01", ("b1", "b1"))
    explaining.ask(wanted)
    wait_for(lambda: len(steps) > 5)
    thread.submit(Request(1, "lamp", "base", "bm25", 0.0))
    thread.ask(lambda _: messages.ProductKnown("P", {}))
    wait_for(lambda: {messages.Answered, messages.ProductKnown} <= {type(m) for m in posted})
    assert len(steps) < 400
    explaining.leave()
    time.sleep(0.05)
    count = len(steps)
    time.sleep(0.05)
    assert len(steps) == count < 400
    explaining.ask(wanted)
    wait_for(lambda: len(steps) > count)
    thread.stop(5)
    assert not thread._thread.is_alive() and len(steps) < 400
    assert all(m.wanted is wanted for m in posted if isinstance(m, Explained | NearbyKnown))


def wait_for(holds: Any) -> None:
    limit = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.002)


async def test_on_the_engine_the_words_of_a_live_hit_are_shown(tiny_workspace: Workspace) -> None:
    build_index(tiny_workspace, "base")
    app = RankbenchApp(tiny_workspace)
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press(*"red tent")
        await until(lambda: answered(app, "red tent")(), seconds=60)
        await until(lambda: app.compare.comparison.baseline.encoder == "base", seconds=60)
        await pilot.pause()
        await pilot.press("down", "enter")
        await until(lambda: "drop in cosine when a word" in page(app), seconds=60)
        why = app.screen._why
        assert why.baseline.rank == 1 and why.readings[0].encoder == "base"
        assert why.readings[1] is None and "–" in page(app)
        await until(lambda: "nearest of 40 judged queries by base" in page(app), seconds=60)
