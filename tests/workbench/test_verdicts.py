"""Verdicts in the lists: keys to records, marks to rows, measures after them."""

from __future__ import annotations

import sqlite3
import threading
import time

import pytest
from looking import answered, lines, page, until
from stand_in import StandIn

from engine.records import Verdict, Verdicts
from engine.workspace import Workspace
from workbench import saved
from workbench.widgets.ranking_list import verdict_mark

QUERY = "red canopy tent"


@pytest.fixture
def comparer(ws: Workspace) -> StandIn:
    return StandIn(records=ws.records_path)


def standing(ws: Workspace) -> list[Verdict]:
    with Verdicts(ws.records_path) as verdicts:
        return verdicts.standing()


async def into_the_list(app, pilot, query: str = QUERY) -> None:
    await pilot.press(*query)
    await until(answered(app, query))
    await pilot.press("down")


def marks(app) -> dict[str, str]:
    """Product id -> grade and mark, as both lists have them."""
    left, right = (
        {hit.product_id: f"{hit.grade}{verdict_mark(hit)}" for hit in shown.hits if hit.verdict}
        for shown in app.compare.lists
    )
    assert all(right.get(product, mark) == mark for product, mark in left.items())
    return left | right


async def test_a_key_grades_the_hit_on_both_sides_and_the_record_tells_all(
    make_app, ws, comparer
) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(100, 30)) as pilot:
        await into_the_list(app, pilot)
        await pilot.press("down", "down", "right")
        hit, before = app.compare.candidate.hit, app.compare.candidate.cursor
        grade = "S" if hit.grade != "S" else "C"
        await pilot.press(grade.lower())
        await until(lambda: hit.product_id in marks(app))
        assert app.compare.candidate.hit.product_id == hit.product_id
        assert app.compare.candidate.cursor == before
        (verdict,) = standing(ws)
        assert (verdict.query, verdict.product_id, verdict.grade) == (QUERY, hit.product_id, grade)
        assert (verdict.side, verdict.rank) == ("tuned-01", hit.rank)
        assert verdict.encoder == "print of tuned-01" and verdict.judge
        assert abs(verdict.given - time.time()) < 60 and not verdict.bad
        await until(lambda: "1 verdict " in page(app))


async def test_a_flag_lowers_the_measures_and_undo_gives_them_back(make_app, ws, comparer) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await into_the_list(app, pilot)
        row = next(n for n, hit in enumerate(app.compare.baseline.hits) if hit.grade == "E")
        await pilot.press(*["down"] * row)
        product = app.compare.baseline.hit.product_id
        before = app.compare.comparison.baseline.measures["ndcg@10"]
        await pilot.press("x")
        await until(lambda: app.compare.comparison.baseline.measures["ndcg@10"] != before)
        assert marks(app) == {product: "I≠"}
        assert [(v.grade, v.bad) for v in standing(ws)] == [("I", True)]
        assert app.compare.baseline.hit.product_id == product
        assert "I≠" in lines(app)[5 + row - app.compare.baseline.top]
        await pilot.press("u")
        await until(lambda: app.compare.comparison.baseline.measures["ndcg@10"] == before)
        assert marks(app) == {} and standing(ws) == []
        await until(lambda: "Taken back: bad on" in page(app))
        await pilot.press("U")
        await until(lambda: marks(app) == {product: "I≠"})
        assert len(standing(ws)) == 1
        await pilot.press("U")
        await until(lambda: "Nothing to redo." in page(app))


async def test_marks_tell_a_flag_from_a_grade(make_app, ws, comparer) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(100, 30)) as pilot:
        await into_the_list(app, pilot, "tent lamp")
        first, second = (hit.product_id for hit in app.compare.baseline.hits[:2])
        await pilot.press("x", "down", "e")
        await until(lambda: marks(app) == {first: "I!", second: "E*"})
        await pilot.press("enter")
        await until(lambda: "grade E Exact, by a person" in page(app))


async def test_the_product_page_takes_the_same_keys(make_app, ws, comparer) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(80, 24)) as pilot:
        await into_the_list(app, pilot)
        hit = app.compare.baseline.hit
        grade, word = ("S", "Substitute") if hit.grade != "S" else ("C", "Complement")
        await pilot.press("enter")
        await until(lambda: app.product_screen() is not None)
        await until(lambda: "esci grade" in page(app) and "x bad" in page(app))
        before = next(line for line in lines(app) if "grade " in line)
        await pilot.press(grade.lower())
        await until(lambda: f"grade {grade} {word}, by a person" in page(app))
        (verdict,) = standing(ws)
        assert (verdict.query, verdict.product_id, verdict.grade) == (QUERY, hit.product_id, grade)
        assert verdict.side in ("base", "tuned-01") and verdict.rank <= hit.rank
        await pilot.press("x")
        await until(lambda: "grade I Irrelevant, flagged bad by a person" in page(app))
        await pilot.press("u", "u")
        await until(lambda: before in lines(app) and standing(ws) == [])
        await pilot.press("U")
        await until(lambda: f"grade {grade} {word}, by a person" in page(app))
        await pilot.press("escape")
        assert marks(app).keys() == {hit.product_id}


