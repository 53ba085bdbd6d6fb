"""What is shown where there is little room, and what a notice covers."""

from __future__ import annotations

import pytest
from looking import answered, lines, page, until


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (59, 20), (40, 10), (20, 5), (5, 2), (1, 1)])
async def test_every_size_paints(make_app, size: tuple[int, int]) -> None:
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await pilot.press(*"blue desk lamp")
        await until(lambda: bool(app.compare.comparison))
        await pilot.press("down", "right", "enter")
        await pilot.pause(0.1)
        await pilot.press("escape", "f1")
        await pilot.pause(0.05)
        await pilot.press("escape", "f2")
        await pilot.pause(0.1)
        await pilot.press("f4")
        await pilot.pause(0.1)
        assert len(lines(app)) == size[1]
        if size[0] >= 60:
            await pilot.press("escape", "escape")
            assert len(app.compare.visible_lists) == 2


async def test_f1_opens_at_the_section_of_the_screen(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        for keys, head in (
            ((), "anywhere"),
            (("escape",), "in the lists"),
            (("f2",), "in the queries"),
            (("f5",), "in Train"),
            (("f6",), "in Encoders"),
        ):
            await pilot.press(*keys, "f1")
            await until(lambda h=head: h in lines(app)[2], 10)
            await pilot.press("escape")


async def test_where_two_lists_do_not_fit_one_is_shown(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(50, 20)) as pilot:
        await pilot.press(*"lamp")
        await until(answered(app, "lamp"))
        assert app.compare.visible_lists == [app.compare.baseline]
        await pilot.press("down", "right")
        await pilot.pause()
        assert app.compare.visible_lists == [app.compare.candidate]
        assert "tuned-01" in lines(app)[3]


@pytest.mark.parametrize("clear", ["ctrl+u", "ctrl+w"])
async def test_the_start_of_a_short_query_is_shown_after_a_long_one(make_app, clear: str) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.sides != ())
        await pilot.press(*"lamp " * 30)
        await pilot.press(*[clear] * 30, *"red tent")
        await until(answered(app, "red tent"))
        assert lines(app)[0].startswith(" ❯ red tent ")


async def test_deleting_backwards_keeps_what_is_left_in_sight(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(60, 24)) as pilot:
        await until(lambda: app.sides != ())
        await pilot.press(*"lamp " * 30, *["backspace"] * 70)
        await pilot.pause()
        assert lines(app)[0].count("lamp") >= 10


async def test_nothing_that_matters_is_cut_in_80_columns(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"blue desk lamp")
        await until(answered(app, "blue desk lamp"))
        await pilot.pause()
        head, keys = lines(app)[4], lines(app)[-1]
        assert all(head.count(name) == 2 for name in ("MRR", "R@50", "judged", "ideal"))
        assert all(key in keys for key in ("Tab", "F1", "F2", "F5", "^P"))
        assert "RBO" in lines(app)[1] and "NDCG " in lines(app)[1] and "top 10" in lines(app)[2]
        await pilot.press("enter", "enter")
        await until(lambda: "F1 help" in page(app) and "Esc back" in page(app))


async def test_the_palettes_key_is_the_last_to_go(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(40, 24)) as pilot:
        await until(lambda: app.sides != ())
        await pilot.pause()
        keys = lines(app)[-1].rstrip()
        assert keys.endswith("F1 help  ^P more")
        await pilot.click(app.compare.key_line, offset=(keys.index("^P"), 0))
        await until(lambda: app.screen is not app.compare)


async def test_a_notice_takes_one_line_and_leaves_the_keys(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press(*"lamp")
        await until(answered(app, "lamp"))
        await until(lambda: "24 judged queries" in page(app))
        before = lines(app)
        app.say("fresh-02 is ready.")
        await until(lambda: "fresh-02 is ready." in page(app))
        changed = [n for n, line in enumerate(lines(app)) if line != before[n]]
        assert changed == [22] and "stand-in shop" in lines(app)[22]


async def test_no_notice_loses_its_last_word(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24), notifications=True):
        for length in (75, 76, 77, 78, 152, 153, 154):
            text = f"{length} {'to ' * 60}"[: length - 3] + "END"
            app.say(text, kind="length")
            await until(lambda n=length: f"{n} to" in page(app))
            assert "END" in page(app).replace("\n▌ ", ""), length
