"""Holes: the queue, grading down it, what the headline says, and what stays where it is."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest
from looking import answered, lines, page, until
from stand_in import HOSTILE, StandIn

from engine.evaluation.holes import find_holes
from engine.records import Verdict, Verdicts
from engine.workspace import Workspace
from workbench.screens import holes as holes_screen
from workbench.screens.holes import HolesScreen
from workbench.screens.queries import QueriesScreen
from workbench.text import change, printable

GAINS = {"E": 1.0, "S": 0.1, "C": 0.01, "I": 0.0}


@pytest.fixture
def comparer(ws: Workspace) -> StandIn:
    return StandIn(records=ws.records_path)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys count from the moment the rows are there."""
    monkeypatch.setattr(holes_screen, "_SEEN_S", 0.0)


def standing(ws: Workspace) -> list[Verdict]:
    with Verdicts(ws.records_path) as verdicts:
        return verdicts.standing()


async def open_holes(app, pilot) -> HolesScreen:
    await until(lambda: app.judged != ())
    await until(lambda: app.standing == ("base", "tuned-01"))
    await pilot.press("f2", "h")
    screen = app.screen
    assert isinstance(screen, HolesScreen)
    await until(lambda: screen.holes is not None)
    return screen


async def test_the_queue_and_its_bounds_are_the_engines(make_app, comparer) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await open_holes(app, pilot)
        tops = comparer.top_tens("base", "tuned-01", "unseen")
        found = find_holes(tops, comparer.queries, comparer.rows, GAINS)
        assert list(screen.rows.queue) == list(found.queue) and len(found.queue) > 20
        await until(lambda: change(found.queue[0].swing, 4) in lines(app)[4])
        top = lines(app)
        assert "base → tuned-01" in top[0] and "n 18 unseen" in top[0]
        assert f"[{change(found.bounds[0])}, {change(found.bounds[1])}]" in top[0]
        assert f"{len(found.queue)} holes left" in top[1] and "judged@10" in top[1]
        assert found.queue[0].query in top[4]
        await pilot.press("escape")
        assert isinstance(app.screen, QueriesScreen)
        await pilot.press("escape")
        assert app.screen is app.compare


async def test_keys_grade_down_the_queue_and_the_order_stays(
    make_app, ws, comparer, at_once
) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        screen = await open_holes(app, pilot)
        queue, before = list(screen.rows.queue), screen.holes
        await pilot.press("e", "i", "s")
        assert screen.rows.cursor == 3
        await until(lambda: len(screen.rows.grades) == 3)
        await until(lambda: f"{len(queue) - 3} holes left" in lines(app)[1])
        assert list(screen.rows.queue) == queue and screen.rows.cursor == 3
        shown = lines(app)[4:7]
        assert [row[1:3] for row in shown] == ["E*", "I*", "S*"]
        assert "3 of these" in lines(app)[2] and "r renews" in lines(app)[2]
        verdicts = standing(ws)
        assert [(v.query, v.product_id, v.grade) for v in verdicts] == [
            (hole.query, hole.product_id, grade) for hole, grade in zip(queue, "EIS", strict=False)
        ]
        for verdict, hole in zip(verdicts, queue, strict=False):
            side, rank = hole.place
            assert (verdict.side, verdict.rank) == (("base", "tuned-01")[side], rank)
            assert verdict.encoder == f"print of {verdict.side}" and not verdict.bad
        width = [
            screen.holes.bounds[1] - screen.holes.bounds[0],
            before.bounds[1] - before.bounds[0],
        ]
        assert width[0] < width[1] and screen.holes.queries == before.queries
        await pilot.press("u")
        await until(lambda: f"{len(queue) - 2} holes left" in lines(app)[1])
        assert lines(app)[6][1] == "·" and screen.rows.cursor == 3
        await until(lambda: "Taken back: S on" in page(app))
        await pilot.press("U")
        await until(lambda: lines(app)[6][1:3] == "S*")
        await until(lambda: f"{len(queue) - 3} holes left" in lines(app)[1])
        await pilot.press("r")
        await until(lambda: len(screen.rows.queue) == len(queue) - 3)
        sizes = [abs(hole.swing) for hole in screen.rows.queue]
        assert screen.rows.cursor == 0 and not screen.rows.grades
        assert all(a >= b - 1e-9 for a, b in pairwise(sizes))


