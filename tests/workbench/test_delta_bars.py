"""The distribution in Queries: bars, the queries behind them, measures, both sizes."""

from __future__ import annotations

import time

import numpy as np
import pytest
from looking import lines, page, until
from stand_in import StandIn, judged_queries

from engine.catalog.queries import JudgedQuery
from workbench.messages import Evaluated
from workbench.screens.queries import QueriesScreen

SIDES = ("baseline", "candidate")


def result(changes: list[float], rbo: float | None = None) -> dict:
    """`eval` JSON of made-up changes, a third of the queries seen, lengths in turn."""
    return {
        "per_query": [
            {
                "query_id": f"q{n}",
                "query": f"query {'odd' if n % 2 else 'even'} {n}",
                "split": ("train", "dev", "test")[n % 3],
                "seen": n % 3 == 0,
                "rbo": 0.5,
                "derived": {"length": ("1", "2", "3-4")[n % 3], "negation": "plain"},
                "baseline": {"ndcg@10": 0.5},
                "candidate": {"ndcg@10": 0.5 + change, "judged@10": 0.9},
                "delta": {"ndcg@10": change, "rbo_ideal": rbo, "mrr@10": -change},
            }
            for n, change in enumerate(changes)
        ]
    }


async def opened(app, pilot, found: dict) -> QueriesScreen:
    await until(lambda: app.judged != ())
    await pilot.press("f2")
    screen = app.screen
    assert isinstance(screen, QueriesScreen)
    await until(lambda: bool(screen.rows))
    screen.show_evaluated(Evaluated(screen.key, found))
    await pilot.pause()
    return screen


CHANGES = [round(float(c), 4) for c in np.random.default_rng(4).normal(0.02, 0.08, 90)]


