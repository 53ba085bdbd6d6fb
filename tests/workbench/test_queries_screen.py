"""Queries: deltas in the background, sorting, filters, the headline, opening one."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
from looking import answered, lines, page, until
from stand_in import StandIn, judged_queries

from engine.catalog.queries import JudgedQuery
from engine.evaluation.intervals import paired_delta
from workbench.screens.queries import QueriesScreen
from workbench.widgets.headline import Headline, Summary
from workbench.widgets.query_table import QueryRow, in_order

SIDES = ("left", "right")


async def test_the_worst_regressions_are_on_top_and_the_headline_is_of_unseen(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await until(lambda: app.judged != ())
        await pilot.press("f2")
        screen = app.screen
        assert isinstance(screen, QueriesScreen)
        await until(lambda: bool(screen.rows) and "improved" in page(app))
        changes = [row.change for row in screen.table.rows]
        assert changes == sorted(changes) and changes[0] < 0 < changes[-1]
        assert not any(row.seen for row in screen.table.rows)
        top = lines(app)
        assert "NDCG@10" in top[0] and "[" in top[0] and "n 18" in top[0]
        assert "18 of 24 queries" in top[2] and "u unseen" in top[2]


async def test_filters_and_sorting(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await until(lambda: app.judged != ())
        await pilot.press("f2")
        screen = app.screen
        await until(lambda: bool(screen.rows))
        await pilot.press("u")
        assert {row.seen for row in screen.table.rows} == {True}
        await pilot.press("u", "f")
        assert {row.split for row in screen.table.rows} == {"dev"}
        await pilot.press("f", "f", "f", "t")
        assert {row.columns["stratum"] for row in screen.table.rows} == {"met"}
        await pilot.press("t", "t", "s")
        queries = [row.query for row in screen.table.rows]
        assert len(queries) == 24 and queries == sorted(queries)
        await pilot.press("r")
        assert [row.query for row in screen.table.rows] == sorted(queries, reverse=True)
        await pilot.click(screen.table, offset=(3, 0))
        assert [row.query for row in screen.table.rows] == queries


async def test_the_keys_step_only_over_what_has_rows(make_app) -> None:
    queries = [
        replace(query, columns={"stratum": "rare" if query.split == "train" else "met"})
        for query in judged_queries()
    ]
    app = make_app(StandIn(queries=queries))
    async with app.run_test(size=(100, 30)) as pilot:
        await until(lambda: app.judged != ())
        await pilot.press("f2")
        screen = app.screen
        await until(lambda: bool(screen.rows))
        stepped = []
        for _ in range(3):  # what the right side was trained on is hidden
            await pilot.press("f")
            stepped.append(screen.split)
            assert screen.table.rows
        assert stepped == ["dev", "test", ""]
        await pilot.press("b", "t")
        assert (screen.column, screen.value) == ("stratum", "met") and screen.table.rows
        await pilot.press("t")
        assert screen.value == ""
        await pilot.press("u", "u", "t", "t")
        assert screen.value == "rare" and {row.split for row in screen.table.rows} == {"train"}
        await pilot.press("f")
        assert screen.split == "train"


async def test_judged_is_of_both_sides_at_80_columns_and_sorts_by_the_lower(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.judged != ())
        await pilot.press("f2")
        screen = app.screen
        await until(lambda: bool(screen.rows))
        per_query = app.evaluations.results[screen.key]["per_query"]
        for n, row in enumerate(per_query):
            row["baseline"]["judged@10"], row["candidate"]["judged@10"] = n / 30, 1 - n / 60
        screen.show_result(app.evaluations.results[screen.key])
        await pilot.click(screen.table, offset=(76, 0))
        await pilot.pause()
        assert lines(app)[3].rstrip().endswith("judged▾")
        lower = [min(n / 30, 1 - n / 60) for n, row in enumerate(per_query) if not row["seen"]]
        assert [row.judged for row in screen.table.rows] == sorted(lower, reverse=True)
        first = per_query[int(screen.table.rows[0].query_id[1:])]
        shares = [f"{first[side]['judged@10']:.2f}" for side in ("baseline", "candidate")]
        assert lines(app)[4].rstrip().endswith("→".join(s.removeprefix("0") for s in shares))


async def test_words_narrow_the_queries_as_they_are_typed(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.judged != ())
        await pilot.press("f2")
        screen = app.screen
        await until(lambda: bool(screen.rows) and "improved" in page(app))
        assert "u unseen only" in lines(app)[2] and "/ filter" in lines(app)[-1]
        await pilot.press("slash", *"LAMP r")
        shown = [row.query for row in screen.table.rows]
        assert shown and all("lamp" in query and "r" in query for query in shown)
        await until(lambda: f"{len(shown)} of 24 queries" in lines(app)[2])
        assert "/ LAMP r" in lines(app)[3]
        await pilot.press("enter", "u")
        assert screen.table.has_focus and "LAMP r" in lines(app)[3]
        assert {row.seen for row in screen.table.rows} <= {True}
        await pilot.press("u", "escape")
        assert app.screen is screen and len(screen.table.rows) == 24
        assert "LAMP" not in page(app)
        await pilot.press("escape")
        assert app.screen is app.compare


async def test_esc_in_the_filter_clears_it_and_returns_to_the_rows(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await until(lambda: app.judged != ())
        await pilot.press("f2")
        screen = app.screen
        await until(lambda: bool(screen.rows))
        await pilot.press("slash", *"no such query")
        await until(lambda: "No query passes these filters." in page(app))
        await pilot.press("escape")
        await pilot.pause()
        assert screen.table.has_focus and len(screen.table.rows) == 18
        await pilot.press("slash", *"tent", "down", "down")
        assert screen.table.has_focus and screen.table.cursor == 1


async def test_intervals_of_rows_no_longer_shown_are_not_computed(make_app, monkeypatch) -> None:
    from engine.evaluation import intervals

    computed: list[int] = []
    real = intervals.paired_delta

    def counted(left, right, **options):
        computed.append(len(left))
        return real(left, right, **options)

    monkeypatch.setattr(intervals, "paired_delta", counted)
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await until(lambda: app.judged != ())
        await pilot.press("f2")
        await until(lambda: bool(computed) and "improved" in page(app))
        computed.clear()
        hold = threading.Event()
        app.searcher.ask(lambda _: hold.wait(5) and None)
        await pilot.press("slash", *"desk lamp")
        hold.set()
        await until(lambda: bool(computed) and "improved" in page(app))
        assert len(computed) == 1


async def test_enter_opens_the_query_in_compare(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await until(lambda: app.judged != ())
        await pilot.press("f2")
        screen = app.screen
        await until(lambda: bool(screen.rows))
        await pilot.press("down", "enter")
        await until(answered(app, screen.table.rows[1].query))
        assert app.screen is app.compare


class Endless(StandIn):
    """Evaluates until it is abandoned, unless the candidate is bm25."""

    def evaluate(self, baseline, candidate, candidates="catalog", split="all", progress=None):
        while candidate != "bm25":
            progress(1, 24)
            time.sleep(0.005)
        return super().evaluate(baseline, candidate, candidates, split, progress)


async def test_typing_is_answered_while_the_query_set_is_evaluated(make_app) -> None:
    app = make_app(Endless())
    async with app.run_test(size=(100, 30)) as pilot:
        await until(lambda: app.judged != ())
        await pilot.press("f2")
        await until(lambda: "evaluating: 1 of 24 queries" in page(app))
        await pilot.press("f2", *"lamp")
        await until(answered(app, "lamp"))
        assert not app.evaluations.results


async def test_an_evaluation_of_other_sides_is_abandoned(make_app) -> None:
    app = make_app(Endless())
    async with app.run_test(size=(100, 30)) as pilot:
        await until(lambda: app.judged != ())
        await pilot.press("f2")
        await until(lambda: "evaluating: 1 of 24 queries" in page(app))
        app.choose_side("candidate", "bm25")
        await until(lambda: bool(app.evaluations.results), seconds=10)
        assert [key.candidate for key in app.evaluations.results] == ["bm25"]
        assert "bm25" in lines(app)[0]


async def test_without_judged_queries_it_says_what_to_do(make_app) -> None:
    app = make_app(StandIn(queries=[]))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.sides != ())
        await pilot.press("f2")
        await pilot.pause()
        assert "No judged queries yet." in page(app)
        assert "rankbench import judgments FILE" in page(app)


async def test_an_evaluation_that_fails_says_so(make_app) -> None:
    hold = threading.Event()

    class Broken(StandIn):
        def evaluate(self, *sides: str, **options: object) -> None:
            hold.set()
            raise OSError("disk [/] gone")

    app = make_app(Broken())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.judged != ())
        await pilot.press("f2")
        await until(lambda: "OSError: disk [/] gone" in page(app))


def test_rows_without_a_value_come_last_either_way() -> None:
    rows = [
        QueryRow(str(n), f"q{n}", "", False, {}, None, {}, {}, {"ndcg@10": change})
        for n, change in enumerate((0.1, None, -0.2))
    ]
    assert [row.change for row in in_order(rows, "change", False)] == [-0.2, 0.1, None]
    assert [row.change for row in in_order(rows, "change", True)] == [0.1, -0.2, None]


async def test_five_thousand_rows_stay_quick(make_app) -> None:
    queries = [JudgedQuery(f"q{n}", f"query number {n}", "test", {}) for n in range(5000)]
    app = make_app(Endless(queries=queries))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: len(app.judged) == 5000)
        await pilot.press("f2")
        screen = app.screen
        measures = {"ndcg@10": 0.5, "judged@10": 0.9}
        result = {
            "per_query": [
                {
                    "query_id": query.query_id,
                    "query": query.query,
                    "split": "test",
                    "seen": False,
                    "rbo": 0.5,
                    "baseline": measures,
                    "candidate": measures,
                    "delta": {"ndcg@10": (n % 100) / 100 - 0.5},
                }
                for n, query in enumerate(queries)
            ]
        }
        screen.show_result(result)
        await pilot.press("end")
        assert "query number" in lines(app)[-2]
        # Processor time of this thread: the machine may be busy with something else.
        started = time.thread_time()
        for action in (screen.action_sort, screen.action_turn, screen.action_split):
            action()
            lines(app)
        assert time.thread_time() - started < 3 * 0.15
        assert screen.table.row_count() == 5000


def differences(mean: float) -> np.ndarray:
    """30 of them that spread by .09."""
    values = np.random.default_rng(3).normal(0, 0.09, 30)
    return values - values.mean() + mean


def headline(names: tuple[str, str], mean: float, excluded: int = 0) -> list[str]:
    """The first two lines over 30 queries of `differences`, in 78 cells."""
    delta = paired_delta(np.zeros(30), differences(mean))
    shown = Headline()
    shown.summary = Summary(names, (0.5, 0.5 + mean), 30, delta, excluded)
    groups = (shown._mean(78), shown._counts(78))
    return [" · ".join("".join(text for _, text in group) for group in line) for line in groups]


def test_the_headline_says_what_so_many_queries_can_show() -> None:
    first, second = headline(("base", "flags-01"), 0.01, excluded=3)
    assert first.endswith(" · n 30 sees ±.055") and len(first) <= 78
    assert "too few to tell" in second and "3 left out" in second and len(second) <= 78
    first, second = headline(("base", "flags-01"), 0.1, excluded=3)
    assert "too few" not in second and second.endswith("3 without a gain left out")
    first, second = headline(("hybrid:flags-01", "hybrid:infonce-01"), 0.01)
    assert first.endswith(" · n 30") and "too few to tell" in second


def test_the_headline_says_where_an_interval_all_but_touches_zero() -> None:
    # The interval moves with the mean: put its lower end just past zero.
    width = 0.1 - paired_delta(np.zeros(30), differences(0.1)).low
    first, second = headline(("base", "flags-01"), width + 0.0003, excluded=3)
    assert "[+.0003, +" in first and len(first) <= 78
    assert "hardly outside 0" in second and "too few" not in second and len(second) <= 78
    first, second = headline(("base", "flags-01"), -width - 0.0003)
    assert ", -.0003]" in first and "hardly outside 0" in second
    assert "hardly" not in headline(("base", "flags-01"), width + 0.001)[1]
    assert "hardly" not in headline(("base", "flags-01"), width - 0.001)[1]


async def test_by_traffic_where_queries_have_weights_and_nothing_where_none_has(make_app) -> None:
    weights = {f"q{n:02}": 1000 / (n + 1) for n in range(20)}
    queries = [
        replace(query, columns={**query.columns, "weight": str(weights[query.query_id])})
        if query.query_id in weights
        else query
        for query in judged_queries()
    ]
    app = make_app(StandIn(queries=queries))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.judged != ())
        await pilot.press("f2")
        await until(lambda: "by traffic ." in page(app))
        shown = [row for row in app.screen.table.rows if row.query_id in weights]
        of = [weights[row.query_id] for row in shown]
        left, right = (np.average([getattr(row, s) for row in shown], weights=of) for s in SIDES)
        effective = sum(of) ** 2 / sum(weight**2 for weight in of)
        line = lines(app)[1]
        assert f"by traffic {left:.3f} → {right:.3f} ".replace(" 0.", " .") in line
        assert f"{right - left:+.3f} [".replace("+0.", "+.").replace("-0.", "-.") in line
        assert f"n {len(shown)}, effective {effective:.1f}" in line and len(shown) < 18
        assert "NDCG@10" in lines(app)[0] and "18 of 24 queries" in lines(app)[3]
        await pilot.press("slash", *"no such query")
        await until(lambda: "No query passes these filters." in page(app))
        assert "traffic" not in page(app) and "0 of 24 queries" in lines(app)[3]
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.judged != ())
        await pilot.press("f2")
        await until(lambda: "improved" in lines(app)[1])
        assert "traffic" not in page(app) and "18 of 24 queries" in lines(app)[2]