async def test_holes_follow_the_filters_of_queries_and_name_them(make_app, comparer) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.standing == ("base", "tuned-01") and app.judged != ())
        await pilot.press("f2")
        queries = app.screen
        await until(lambda: bool(queries.rows))
        await pilot.press("slash", *"E t", "enter", "t", "f")  # stratum met; dev is none of them
        await pilot.press("f")
        wanted = {row.query_id: row.query for row in queries.shown_rows()}
        assert wanted and len(wanted) < 18 and queries.split == "test"
        await pilot.press("h")
        await until(lambda: app.screen.holes is not None)
        shown = app.screen
        assert shown.holes.queries == len(wanted)
        assert {hole.query_id for hole in shown.rows.queue} <= set(wanted)
        by_split = comparer.top_tens("base", "tuned-01", "unseen")
        every = find_holes(by_split, comparer.queries, comparer.rows, GAINS)
        assert {hole.pair for hole in shown.rows.queue} == {
            hole.pair for hole in every.queue if hole.query_id in wanted
        }
        await pilot.pause()
        assert "filtered as Queries: / e t · f test · b stratum t met" in lines(app)[1]
        assert f"n {len(wanted)} unseen" in lines(app)[0]
        # Other sides see other queries; the filters stay.
        app.choose_side("candidate", "bm25")
        await until(lambda: shown.holes is not None and shown.holes.candidate.encoder == "bm25")
        assert {hole.query_id for hole in shown.rows.queue} <= set(wanted)
        await pilot.press("escape", "u", "h")
        await until(lambda: "No judged query with a gain passes the filters" in page(app))
        assert app.screen.followed.split == "seen"  # bm25 has seen none


async def test_seen_alone_no_query_and_a_bar(make_app, comparer) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.standing == ("base", "tuned-01") and app.judged != ())
        await pilot.press("f2")
        queries = app.screen
        await until(lambda: bool(queries.rows))
        await pilot.press("u", "h")
        await until(lambda: isinstance(app.screen, HolesScreen) and app.screen.holes is not None)
        assert app.screen.holes.queries == 6 and "n 6 seen" in lines(app)[0]
        assert not any("filtered" in line for line in lines(app))
        await pilot.press("escape", "slash", *"nowhere", "enter", "h")
        await until(lambda: "No judged query with a gain passes the filters" in page(app))
        assert "/ nowhere" in lines(app)[1]
        await pilot.press("escape", "escape", "d", "end", "enter")
        await until(lambda: queries.bars.picked is not None)
        await pilot.press("h")
        await until(lambda: isinstance(app.screen, HolesScreen) and app.screen.holes is not None)
        assert app.screen.holes.queries == 6
        assert "not by the bar, which was picked by its change" in lines(app)[1]


async def test_an_undone_grade_brings_the_row_back_after_the_order_was_renewed(
    make_app, ws, comparer, at_once
) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_holes(app, pilot)
        first, second = screen.rows.queue[:2]
        await pilot.press("e", "i")
        await until(lambda: len(screen.rows.grades) == 2)
        await pilot.press("r")
        await until(lambda: first not in screen.rows.queue and not screen.rows.grades)
        await pilot.press("down", "down")
        here, left = screen.rows.hole, len(screen.rows.queue)
        count, counted = app.holes.count, []
        app.holes.count = lambda *given: counted.append(given)
        await pilot.press("u")
        # At once: before anything is counted.
        await until(lambda: second.pair in {hole.pair for hole in screen.rows.queue})
        assert screen.rows.hole is here and len(screen.rows.queue) == left + 1
        assert any(printable(second.title)[:14] in line for line in lines(app)[4:])
        app.holes.count = count
        await pilot.press("u")
        await until(lambda: len(screen.rows.queue) == left + 2 == len(screen.holes.queue))
        swings = [abs(hole.swing) for hole in screen.rows.queue]
        assert swings == sorted(swings, reverse=True)
        assert screen.rows.hole is here and not screen.rows.grades and standing(ws) == []


async def test_a_grade_that_another_process_takes_back_brings_its_row_back(
    make_app, ws, comparer, at_once
) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_holes(app, pilot)
        first = screen.rows.queue[0]
        await pilot.press("e")
        await until(lambda: len(screen.rows.grades) == 1)
        await pilot.press("r")
        await until(lambda: first not in screen.rows.queue)
        with Verdicts(ws.records_path) as verdicts:
            verdicts.undo(app.judging.recorder.judge)
        app.judging.recorder.look()
        await until(lambda: first.pair in {hole.pair for hole in screen.rows.queue})


async def test_the_cursor_passes_over_what_is_graded(make_app, comparer, at_once) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await open_holes(app, pilot)
        await pilot.press("down", "i")
        await until(lambda: len(screen.rows.grades) == 1)
        await pilot.press("up", "up", "e")
        assert screen.rows.cursor == 2
        await pilot.press("end", "i", "i")
        await until(lambda: len(screen.rows.grades) == 3)
        assert screen.rows.cursor == len(screen.rows.queue) - 1


async def test_grading_makes_no_query_seen(make_app, comparer, at_once) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await open_holes(app, pilot)
        query = screen.rows.hole.query
        await pilot.press("e")
        await until(lambda: len(screen.rows.grades) == 1)
        await until(lambda: app.judging.last > 0)
        await pilot.press("escape")
        queries = app.screen
        assert isinstance(queries, QueriesScreen)
        # What was shown below is of before: it is evaluated again, and only now.
        await until(lambda: queries.key.said == app.judging.last and "improved" in page(app))
        row = next(row for row in queries.rows if row.query == query)
        assert not row.seen and len(queries.shown_rows()) == 18