async def test_the_lists_do_not_jump_when_the_answer_comes_again(make_app, comparer) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(100, 16)) as pilot:
        await into_the_list(app, pilot)
        await pilot.press(*["down"] * 14, "up", "up")
        seen = [(shown.top, shown.cursor) for shown in app.compare.lists]
        product = app.compare.baseline.hit.product_id
        searches = app.searcher.searches
        assert seen[0][0] > 0
        await pilot.press("e")
        await until(lambda: product in marks(app) and app.searcher.searches > searches)
        await pilot.pause(0.1)
        assert [(shown.top, shown.cursor) for shown in app.compare.lists] == seen
        assert app.focused is app.compare.baseline


async def test_in_the_query_line_the_same_letters_type(make_app, ws, comparer) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press(*"escixunU=")
        await until(lambda: app.compare.query_line.value == "escixunU=")
        await pilot.press("down", "slash", "e")
        assert app.compare.query_line.value == "escixunU=e"
        assert standing(ws) == []


async def test_without_a_result_the_letters_go_on_typing(make_app, tmp_path, ws) -> None:
    from stand_in import workspace

    app = make_app(root=workspace(tmp_path / "y", candidate="bm25", baseline="bm25"))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press(*"zz")
        await until(answered(app, "zz"))
        await pilot.press("down", "s", "x", "=")
        await until(answered(app, "zzsx="))


async def test_shared_spellings_are_shown_and_refused(make_app, ws, comparer) -> None:
    product = next(iter(comparer.rows))
    with Verdicts(ws.records_path) as verdicts:
        verdicts.add([Verdict("Red [Canopy] Tents", product, "I", bad=True)], "ann")
        verdicts.add([Verdict("red canopy tents", product, "I", bad=True)], "ann")
    app = make_app(comparer)
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        await into_the_list(app, pilot)
        assert app.compare.shared_from
        assert "verdicts shared with: " in page(app) and "red canopy tents" in page(app)
        assert "= parts them" in page(app) and marks(app) == {product: "I≠"}
        await pilot.press("=")
        await until(lambda: not app.compare.shared_from and marks(app) == {})
        await until(lambda: "keeps its verdicts to itself now" in " ".join(page(app).split()))
        assert "shared with" not in page(app)
        await pilot.press("u")
        await until(lambda: marks(app) == {product: "I≠"})


async def test_a_saved_comparison_is_graded_before_the_catalog_is_open(make_app, ws) -> None:
    saved.store(ws.cache_dir, StandIn(fixed_ms=3.0).compare("lamp tent", "base", "tuned-01", 50))
    hold = threading.Event()

    class Slow(StandIn):
        def judged_queries(self):
            hold.wait(10)
            return super().judged_queries()

    app = make_app(Slow(records=ws.records_path))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("down", "down", "x")
        product = app.compare.baseline.hit.product_id
        await until(lambda: marks(app) == {product: "I!"})
        assert app.compare.is_saved
        assert [v.product_id for v in standing(ws)] == [product]
        await pilot.press("u")
        await until(lambda: marks(app) == {})
        await pilot.press("U")
        await until(lambda: marks(app) == {product: "I!"})
        hold.set()
        await until(lambda: not app.compare.is_saved and marks(app) == {product: "I!"})
        assert app.compare.baseline.hit.product_id == product


async def test_a_verdict_that_cannot_be_written_is_told_and_not_marked(
    make_app, ws, comparer, monkeypatch
) -> None:
    def full(self: Verdicts, verdicts: list[Verdict], author: str) -> int:
        with self._translated():
            raise sqlite3.OperationalError("database or disk is full")

    app = make_app(comparer)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await into_the_list(app, pilot)
        with monkeypatch.context() as patch:
            patch.setattr(Verdicts, "add", full)
            await pilot.press("x")
            await until(lambda: "Not kept." in page(app))
        assert marks(app) == {} and standing(ws) == []
        await pilot.press("x")
        await until(lambda: len(marks(app)) == 1)


