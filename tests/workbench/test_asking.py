"""The basket asks the search thread; what cannot be asked is refused, never taken for silence."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from looking import page, until
from stand_in import StandIn, Status
from test_train_screen import opened

from engine.errors import RankbenchError
from engine.jobs import train as jobs_train
from workbench import asking
from workbench.asking import Asker
from workbench.messages import TaskFailed, Trouble
from workbench.searching import SearchThread


@pytest.fixture
def search() -> Iterator[Callable[..., SearchThread]]:
    made: list[SearchThread] = []

    def start(factory: Callable[[], StandIn]) -> SearchThread:
        thread = SearchThread(factory, lambda message: True)
        thread.start()
        made.append(thread)
        return thread

    yield start
    for thread in made:
        thread.stop()


def with_base(ready: bool, why: str = "") -> StandIn:
    return StandIn(statuses=[Status("bm25", "bm25", True), Status("base", "encoder", ready, why)])


def test_a_side_that_is_loading_is_waited_for_and_one_that_is_gone_is_silent(search) -> None:
    stand_in = with_base(False, "loading")
    top = Asker(search(lambda: stand_in))
    assert len(top("base", "lamp")) == 10 and stand_in.prepared == ["base"]
    assert top("gone-01", "lamp") == ()


def test_the_base_of_a_card_is_the_one_that_must_answer(search) -> None:
    statuses = [
        Status("tuned-01", "encoder", False, "not indexed"),
        Status("base", "encoder", False),
    ]
    top = Asker(search(lambda: StandIn(statuses=statuses)), "tuned-01")
    assert top("base", "lamp") == ()
    with pytest.raises(RankbenchError, match="tuned-01 is not ready yet"):
        top("tuned-01", "lamp")


def test_a_run_file_is_asked_though_no_list_has_it(search) -> None:
    stand_in = StandIn()
    shown = stand_in.compare("lamp", "run:shop.run", "base", 10).baseline.hits
    top = Asker(search(lambda: stand_in))
    assert list(top("run:shop.run", "lamp")) == [hit.product_id for hit in shown]


def test_a_base_that_cannot_answer_is_an_error(search) -> None:
    with pytest.raises(RankbenchError, match="base is not ready yet: not indexed"):
        Asker(search(lambda: with_base(False, "not indexed")))("base", "lamp")


def test_a_base_that_does_not_load_is_an_error_and_another_side_is_silent(search) -> None:
    class Broken(StandIn):
        def prepare(self, name: str) -> None:
            raise RankbenchError("Its weights are gone.")

    statuses = [
        Status("base", "encoder", False, "loading"),
        Status("other", "encoder", False, "loading"),
    ]
    top = Asker(search(lambda: Broken(statuses=statuses)))
    with pytest.raises(RankbenchError, match="it did not load"):
        top("base", "lamp")
    assert top("other", "lamp") == () and top("other", "tent") == ()


def test_a_busy_thread_is_an_error_once_the_time_is_over(search, monkeypatch) -> None:
    monkeypatch.setattr(asking, "_ANSWER_S", 0.3)
    hold = threading.Event()
    thread = search(StandIn)
    thread.ask(lambda comparer: hold.wait(10) and None)
    began = time.monotonic()
    with pytest.raises(RankbenchError, match="The search thread is busy"):
        Asker(thread)("base", "lamp")
    assert time.monotonic() - began < 3
    hold.set()


def test_a_failed_opening_is_told_at_once(search) -> None:
    def factory() -> StandIn:
        raise RankbenchError("The catalog is gone.", "Put it back.")

    with pytest.raises(RankbenchError, match="The catalog is gone"):
        Asker(search(factory))("base", "lamp")


async def test_the_screen_says_that_the_base_is_not_ready(make_app, flagged, begun) -> None:
    stand_in = with_base(False, "not indexed")
    app = make_app(stand_in, root=flagged)
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        await pilot.press("f5")
        await until(lambda: app.screen.trouble is not None, seconds=30)
        await pilot.pause()
        assert "base is not ready yet: not indexed." in page(app)
        assert "no Exact result" not in page(app) and "No verdicts yet" not in page(app)
        stand_in.statuses[1] = Status("base", "encoder", True)
        await pilot.press("t")
        await until(lambda: app.screen.basket is not None, seconds=30)
        assert begun == []


async def test_a_start_loads_no_second_encoder(make_app, flagged, begun, monkeypatch) -> None:
    from engine.ranking import comparer

    monkeypatch.setattr(
        comparer.Comparer, "__init__", lambda *_: pytest.fail("a second comparer was opened")
    )
    app = make_app(root=flagged)
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await opened(app, pilot)
        # Left: the one verdict whose fate depends on what the base says.
        out = {
            (group.query, row.product_id)
            for group in screen.basket.groups
            for row in group.rows
            if group.query == "red sneaker"
        }
        screen._choose(deselected=frozenset(out))
        app.trainer.begin(screen.choice)
        await until(lambda: bool(begun) or bool(app._notifications), seconds=30)
        texts = [note.message for note in app._notifications]
        assert not any("second comparer" in text for text in texts), texts


async def test_another_works_failure_does_not_let_a_second_run_start(
    make_app,
    flagged,
    begun,
    monkeypatch,
) -> None:
    starts: list[object] = []
    hold = threading.Event()

    def check(*asked: object) -> None:
        starts.append(asked)
        hold.wait(20)
        raise RankbenchError("No process can be started.")

    monkeypatch.setattr(jobs_train, "check", check)
    app = make_app(root=flagged)
    async with app.run_test(size=(120, 30)) as pilot:
        await opened(app, pilot)
        await pilot.press("t")
        app.post_message(TaskFailed(Trouble("Cannot write there."), "export"))
        app.post_message(TaskFailed(Trouble("A setting was not written.")))
        await pilot.pause()
        await pilot.press("t")
        assert len(starts) == 1 and app.trainer.starting
        hold.set()
        await until(lambda: not app.trainer.starting)
        await pilot.press("t")
        await until(lambda: len(starts) == 2)