async def test_what_waits_below_is_not_evaluated_at_each_grade(make_app, comparer, at_once) -> None:
    app = make_app(comparer)
    evaluated: list[str] = []
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await open_holes(app, pilot)
        comparer.evaluate = lambda *sides, **_: evaluated.append("again")
        await pilot.press("e", "e")
        await until(lambda: len(screen.rows.grades) == 2)
        await until(lambda: f"{len(screen.rows.queue) - 2} holes left" in lines(app)[1])
        assert evaluated == []


async def test_a_count_from_before_a_grade_takes_no_mark_away(make_app, comparer, at_once) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await open_holes(app, pilot)
        hold = threading.Event()
        app.searcher.ask(lambda _: hold.wait(5) and None)
        screen._count()
        await pilot.press("e")
        await until(lambda: len(screen.rows.grades) == 1)
        hold.set()
        for _ in range(20):
            await pilot.pause(0.02)
            assert len(screen.rows.grades) == 1


async def test_a_key_as_the_rows_come_grades_nothing(make_app, ws, comparer, monkeypatch) -> None:
    monkeypatch.setattr(holes_screen, "_SEEN_S", 60.0)
    app = make_app(comparer)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await open_holes(app, pilot)
        await pilot.press("e")
        await until(lambda: "look, and press again" in page(app))
        assert standing(ws) == []


async def test_enter_opens_the_product_and_o_its_query(make_app, comparer) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await open_holes(app, pilot)
        await pilot.press("down")
        hole = screen.rows.hole
        await pilot.press("enter")
        await until(lambda: "not judged" in page(app))
        await pilot.press("end")
        await until(lambda: "A long text" in page(app) and hole.product_id in page(app))
        await pilot.press("escape")
        assert app.screen is screen and screen.rows.cursor == 1
        await pilot.press("o")
        await until(answered(app, hole.query))
        assert app.screen is app.compare


async def test_other_sides_bring_other_holes(make_app, comparer) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await open_holes(app, pilot)
        before = list(screen.rows.queue)
        app.choose_side("candidate", "bm25")
        await until(lambda: screen.holes is not None and screen.holes.candidate.encoder == "bm25")
        await until(lambda: "base → bm25" in lines(app)[0])
        assert list(screen.rows.queue) != before and screen.rows.queue


async def test_where_nothing_is_unseen_it_is_all_queries(make_app, ws) -> None:
    queries = [q for q in StandIn().queries if q.split == "train"]
    app = make_app(StandIn(queries=queries, records=ws.records_path))
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await open_holes(app, pilot)
        assert screen.holes.split == "all" and screen.holes.queries == 6


async def test_without_judged_queries_it_says_what_to_do(make_app) -> None:
    app = make_app(StandIn(queries=[]))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.sides != ())
        app.action_holes()
        await until(lambda: "rankbench import judgments FILE" in page(app))
        await pilot.press("e", "r", "enter", "o", "i")
        assert isinstance(app.screen, HolesScreen)


async def test_trouble_is_told_where_the_rows_would_be(make_app) -> None:
    class Broken(StandIn):
        def top_tens(self, *sides: str, **options: object) -> None:
            raise OSError("disk [/] gone")

    app = make_app(Broken())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.judged != ())
        app.action_holes()
        await until(lambda: page(app).count("OSError: disk [/] gone") == 2)
        await pilot.press("e")


async def test_hostile_titles_and_queries_are_inert(make_app, ws, at_once) -> None:
    from engine.catalog.queries import JudgedQuery

    texts = [*HOSTILE, "[/] \x1b[31mq\x1b[0m"]
    queries = [JudgedQuery(f"q{n}", text, "test", {"P000": "E"}) for n, text in enumerate(texts)]
    app = make_app(StandIn(queries=queries, records=ws.records_path))
    async with app.run_test(size=(120, 60), notifications=True) as pilot:
        screen = await open_holes(app, pilot)
        titles = {hole.product_id for hole in screen.rows.queue}
        assert {"X0", "X1", "X2"} <= titles
        for n, hole in enumerate(screen.rows.queue):
            if hole.product_id == "X1":
                screen.rows.place(n)
        await pilot.press("e")
        await until(lambda: len(screen.rows.grades) == 1)
        await pilot.press("u")
        await until(lambda: "Taken back" in page(app))
        assert "\x1b" not in page(app) and "\u202e" not in page(app)
        assert all(len(line) for line in lines(app))
        assert printable(texts[-1]) == "[/] q"


@pytest.mark.parametrize("size", [(59, 20), (20, 5), (5, 2)])
async def test_every_size_paints(make_app, comparer, size: tuple[int, int], at_once) -> None:
    app = make_app(comparer)
    async with app.run_test(size=size) as pilot:
        await open_holes(app, pilot)
        await pilot.press("e", "end", "i")
        await pilot.pause(0.05)
        assert len(lines(app)) == size[1]