async def test_leaving_at_once_loses_no_verdict(make_app, ws, comparer) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(100, 30)) as pilot:
        await into_the_list(app, pilot, "tent lamp")
        await pilot.press("x", "down", "e", "down", "s")
        app.exit()
        left = time.monotonic()
    assert time.monotonic() - left < 2
    assert [v.grade for v in standing(ws)] == ["I", "E", "S"]


async def test_a_verdict_waits_for_no_search(make_app, ws) -> None:
    gate = threading.Semaphore(1)
    app = make_app(StandIn(gate=gate, records=ws.records_path))
    async with app.run_test(size=(100, 30)) as pilot:
        await until(lambda: app.sides != ())
        gate.release()
        await pilot.press("t")
        await until(answered(app, "t"))
        while gate.acquire(blocking=False):
            pass
        await pilot.press("down", "x", "down", "e")
        await until(lambda: len(marks(app)) == 2)
        assert len(standing(ws)) == 2
        gate.release(50)
        await until(lambda: len(marks(app)) == 2 and app.searcher.searches >= 3)


async def test_what_another_process_says_is_counted(make_app, ws, comparer) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(100, 30)) as pilot:
        await into_the_list(app, pilot)
        with Verdicts(ws.records_path) as verdicts:
            verdicts.add([Verdict("blue lamp", "P001", "E"), Verdict("lamp", "P001", "S")], "bob")
        await until(lambda: "2 verdicts" in page(app), seconds=10)


async def test_verdicts_typed_in_one_read_are_all_kept_in_order(make_app, ws, comparer) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(100, 30)) as pilot:
        await into_the_list(app, pilot, "tent lamp")
        first, second = (hit.product_id for hit in app.compare.baseline.hits[:2])
        await pilot.press("x", "x", "e", "u", "U", "down", "x", "u", "s", "u", "U")
        await until(lambda: app.judging.standing == 2)
        await until(lambda: marks(app) == {first: "E*", second: "S*"})
    assert {v.product_id: v.grade for v in standing(ws)} == {first: "E", second: "S"}
    with Verdicts(ws.records_path) as verdicts:
        # Nothing is overwritten: five verdicts, three taken back, two given again.
        assert len(verdicts.history()) == 10


async def test_two_apps_show_each_others_verdicts(make_app, ws) -> None:
    apps = [make_app(StandIn(records=ws.records_path)) for _ in range(2)]
    one, other = apps
    async with other.run_test(size=(100, 30)) as pilot, one.run_test(size=(100, 30)) as fingers:
        await into_the_list(other, pilot, "tent lamp")
        await into_the_list(one, fingers, "tent lamp")
        first = one.compare.baseline.hit.product_id
        await fingers.press("x")
        # Nobody types in the other one.
        await until(lambda: marks(other) == {first: "I!"}, seconds=10)
        await fingers.press("u")
        await until(lambda: marks(other) == {}, seconds=10)
        await pilot.press("e")
        await until(lambda: marks(one) == {first: "E*"}, seconds=10)


async def test_a_verdict_makes_the_query_set_be_evaluated_again(make_app, ws, comparer) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(100, 30)) as pilot:
        await into_the_list(app, pilot)
        await pilot.press("f2")
        await until(lambda: bool(app.evaluations.results))
        await pilot.press("escape", "x")
        await until(lambda: app.judging.standing == 1)
        assert not app.evaluations.results
        await pilot.press("f2")
        await until(lambda: bool(app.evaluations.results))
        assert [key.said for key in app.evaluations.results] == [1]


async def test_every_verdict_has_a_palette_entry(make_app, ws, comparer) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(100, 40)) as pilot:
        await into_the_list(app, pilot, "tent lamp")
        for typed, expected in (
            ("bad result", [("I", True)]),
            ("grade c", [("C", False)]),
            ("undo", [("I", True)]),
            ("redo", [("C", False)]),
        ):
            await pilot.press("ctrl+p", *typed)
            await pilot.pause(0.4)
            await pilot.press("enter")
            await until(lambda: [(v.grade, v.bad) for v in standing(ws)] == expected)  # noqa: B023
        await pilot.press("slash", "ctrl+p", *"bad result")
        await pilot.pause(0.4)
        await pilot.press("enter")
        await until(lambda: app.focused is app.compare.baseline)
        assert [(v.grade, v.bad) for v in standing(ws)] == [("C", False)]


async def test_a_click_selects_what_a_key_grades(make_app, ws, comparer) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press(*"tent lamp")
        await until(answered(app, "tent lamp"))
        await pilot.click(app.compare.candidate, offset=(10, 4))
        product = app.compare.candidate.hit.product_id
        await pilot.press("e")
        await until(lambda: list(marks(app)) == [product])
        assert app.compare.candidate.cursor == 2