async def test_bars_stand_beside_the_table_and_count_every_query(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(app, pilot, result(CHANGES))
        await pilot.press("u", "u", "d")
        await pilot.pause()
        assert screen.bars.has_focus and screen.table.region.width > 60
        assert "m ndcg@10 Δ · n 90" in page(app)
        changes = np.array(CHANGES)
        better, worse = int((changes > 0.01).sum()), int((changes < -0.01).sum())
        counts = f"{better} improved, {90 - better - worse} within .01, {worse} harmed"
        assert counts in lines(app)[4]
        shown = [
            line[74:].split() for line in lines(app)[5:-1] if " to " in line or "= within" in line
        ]
        assert sum(int(words[-1]) for words in shown) == 90
        middle = next(words for words in shown if words[0] == "=")
        assert middle[:3] == ["=", "within", ".01"] and int(middle[-1]) == 90 - better - worse
        first = next(words for words in shown if words[0] != "›")
        assert first[0].startswith("-") and shown[-1][0].startswith("+")


async def test_enter_shows_the_queries_behind_a_bar_and_esc_all_again(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(app, pilot, result(CHANGES))
        await pilot.press("u", "u", "d", "down", "down", "enter")
        bar = screen.bars.picked
        behind = {f"q{n}" for n, c in enumerate(CHANGES) if bar.low <= c < bar.high}
        assert behind and {row.query_id for row in screen.table.rows} == behind
        assert screen.table.has_focus
        await pilot.pause()
        headline = lines(app)[:3]
        assert f"{len(behind)} of 90 · ndcg@10 -" in headline[2] and "Esc" in headline[2]
        # Of queries picked by their change a mean would say nothing: it is of all of them.
        assert "n 90" in headline[0]
        await pilot.press("tab")
        assert screen.bars.has_focus
        await pilot.press("escape")
        assert screen.bars.picked is None and len(screen.table.rows) == 90
        await pilot.press("escape")
        assert not screen.bars.display and screen.table.has_focus and app.screen is screen
        await pilot.press("escape")
        assert app.screen is app.compare


async def test_a_click_shows_the_queries_behind_a_bar(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(app, pilot, result(CHANGES))
        await pilot.press("u", "u", "d")
        await pilot.pause()
        place = next(n for n, bar in enumerate(screen.bars.found.bars) if bar.kind == "unchanged")
        await pilot.click(screen.bars, offset=(5, screen.bars.HEADER + place))
        assert {row.query_id for row in screen.table.rows} == {
            f"q{n}" for n, c in enumerate(CHANGES) if abs(c) <= 0.01
        }
        await pilot.click(screen.bars, offset=(5, 0))  # no bar is there
        assert screen.bars.picked.kind == "unchanged"


async def test_in_80_columns_bars_and_queries_take_turns(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot, result(CHANGES))
        await pilot.press("u", "u", "d")
        await pilot.pause()
        assert screen.bars.region.width == 80 and not screen.table.display
        assert len(screen.bars.found.bars) <= screen.bars.page_rows
        await pilot.press("down", "enter")
        await pilot.pause()
        assert screen.table.region.width == 80 and not screen.bars.display
        await pilot.press("d")
        assert screen.bars.has_focus and screen.bars.picked is None
        await pilot.press("enter", "escape")
        assert screen.bars.has_focus and screen.bars.display
        await pilot.resize_terminal(120, 40)
        await pilot.pause()
        assert screen.bars.display and screen.table.display
        await pilot.press("tab")
        assert screen.table.has_focus
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert screen.bars.has_focus and not screen.table.display
        await pilot.press("d")
        assert screen.table.has_focus and screen.table.display


async def test_the_bars_follow_the_filters_and_a_picked_one_stays(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(app, pilot, result(CHANGES))
        await pilot.press("d")
        unseen = [n for n in range(90) if n % 3]
        assert screen.bars.found.n == len(unseen)
        middle = next(bar for bar in screen.bars.found.bars if bar.kind == "unchanged")
        screen.bars.place(screen.bars.found.bars.index(middle))
        await pilot.press("enter", "slash", *"odd", "enter")
        wanted = {f"q{n}" for n in unseen if n % 2 and abs(CHANGES[n]) <= 0.01}
        assert wanted and {row.query_id for row in screen.table.rows} == wanted
        assert screen.bars.found.n == sum(n % 2 for n in unseen)
        assert screen.bars.picked.kind == "unchanged"
        await pilot.press("f")
        assert {row.split for row in screen.shown_rows()} == {"dev"}
        assert screen.bars.found.n == sum(n % 2 for n in unseen if n % 3 == 1)


async def test_m_goes_through_the_measures_that_there_are(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(app, pilot, result(CHANGES, rbo=0.3))
        await pilot.press("u", "u", "d", "m")
        assert screen.bars.measure == "rbo_ideal"
        assert screen.bars.found.count("improved") == 90
        await pilot.press("end", "enter", "m")
        assert (screen.bars.measure, screen.bars.picked) == ("mrr@10", None)
        assert screen.bars.found.count("harmed") == sum(c > 0.01 for c in CHANGES)
        await pilot.press("m")
        assert screen.bars.measure == "ndcg@10"
        screen.show_result(result(CHANGES))  # rbo_ideal undefined everywhere
        await pilot.press("m")
        assert screen.bars.measure == "mrr@10"


async def test_the_rows_and_the_line_above_are_of_the_measure_of_the_bars(make_app) -> None:
    found = result(CHANGES)
    for n, row in enumerate(found["per_query"]):
        before = (n * 37 % 60) / 100
        row["baseline"]["mrr@10"], row["candidate"]["mrr@10"] = before, before - CHANGES[n]
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(app, pilot, found)
        await pilot.press("u", "u", "s", "d", "m")
        assert screen.bars.measure == "mrr@10" and "m mrr@10 Δ · n 90" in page(app)
        rows = screen.table.rows
        assert [row.query_id for row in rows] == [
            f"q{n}" for n in sorted(range(90), key=lambda n: (-CHANGES[n], f"query {n}"))
        ]
        of = {row["query_id"]: row for row in found["per_query"]}
        await until(lambda: "improved" in lines(app)[1])
        top = lines(app)
        means = [np.mean([row[side]["mrr@10"] for row in of.values()]) for side in SIDES]
        assert top[0].split()[0] == "mrr@10" and "NDCG" not in top[0]
        for mean in means:
            assert f" {mean:.3f}".replace(" 0.", " .") in top[0]
        # The first row: what of the measure it had on each side, and its change.
        worst = of[rows[0].query_id]
        cells = [f"{worst[side]['mrr@10']:.3f}".replace("0.", ".", 1) for side in SIDES]
        assert all(cell in top[4][:74] for cell in cells) and f"-{max(CHANGES):.3f}"[2:] in top[4]
        assert screen.bars.found.count("harmed") == int(top[1].split(" harmed")[0].split()[-1])
        # It stays when the bars go, and m goes on without them.
        await pilot.press("d")
        assert lines(app)[0].split()[0] == "mrr@10" and not screen.bars.display
        await pilot.press("m")
        await pilot.pause()
        assert lines(app)[0].split()[0] == "NDCG@10"
        assert [row.change for row in screen.table.rows] == sorted(CHANGES)


async def test_only_the_list_that_keys_go_to_points_at_a_row(make_app) -> None:
    def pointed() -> list[int]:
        return [at for line in lines(app)[3:-1] for at, c in enumerate(line) if c == "›"]

    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(app, pilot, result(CHANGES))
        await pilot.press("d")
        await pilot.pause()
        assert pointed() == [screen.bars.region.x]
        await pilot.press("tab")
        await pilot.pause()
        assert pointed() == [screen.table.region.x]


async def test_b_chooses_the_column_and_t_its_value(make_app) -> None:
    traffic = ("head", "torso", "tail", "")
    found = result(CHANGES[:24])
    for n, row in enumerate(found["per_query"]):
        row["query_id"] = f"q{n:02}"
        row["derived"]["head"] = traffic[n % 4]
    app = make_app(StandIn(queries=judged_queries()))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot, found)
        await pilot.press("u", "u")
        assert screen.columns == ["stratum", "head", "length"]  # negation parts nothing
        await pilot.pause()
        assert "b stratum t all" in lines(app)[2]
        await pilot.press("b", "t")
        await pilot.pause()
        assert "6 of 24 queries" in lines(app)[2] and "b head t head" in lines(app)[2]
        await pilot.press("t")
        assert {row.columns["head"] for row in screen.table.rows} == {"torso"}
        await pilot.press("t", "t")
        assert screen.value == "" and len(screen.table.rows) == 24
        # In 80 columns what narrows the queries is said before what does not.
        await pilot.press("t", "d", "end", "enter")
        await pilot.pause()
        assert "Esc · b head t head" in lines(app)[2] and "1 of 24 ·" in lines(app)[2]
        await pilot.press("d", "d", "b")
        assert (screen.column, screen.value) == ("length", "")
        assert len(screen.table.rows) == 24


async def test_a_hostile_value_is_shown_short_and_inert(make_app) -> None:
    queries = [
        JudgedQuery(f"q{n}", f"query {n}", "test", {}, {"stratum": value})
        for n, value in enumerate(("[/] \x1b[31m" + "long " * 30, "plain"))
    ]
    app = make_app(StandIn(queries=queries))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot, result([0.1, -0.1]))
        await pilot.press("u", "u", "t")
        await pilot.pause()
        assert "b stratum t [/] long long lon… ·" in lines(app)[2]
        assert "1 of 2 queries" in lines(app)[2]


@pytest.mark.parametrize("size", [(40, 10), (5, 2)])
async def test_every_size_paints_the_bars(make_app, size: tuple[int, int]) -> None:
    app = make_app()
    async with app.run_test(size=size) as pilot:
        screen = await opened(app, pilot, result(CHANGES))
        await pilot.press("d", "end", "enter", "m", "m")
        await pilot.pause()
        assert len(lines(app)) == size[1] and screen.bars_open


async def test_five_thousand_queries_stay_quick_with_the_bars(make_app) -> None:
    changes = np.random.default_rng(5).normal(0, 0.1, 5000).clip(-0.5, 0.5).tolist()
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(app, pilot, result(changes))
        await pilot.press("d")
        steps = (screen.action_seen, screen.action_measure, screen.action_bar, screen.action_back)
        # Processor time of this thread: the machine may be busy with something else.
        started = time.thread_time()
        for action in steps:
            action()
            lines(app)
        assert time.thread_time() - started < len(steps) * 0.15


async def test_a_filter_that_takes_the_bar_away_gives_the_bars_their_place_back(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot, result([0.3, 0.0, 0.3, 0.0, 0.02, 0.02]))
        await pilot.press("u", "u", "d", "end", "enter")
        assert {row.query_id for row in screen.table.rows} == {"q0", "q2"}
        await pilot.press("f")  # dev: 0.0 and 0.02 alone
        await pilot.pause()
        assert screen.bars.picked is None and screen.bars.has_focus
        assert not screen.table.display and "m next measure" in lines(app)[-1]
        assert "Tab" not in lines(app)[-1]
        await pilot.press("d")
        await pilot.pause()
        assert "/ filter" in lines(app)[-1] and screen.table.has_focus
