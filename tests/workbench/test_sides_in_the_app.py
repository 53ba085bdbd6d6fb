"""What the app does with sides: loading them, loading them again, never letting go of one."""

from __future__ import annotations

import threading

import pytest
from looking import answered, lines, page, until
from stand_in import StandIn, Status

from engine.errors import RankbenchError
from engine.index.build import build_index
from engine.workspace import Workspace
from workbench import live
from workbench.live import LiveComparer

BM25 = Status("bm25", "bm25", True)


class Reindexed(StandIn):
    """`reindex` makes base answer from an index that was replaced, until it is loaded again."""

    def __init__(self) -> None:
        super().__init__(statuses=[BM25, Status("base", "encoder", False, "loading")])
        self.hold = threading.Event()
        self.hold.set()

    def prepare(self, name: str) -> None:
        self.hold.wait(10)
        super().prepare(name)

    def reindex(self) -> None:
        self.hold.clear()
        self.statuses = [BM25, Status("base", "encoder", True, "loading")]


async def test_a_side_whose_index_changed_is_loaded_again_and_answers_meanwhile(make_app) -> None:
    stand_in = Reindexed()
    app = make_app(stand_in)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press(*"lamp")
        await until(lambda: app.standing[0] == "base")
        await until(answered(app, "lamp"))
        stand_in.reindex()
        app.searcher.refresh_sides()
        await until(lambda: "base: loading its new index" in page(app))
        await pilot.press("s")
        await until(answered(app, "lamps"))
        assert app.compare.comparison.baseline.encoder == "base"
        assert "bm25 for base" not in page(app)
        searches = app.searcher.searches
        stand_in.hold.set()
        await until(lambda: stand_in.prepared == ["base", "base"])
        await until(lambda: app.searcher.searches > searches)
        await until(lambda: "loading its new index" not in page(app))


async def test_a_pause_in_typing_finds_what_another_process_indexed(make_app, monkeypatch) -> None:
    monkeypatch.setattr("workbench.app._SETTLED_S", 0.05)
    stand_in = Reindexed()
    app = make_app(stand_in)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(lambda: app.standing[0] == "base")
        stand_in.reindex()
        stand_in.hold.set()
        await pilot.press(*"lamp")
        await until(lambda: stand_in.prepared == ["base", "base"])


async def test_a_side_that_cannot_be_loaded_is_tried_once(make_app) -> None:
    class Broken(Reindexed):
        def prepare(self, name: str) -> None:
            self.prepared.append(name)
            raise RankbenchError("The vectors are damaged.", "Run `rankbench index`.")

    stand_in = Broken()
    app = make_app(stand_in)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press(*"lamp")
        await until(lambda: "The vectors are damaged." in page(app))
        assert "the catalog did not open" not in page(app)
        for _ in range(3):
            app.searcher.refresh_sides()
        await pilot.pause(0.1)
        assert stand_in.prepared == ["base"]
        app.choose_side("baseline", "base")
        await until(lambda: stand_in.prepared == ["base", "base"])


async def test_an_open_product_follows_the_sides(make_app) -> None:
    stand_in = Reindexed()
    stand_in.hold.clear()
    app = make_app(stand_in)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press(*"red desk lamp")
        await until(answered(app, "red desk lamp"))
        await pilot.press("down", "enter")
        await until(lambda: app.product_screen() is not None and app.screen._fields != {})
        await until(lambda: "left  bm25: rank" in page(app))
        stand_in.hold.set()
        await until(lambda: "left  base: rank" in page(app))
        await pilot.press("end")
        await until(lambda: "about the thing" in page(app))


def test_a_held_side_answers_until_its_new_index_is_loaded(
    tiny_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_index(tiny_workspace, "base")
    comparer = LiveComparer(tiny_workspace)
    comparer.prepare("base")
    former = comparer.side("base").build
    assert comparer.side("hybrid:base").build
    assert _why(comparer) == {"base": (True, ""), "hybrid:base": (True, "")}

    build_index(tiny_workspace, "base", rebuild=True)
    assert _why(comparer) == {"base": (True, "loading"), "hybrid:base": (True, "loading")}
    opened = live.open_encoder_side
    monkeypatch.setattr(live, "open_encoder_side", lambda *_: pytest.fail("loaded while searching"))
    assert comparer.compare("red tent", "base", "hybrid:base").baseline.build == former

    monkeypatch.setattr(live, "open_encoder_side", opened)
    comparer.prepare("hybrid:base")
    assert _why(comparer) == {"base": (True, ""), "hybrid:base": (True, "")}
    shown = comparer.compare("red tent", "base", "hybrid:base")
    assert shown.baseline.build != former and shown.candidate.build != former
    monkeypatch.setattr(live, "open_encoder_side", lambda *_: pytest.fail("loaded twice"))
    comparer.prepare("base")
    comparer.close()


def _why(comparer: LiveComparer) -> dict[str, tuple[bool, str]]:
    return {s.name: (s.ready, s.why) for s in comparer.sides() if s.name.endswith("base")}


async def test_the_sides_list_says_the_whole_of_what_a_row_cuts(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.sides != ())
        await pilot.press("f3", "end")
        await pilot.pause()
        assert "encoder, not indexed: rankbench index --encoder fresh-02 " in page(app)
        assert sum("…" in line for line in lines(app)) == 1
        await pilot.press("f1")
        await until(lambda: "anywhere" in page(app))
