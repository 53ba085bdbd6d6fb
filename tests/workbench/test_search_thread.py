"""The one search thread by itself: its mailbox, its queue, its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from stand_in import StandIn, Status

from workbench import messages
from workbench.messages import EvaluationKey, Request
from workbench.searching import SearchThread


def request(number: int, query: str = "lamp") -> Request:
    return Request(number, query, "base", "bm25", 0.0)


def wait_for(holds: Callable[[], bool]) -> None:
    limit = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.005)


def test_of_many_waiting_requests_only_the_newest_runs() -> None:
    gate, posted = threading.Semaphore(0), []
    stand_in = StandIn(gate=gate)
    thread = SearchThread(lambda: stand_in, posted.append)
    thread.start()
    thread.submit(request(1, "first"))
    wait_for(lambda: stand_in.asked == ["first"])
    for number in range(2, 50):
        thread.submit(request(number, f"query {number}"))
    gate.release(50)
    wait_for(lambda: sum(isinstance(m, messages.Answered) for m in posted) == 2)
    thread.stop()
    assert stand_in.asked == ["first", "query 49"] and thread.searches == 2


def test_searches_pass_before_other_questions() -> None:
    posted: list[object] = []
    hold = threading.Event()
    thread = SearchThread(StandIn, posted.append)
    thread.start()
    thread.ask(lambda _: hold.wait(5) and None)
    thread.ask(lambda _: messages.ProductKnown("P", {}))
    thread.submit(request(1))
    hold.set()
    wait_for(lambda: any(isinstance(m, messages.ProductKnown) for m in posted))
    thread.stop()
    kinds = [type(m) for m in posted]
    assert kinds.index(messages.Answered) < kinds.index(messages.ProductKnown)


def test_a_question_that_fails_does_not_end_the_thread() -> None:
    posted: list[object] = []
    thread = SearchThread(StandIn, posted.append)
    thread.start()
    thread.ask(lambda comparer: 1 / 0)
    thread.submit(request(1))
    wait_for(lambda: any(isinstance(m, messages.Answered) for m in posted))
    wait_for(lambda: any(isinstance(m, messages.TaskFailed) for m in posted))
    thread.stop()


def test_a_failed_opening_is_tried_again_by_the_next_search_only() -> None:
    posted: list[object] = []
    tries: list[int] = []

    def factory() -> StandIn:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("not there")
        return StandIn()

    thread = SearchThread(factory, posted.append)
    thread.submit(request(1))
    thread.start()
    wait_for(lambda: any(isinstance(m, messages.OpeningFailed) for m in posted))
    time.sleep(0.05)
    assert len(tries) == 1
    thread.submit(request(2, "tent"))
    wait_for(lambda: any(isinstance(m, messages.Answered) for m in posted))
    thread.stop()
    assert [m.request.number for m in posted if isinstance(m, messages.Answered)] == [2]


def test_leaving_after_a_failed_opening_ends_the_thread() -> None:
    posted: list[object] = []
    thread = SearchThread(lambda: 1 / 0, posted.append)
    thread.start()
    wait_for(lambda: bool(posted))
    thread.stop(5)
    assert not thread._thread.is_alive()


def test_stopping_runs_what_was_asked_and_closes_the_comparer() -> None:
    stand_in, ran = StandIn(), []
    thread = SearchThread(lambda: stand_in, lambda message: None)
    thread.start()
    thread.ask(lambda _: ran.append("saved"))
    thread.stop(5)
    assert ran == ["saved"] and stand_in.closed


def test_stopping_abandons_an_evaluation() -> None:
    begun = threading.Event()

    class Endless(StandIn):
        def evaluate(self, *sides, progress, **options):
            while True:
                begun.set()
                progress(0, 1)
                time.sleep(0.001)

    stand_in = Endless()
    thread = SearchThread(lambda: stand_in, lambda message: None)
    thread.start()
    thread.evaluate(EvaluationKey("base", "bm25"))
    assert begun.wait(5)
    thread.stop(5)
    assert stand_in.closed


def test_a_side_that_cannot_be_loaded_is_told_and_the_next_is_tried() -> None:
    posted: list[object] = []

    class Broken(StandIn):
        def prepare(self, name: str) -> None:
            if name == "bad":
                raise MemoryError("no room")
            super().prepare(name)

    stand_in = Broken(statuses=[Status("good", "encoder", False, "loading")])
    thread = SearchThread(lambda: stand_in, posted.append)
    thread.start()
    thread.load("bad")
    thread.load("good")
    wait_for(lambda: stand_in.prepared == ["good"])
    thread.stop()
    (failed,) = [m for m in posted if isinstance(m, messages.SideFailed)]
    assert failed.name == "bad" and "no room" in failed.trouble.what
