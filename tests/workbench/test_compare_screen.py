"""Compare: typing, the newest query, keys, hostile text, small screens, errors."""

from __future__ import annotations

import threading

import pytest
from looking import answered, lines, page, until
from stand_in import StandIn, workspace
from textual import events

from workbench.widgets.query_line import LIMIT
from workbench.widgets.ranking_list import RankingList


async def test_typing_paints_both_lists_and_the_delta_line_of_one_query(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press(*"red canopy tent")
        await until(answered(app, "red canopy tent"))
        await pilot.pause()
        shown = app.compare.comparison
        assert app.compare.baseline.side is shown.baseline
        assert app.compare.candidate.side is shown.candidate
        assert app.compare.delta_line.comparison is shown
        text = page(app)
        assert "NDCG@10" in text and "RBO .74" in text and "judged" in text
        assert shown.baseline.hits[0].title.split()[0] in lines(app)[5]
        assert app.torn == 0


async def test_each_paint_is_logged_with_its_key(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await until(lambda: app.sides != ())
        await pilot.press(*"tent")
        await until(lambda: bool(app.paint_log) and app.paint_log[-1].query == "tent")
        assert all(0 < seen.painted - seen.pressed < 5 for seen in app.paint_log)


async def test_the_newest_query_wins_and_leaves_no_backlog(make_app) -> None:
    gate = threading.Semaphore(0)
    stand_in = StandIn(gate=gate)
    app = make_app(stand_in)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(lambda: app.sides != ())
        await pilot.press("t")
        await until(lambda: stand_in.asked == ["t"])
        await pilot.press(*"ent red lamp")
        gate.release(20)
        await until(answered(app, "tent red lamp"))
        assert stand_in.asked == ["t", "tent red lamp"]
        assert app.torn == 0


async def test_an_answer_older_than_the_screen_is_dropped(make_app) -> None:
    gate = threading.Semaphore(0)
    app = make_app(StandIn(gate=gate))
    async with app.run_test(size=(100, 30)) as pilot:
        await until(lambda: app.sides != ())
        await pilot.press("t")
        await until(lambda: app.searcher.searches == 1)
        await pilot.press("backspace")
        await until(lambda: app.compare.comparison is None)
        gate.release(5)
        await pilot.pause(0.2)
        assert app.compare.comparison is None
        assert "Nothing typed yet" in page(app)


@pytest.mark.parametrize("typed", ["   ", ""])
async def test_a_query_of_spaces_shows_what_to_do(make_app, typed: str) -> None:
    stand_in = StandIn()
    app = make_app(stand_in)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(lambda: app.judged != ())
        await pilot.press(*["space" for _ in typed])
        await pilot.pause(0.1)
        assert stand_in.asked == []
        assert "Type a query" in page(app)
        assert "24 judged queries complete as you type" in page(app)


async def test_an_unjudged_query_says_so(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"lamp")
        await until(answered(app, "lamp"))
        assert "not judged, no NDCG · RBO .74" in lines(app)[1]


async def test_completion_from_judged_queries(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.judged != ())
        await pilot.press(*"Red ca")
        await pilot.pause(0.1)
        await pilot.press("tab")
        await until(answered(app, "Red canopy tent"))
        assert app.focused is app.compare.query_line
        await pilot.press("tab")
        await pilot.pause()
        assert app.focused is app.compare.baseline


async def test_keys_of_the_lists(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press(*"red canopy tent")
        await until(answered(app, "red canopy tent"))
        await pilot.press("down", "down", "down")
        left, right = app.compare.lists
        assert app.focused is left and left.cursor == 2
        product = left.hit.product_id
        assert right.linked == product
        await pilot.press("right")
        assert app.focused is right and right.hit.product_id == product
        assert left.linked == product
        await pilot.press("tab")
        assert app.focused is left
        await pilot.press("slash")
        assert app.focused is app.compare.query_line
        assert app.compare.query_line.value == "red canopy tent"
        await pilot.press("escape")
        assert isinstance(app.focused, RankingList)
        await pilot.press("end", "pageup", "home", "up")
        assert app.focused is app.compare.query_line


async def test_keys_that_come_in_one_read_reach_who_they_are_for(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(50, 20)) as pilot:
        await pilot.press(*"lamp")
        await until(answered(app, "lamp"))
        for key in ("down", "right"):
            app.post_message(events.Key(key, None))
        await until(lambda: app.compare.visible_lists == [app.compare.candidate])
        assert app.focused is app.compare.candidate
        for key in ("slash", "x", "y"):
            app.post_message(events.Key(key, key if len(key) == 1 else "/"))
        await until(lambda: app.compare.query_line.value == "lampxy")


@pytest.mark.parametrize(("key", "left"), [("ctrl+u", "xy"), ("backspace", "lamxy")])
async def test_editing_keys_act_in_the_order_of_one_read(make_app, key: str, left: str) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"lamp")
        await until(answered(app, "lamp"))
        for name, character in ((key, None), ("x", "x"), ("y", "y")):
            app.post_message(events.Key(name, character))
        await until(answered(app, left))
        assert app.compare.query_line.value == left
        pressed = app.compare.query_line.pressed
        await pilot.press("backspace")
        assert app.compare.query_line.pressed > pressed


async def test_a_letter_in_a_list_goes_on_typing(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press(*"la")
        await pilot.press("down")
        await pilot.press("m")
        await until(answered(app, "lam"))
        assert app.focused is app.compare.query_line


async def test_enter_opens_the_product_with_both_ranks(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press(*"desk lamp")
        await until(answered(app, "desk lamp"))
        await pilot.press("down", "enter")
        await until(lambda: app.product_screen() is not None and app.screen._fields != {})
        await pilot.pause()
        text = page(app)
        assert "left  base: rank 1" in text and "right tuned-01: rank" in text
        await pilot.press("end")
        await until(lambda: "about the thing. A long text [/]" in page(app))
        await pilot.press("escape")
        assert app.screen is app.compare


async def test_hostile_titles_are_shown_as_text(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press(*"lamp")
        await until(answered(app, "lamp"))
        assert "Lamp [/] size 10 [red]not red[/red]" in page(app)
        app.open_query("tent")
        await until(answered(app, "tent"))
        text = page(app)
        assert "Tent red bell tab end" in text
        assert "Line one line two line three tent" in text
        assert not any(ord(c) < 32 and c != "\n" for c in text)
        assert not set("\u202e\u202c\u200d\ufe0f") & set(text)
        widths = {strip.cell_length for strip in app.screen._compositor.render_strips()}
        assert widths == {160}


@pytest.mark.parametrize(
    "query", ["[/]", "[red]", "\x1b[31mred", "🦙 ⛺️", "؟ خيمة", "日本語", "'; drop", "%s {0}"]
)
async def test_hostile_queries_are_typed_and_answered(make_app, query: str) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.sides != ())
        app.post_message(events.Paste(query))
        await until(lambda: bool(app.compare.comparison))
        app.say(f"notice {query}")
        await pilot.pause()
        assert not any(ord(c) < 32 and c != "\n" for c in page(app))


async def test_a_huge_paste_is_cut_with_a_note(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await until(lambda: app.sides != ())
        app.post_message(events.Paste("tent \n" * 2_000_000))
        await until(lambda: len(app.compare.query_line.value) == LIMIT)
        await pilot.pause(0.2)
        assert "12,000,000 characters was cut" in " ".join(page(app).split())
        await until(lambda: app.compare.comparison is not None)


async def test_a_failing_search_says_so_where_the_results_are(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press(*"boom")
        await until(lambda: "The index cannot be read." in page(app))
        assert "Run `rankbench index`." in page(app)
        await pilot.press("backspace", "backspace", "backspace", "backspace", *"lamp")
        await until(answered(app, "lamp"))


async def test_an_unexpected_error_is_one_line(make_app) -> None:
    class Broken(StandIn):
        def compare(self, query: str, baseline: str, candidate: str, k: int = 20):
            raise ValueError("bad [/] thing")

    app = make_app(Broken())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("t")
        await until(lambda: "ValueError: bad [/] thing" in page(app))


@pytest.mark.parametrize(
    ("query", "said"), [("zzz", "bm25 found nothing"), ("zz", "neither side found anything")]
)
async def test_a_side_without_hits_is_named(make_app, tmp_path, query: str, said: str) -> None:
    root = workspace(tmp_path / "x", candidate="bm25", baseline="bm25" if query == "zz" else "base")
    app = make_app(root=root)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*query)
        await until(answered(app, query))
        await until(lambda: said in lines(app)[1])
        assert "RBO" not in lines(app)[1] and "the same" not in page(app)


async def test_help_opens_over_a_product(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"lamp")
        await until(answered(app, "lamp"))
        await pilot.press("down", "enter", "f1")
        await until(lambda: "anywhere" in page(app))
        await pilot.press("escape", "escape")
        assert app.screen is app.compare


async def test_a_side_is_picked_and_kept(make_app, ws) -> None:
    from engine.workspace import open_workspace

    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await until(lambda: app.sides != ())
        await pilot.press(*"lamp")
        await until(answered(app, "lamp"))
        await pilot.press("f3")
        await pilot.pause(0.05)
        assert "fresh-02" in page(app) and "not indexed: rankbench index" in page(app)
        await pilot.press("home", "enter")
        await until(lambda: app.compare.comparison.baseline.encoder == "bm25")
        await until(lambda: open_workspace(ws.root).settings.baseline == "bm25")


async def test_every_key_of_the_lists_has_a_palette_entry(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(100, 40)) as pilot:
        await until(lambda: app.judged != ())
        await pilot.press("ctrl+p")
        await pilot.press(*"right side: bm25")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await until(lambda: app.settings.candidate == "bm25")
        await pilot.press("ctrl+p")
        await pilot.press(*"garden hose")
        await pilot.pause(0.5)
        await pilot.press("down", "enter")
        await until(lambda: "garden hose" in app.compare.query_line.value)


async def test_the_key_line_takes_clicks(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        shown = lines(app)[-1]
        await pilot.click(app.compare.key_line, offset=(shown.index("F1"), 0))
        await until(lambda: "what is shown" in page(app) or "anywhere" in page(app))
        await pilot.press("escape")
        await pilot.click(app.compare.key_line, offset=(shown.index("lists"), 0))
        await pilot.pause()
        assert app.focused is app.compare.baseline


async def test_the_mouse_moves_the_cursor_and_opens(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press(*"lamp")
        await until(answered(app, "lamp"))
        await pilot.click(app.compare.candidate, offset=(10, 4))
        assert app.focused is app.compare.candidate and app.compare.candidate.cursor == 2
        app.compare.candidate.on_mouse_scroll_down(_wheel(app.compare.candidate))
        assert app.compare.candidate.top == 3
        await pilot.click(app.compare.candidate, offset=(10, 4), times=2)
        await until(lambda: app.screen is not app.compare)


def _wheel(widget: RankingList) -> events.MouseScrollDown:
    return events.MouseScrollDown(widget, 5, 5, 0, 0, 0, False, False, False)


@pytest.mark.parametrize(
    ("width", "said"), [(80, "trained or chosen on"), (60, "seen")], ids=("wide", "narrow")
)
async def test_a_query_that_a_side_knows_is_marked_in_any_width(make_app, width, said) -> None:
    app = make_app()
    async with app.run_test(size=(width, 24)) as pilot:
        await until(lambda: app.standing == ("base", "tuned-01"))
        await pilot.press(*"red canopy tent")
        await until(answered(app, "red canopy tent"))
        head = next(line for line in lines(app) if "tuned-01" in line and "base" in line)
        assert "unseen │" in head and head.rstrip().endswith(f" {said}")
