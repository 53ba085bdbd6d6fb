"""Present: the pages, the list and what becomes of it, the way to Compare and back."""

from __future__ import annotations

import re

import numpy as np
from looking import lines, page, prose, steps, until
from scipy.stats import nct, t
from stand_in import StandIn

from workbench.screens.present import PresentScreen


class Mixed(StandIn):
    """The right side does not know black, as the left one does not know blue: wins and harms."""

    def _rank(self, query: str, side: str) -> list[tuple[str, float]]:
        return super()._rank(query.replace("black", "ebony") if side == "tuned-01" else query, side)


async def opened(app, pilot) -> PresentScreen:
    await until(lambda: app.judged != ())
    await pilot.press("f9")
    screen = app.screen
    assert isinstance(screen, PresentScreen)
    await until(lambda: screen.conclusion is not None)
    return screen


def kept(app) -> list[str]:
    text = (app.workspace.root / "present.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


async def test_wins_and_harms_are_proposed_in_equal_number_and_only_unseen(make_app) -> None:
    app = make_app(Mixed())
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(app, pilot)
        result = app.evaluations.results[screen.key]
        rows = {row["query"]: row for row in result["per_query"]}
        queries = app.presenter.queries
        deltas = [rows[query]["delta"]["ndcg@10"] for query in queries]
        assert len(queries) >= 4 and not any(rows[query]["seen"] for query in queries)
        wins, harms = deltas[::2], deltas[1::2]
        assert len(wins) == len(harms)
        assert wins == sorted(wins, reverse=True) and wins[-1] > 0.01
        assert harms == sorted(harms) and harms[-1] < -0.01
        unseen = [row["delta"]["ndcg@10"] for row in rows.values() if not row["seen"]]
        assert wins[0] == max(unseen) and harms[0] == min(unseen)
        # Proposed only: nothing is on the disk until somebody changes it.
        assert not (app.workspace.root / "present.txt").exists()


async def test_space_shows_one_fact_at_a_time_and_left_goes_back(make_app) -> None:
    app = make_app(Mixed())
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        first = app.presenter.query
        assert "   ".join(" ".join(word) for word in first.split()) in page(app)
        assert "query 1 of" in page(app) and "1 of 4" in page(app)
        await pilot.press("space")
        await until(lambda: "base: its first 5" in page(app))
        assert "▲" not in page(app)
        await pilot.press("space")
        await until(lambda: "where base had them" in page(app))
        answer = app.presenter.answer(app.screen.key).comparison
        for hit in answer.candidate.hits[:5]:
            row = next(line for line in lines(app) if line.strip().startswith(f"{hit.rank}  "))
            moved = hit.movement
            mark = (
                "new"
                if moved is None
                else "="
                if not moved
                else f"▲{moved}"
                if moved > 0
                else f"▼{-moved}"
            )
            assert row.split()[1] == mark, row
        await pilot.press("space")
        before, after = (
            f"{side.measures['ndcg@10']:.3f}".removeprefix("0")
            for side in (answer.baseline, answer.candidate)
        )
        said = " ".join(page(app).split())
        assert f"NDCG@10 {before} with base, {after} with tuned-01 on this query: better by" in said
        judged = sum(hit.grade is not None for hit in answer.candidate.hits[:10])
        assert f"{judged} of 10 hits of tuned-01." in said
        await pilot.press("space")
        assert app.presenter.at == 1 and app.presenter.step == 0
        await pilot.press("left")
        assert app.presenter.query == first and "better by" in page(app)
        # The next one is a harm, and told in the same words.
        await pilot.press("down")
        await steps(app, pilot, 3)
        await until(lambda: "worse by" in page(app))


async def test_the_last_page_says_the_whole(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("end")
        rows = [r for r in app.evaluations.results[screen.key]["per_query"] if not r["seen"]]
        deltas = [row["delta"]["ndcg@10"] for row in rows]
        said = " ".join(page(app).split())
        assert "All unseen judged queries, not only those shown" in said
        assert f"over {len(rows)} judged queries of stand-in shop that neither side was" in said
        assert "95 % interval of the change" in said and f"n {len(rows)}" in said
        zero = screen.conclusion.delta.low <= 0 <= screen.conclusion.delta.high
        assert ("no difference is shown" in said) == zero
        assert f"{sum(d > 0.01 for d in deltas)} improved" in said
        assert f"{sum(d < -0.01 for d in deltas)} harmed" in said
        assert "best wins and worst harms of these: they are not typical." in said
        await pilot.press("space")
        assert app.presenter.at == len(app.presenter.queries)


async def test_too_few_queries_are_told_where_nothing_is_shown(make_app) -> None:
    app = make_app(Mixed())
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("end")
        rows = [r for r in app.evaluations.results[screen.key]["per_query"] if not r["seen"]]
        deltas = np.array([row["delta"]["ndcg@10"] for row in rows])
        # 80 % power, from scipy's own noncentral t: what the page says such a set sees.
        least = float(re.search(r"a true change of (\.\d+) four times", prose(app))[1])
        assert abs(deltas.mean()) < least and "zero is within it" in prose(app)
        assert f"{len(rows)} queries are too few to tell" in prose(app)
        freedom, shift = len(rows) - 1, least / (deltas.std(ddof=1) / len(rows) ** 0.5)
        power = nct.sf(t.ppf(0.975, freedom), freedom, shift)
        assert abs(power - 0.8) < 0.02
        assert len(app.screen.stage._lines) <= app.screen.stage.size.height


async def test_a_query_that_chose_a_side_is_not_said_to_have_trained_it(make_app, ws) -> None:
    (ws.root / "present.txt").write_text("red canopy tent\n")
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        await steps(app, pilot, 3)
        await until(lambda: "tuned-01 was trained or chosen on this query" in prose(app))


async def test_an_edit_that_cannot_be_kept_is_taken_back_and_no_success_is_told(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        before = app.presenter.queries
        await pilot.press("x")
        await until(lambda: kept(app) == list(before[1:]))
        app.clear_notifications()
        # A list is written beside first, which a directory of that name prevents.
        (app.workspace.root / "present.txt.tmp").mkdir()
        await pilot.press("x", "x")
        await until(lambda: any("Cannot write" in note.message for note in app._notifications))
        await until(lambda: app.presenter.queries == before[1:])
        assert not any("out of the presentation" in note.message for note in app._notifications)
        assert kept(app) == list(before[1:])
        (app.workspace.root / "present.txt.tmp").rmdir()
        await pilot.press("u")
        await until(lambda: not (app.workspace.root / "present.txt").exists())
        assert app.presenter.queries == before


async def test_changes_of_the_list_are_kept_at_once_and_undone(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        before = list(app.presenter.queries)
        await pilot.press("x")
        await until(lambda: (app.workspace.root / "present.txt").exists())
        assert kept(app) == before[1:] and list(app.presenter.queries) == before[1:]
        await pilot.press("shift+down")
        swapped = [before[2], before[1], *before[3:]]
        await until(lambda: kept(app) == swapped)
        assert app.presenter.at == 1 and app.presenter.query == before[1]
        await pilot.press("u")
        await until(lambda: kept(app) == before[1:])
        await pilot.press("u")
        await until(lambda: not (app.workspace.root / "present.txt").exists())
        assert list(app.presenter.queries) == before


async def test_a_written_list_is_presented_with_its_remarks_left_alone(make_app, ws) -> None:
    path = ws.root / "present.txt"
    path.write_text("# for Monday\nlamp\n\n  blue tent \n# the end\n", encoding="utf-8")
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        assert app.presenter.queries == ("lamp", "blue tent")
        await pilot.press("shift+down")
        await until(
            lambda: (
                "blue tent \nlamp" not in path.read_text()
                and "tent" in path.read_text().splitlines()[1]
            )
        )
        assert path.read_text().splitlines() == [
            "# for Monday",
            "  blue tent ",
            "",
            "lamp",
            "# the end",
        ]


async def test_p_adds_the_query_in_compare_and_in_queries(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await until(lambda: app.judged != ())
        await pilot.press(*"tent")
        await until(
            lambda: app.compare.comparison is not None and app.compare.comparison.query == "tent"
        )
        await pilot.press("down", "p")
        await until(lambda: (app.workspace.root / "present.txt").exists())
        assert kept(app) == ["tent"] and app.compare.query_line.value == "tent"
        await pilot.press("f2")
        await until(lambda: bool(app.screen.rows))
        chosen = app.screen.table.row.query
        await pilot.press("p", "p")
        await until(lambda: kept(app) == ["tent", chosen])


async def test_typing_at_any_moment_and_back_to_the_same_page(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        await pilot.press("down")
        await steps(app, pilot, 2)
        query = app.presenter.query
        # A stray letter changes nothing that the room sees.
        shown = lines(app)[:-2]
        await pilot.press("k", "5")
        assert lines(app)[:-2] == shown
        await pilot.press("slash")
        assert app.screen is app.compare and app.compare.query_line.value == query
        await pilot.press(*"tent")
        assert app.compare.query_line.value == "tent"
        await pilot.press("f9")
        assert isinstance(app.screen, PresentScreen)
        assert (app.presenter.query, app.presenter.step) == (query, 2)
        await until(lambda: "where base had them" in page(app))


async def test_the_clock(make_app) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        app.presenter.begun -= 754
        await until(lambda: "12:34" in lines(app)[-2] or "12:35" in lines(app)[-2])
        await pilot.press("t")
        assert "12:3" not in page(app)
        await pilot.press("t", "r")
        assert "00:00" in lines(app)[-2]


async def test_an_answer_that_fails_is_told_where_it_would_be(make_app, ws) -> None:
    (ws.root / "present.txt").write_text("boom lamp\nlamp\n")
    app = make_app(StandIn(fail_on="boom"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.judged != ())
        await pilot.press("f9", "space")
        await until(lambda: "The index cannot be read." in page(app))
        await pilot.press("down", "space")
        await until(lambda: "its first 5" in page(app))


async def test_a_list_that_cannot_be_read_is_never_written_over(make_app, ws) -> None:
    path = ws.root / "present.txt"
    path.write_bytes(b"caf\xe9\n")
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        await pilot.press("x")
        await until(lambda: any("not UTF-8" in note.message for note in app._notifications))
        app.clear_notifications()
        await pilot.press("x")
        await until(lambda: any("not UTF-8" in note.message for note in app._notifications))
        assert path.read_bytes() == b"caf\xe9\n"


async def test_without_judged_queries_it_says_how_to_begin(make_app) -> None:
    app = make_app(StandIn(queries=[]))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app._opened)
        await pilot.press("f9")
        assert "p adds one" in " ".join(page(app).split())


async def test_hostile_queries_and_titles_are_only_text(make_app, ws) -> None:
    (ws.root / "present.txt").write_text("[/] <script>alert(1)</script> \x1b[31mtent\n")
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.judged != ())
        await pilot.press("f9")
        for _ in range(5):
            assert "\x1b" not in page(app)
            await steps(app, pilot)
        await pilot.press("home")
        assert "[ / ]   < s c r i p t >" in page(app)


async def test_every_page_fits_the_smallest_and_a_wide_screen(make_app) -> None:
    for size in ((80, 24), (160, 50)):
        app = make_app()
        async with app.run_test(size=size) as pilot:
            await opened(app, pilot)
            for _ in range(9):
                assert all(len(line) <= size[0] for line in lines(app))
                assert len(app.screen.stage._lines) <= app.screen.stage.size.height
                await steps(app, pilot)
            await pilot.press("end")
            assert (
                "harmed" in page(app)
                and len(app.screen.stage._lines) <= app.screen.stage.size.height
            )
