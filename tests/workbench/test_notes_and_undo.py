"""What follows a verdict: its note, taking it back, and being told that its query is held out."""

from __future__ import annotations

import pytest
from looking import page, until
from stand_in import StandIn
from test_verdicts import QUERY, into_the_list, marks, standing

from engine.records import Verdict, Verdicts
from engine.workspace import Workspace


@pytest.fixture
def comparer(ws: Workspace) -> StandIn:
    return StandIn(records=ws.records_path)


async def test_undo_and_redo_leave_one_notice(make_app, ws, comparer) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await into_the_list(app, pilot)
        await pilot.press("x")
        await until(lambda: len(standing(ws)) == 1)
        for key, words in (("u", "Taken back"), ("U", "Given again"), ("u", "Taken back")):
            await pilot.press(key)
            await until(lambda w=words: w in page(app))
            await until(lambda: page(app).count("Taken back") + page(app).count("Given again") == 1)
        frames = app.screen.query("ToastHolder")
        await until(lambda: len(frames) == 1)
        app.say("Something else.")
        await until(lambda: len(app.screen.query("ToastHolder")) == 2)


async def test_an_undo_of_anothers_word_names_the_judge(make_app, ws, comparer) -> None:
    from engine.records.judge import judge_name

    with Verdicts(ws.records_path) as verdicts:
        words = [Verdict("tent lamp", next(iter(comparer.rows)), "I", judge="bob")]
        verdicts.add(words, judge_name(ws.settings))
    app = make_app(comparer)
    async with app.run_test(size=(120, 24), notifications=True) as pilot:
        await into_the_list(app, pilot, "tent lamp")
        await pilot.press("x")
        await until(lambda: len(standing(ws)) == 2)
        await pilot.press("u")
        await until(lambda: "Taken back" in page(app))
        assert "Said by" not in page(app)
        await pilot.press("u")
        await until(lambda: "Said by bob." in " ".join(page(app).split()))


async def test_a_held_out_query_is_told_once_at_its_first_verdict(make_app, ws, comparer) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(120, 24), notifications=True) as pilot:
        await until(lambda: app.judged != ())
        query = next(query.query for query in app.judged if query.split == "test")
        await into_the_list(app, pilot, query)
        await pilot.press("x")
        await until(lambda: "A test query" in page(app))
        frames = list(app.screen.query("ToastHolder"))
        await pilot.press("down", "x")
        await until(lambda: len(standing(ws)) == 2)
        await pilot.pause(0.2)
        assert list(app.screen.query("ToastHolder")) == frames
    assert next(query.split for query in app.judged if query.query == QUERY) == "train"


async def test_a_note_is_a_verdict_of_its_own_with_the_same_grade(make_app, ws, comparer) -> None:
    app = make_app(comparer)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await into_the_list(app, pilot, "lamp tent")
        await pilot.press("n")
        await until(lambda: "a note goes with a verdict" in " ".join(page(app).split()))
        await pilot.press("x")
        await until(lambda: len(marks(app)) == 1)
        await pilot.press("n", *"no [/] e tent", "enter")
        await until(lambda: [v.note for v in standing(ws)] == ["no [/] e tent"])
        (verdict,) = standing(ws)
        assert verdict.bad and verdict.grade == "I"
        await pilot.press("n", "x", "escape")
        assert app.screen is app.compare and app.focused is app.compare.baseline
        with Verdicts(ws.records_path) as verdicts:
            assert len(verdicts.history()) == 2


async def test_a_note_goes_with_ones_own_verdict_not_the_majoritys(make_app, ws, comparer) -> None:
    hit = comparer.compare(QUERY, "base", "base").baseline.hits[0]
    with Verdicts(ws.records_path) as verdicts:
        for judge in ("bob", "cid"):
            verdicts.add([Verdict(QUERY, hit.product_id, "C")], judge)
    app = make_app(comparer)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await into_the_list(app, pilot)
        assert app.compare.baseline.hit.product_id == hit.product_id
        await pilot.press("n", *"mine", "enter")
        await until(lambda: "Grade it first" in " ".join(page(app).split()))
        assert {v.judge for v in standing(ws)} == {"bob", "cid"}
        await pilot.press("x")
        await until(lambda: len(standing(ws)) == 3)
        await pilot.press("n", *"mine", "enter")
        await until(lambda: standing(ws)[-1].note == "mine")
        own = standing(ws)[-1]
        assert (own.grade, own.bad) == ("I", True) and len(standing(ws)) == 3


async def test_an_undo_says_what_stands_after_it(make_app, ws, comparer) -> None:
    app = make_app(comparer)

    def told(text: str) -> bool:
        return text in " ".join(page(app).split())

    async with app.run_test(size=(140, 30), notifications=True) as pilot:
        await into_the_list(app, pilot, "lamp tent")
        await pilot.press("x")
        await until(lambda: list(marks(app).values()) == ["I!"])
        await pilot.press("n", *"no tent", "enter")
        await until(lambda: [v.note for v in standing(ws)] == ["no tent"])
        await pilot.press("u")
        await until(lambda: told("Taken back: the note on") and told("bad stays."))
        assert [(v.bad, v.note) for v in standing(ws)] == [(True, "")]
        assert list(marks(app).values()) == ["I!"]
        await pilot.press("e")
        await until(lambda: [v.grade for v in standing(ws)] == ["E"])
        await pilot.press("u")
        await until(lambda: told("Taken back: E on") and told("bad again."))
        await pilot.press("u")
        await until(lambda: told("Taken back: bad on") and not marks(app))
