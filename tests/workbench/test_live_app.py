"""The app on the engine itself: a tiny shop with a real encoder and LanceDB."""

from __future__ import annotations

from looking import answered, lines, page, until

from engine.index.build import build_index
from engine.workspace import Workspace
from workbench.app import RankbenchApp


async def test_an_encoder_takes_over_from_bm25_and_the_query_set_is_measured(
    tiny_workspace: Workspace,
) -> None:
    build_index(tiny_workspace, "base")
    app = RankbenchApp(tiny_workspace)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press(*"red tent")
        await until(lambda: answered(app, "red tent")(), seconds=60)
        await until(lambda: app.compare.comparison.baseline.encoder == "base", seconds=60)
        await pilot.pause()
        assert "base" in lines(app)[3] and "bm25" in lines(app)[3]
        assert app.compare.comparison.judged > 0
        await pilot.press("down", "enter")
        await until(lambda: "product id p" in page(app), seconds=20)
        await pilot.press("escape", "f2")
        await until(lambda: "improved" in page(app), seconds=60)
        assert len(app.screen.rows) == 40
        assert {row.columns["stratum"] for row in app.screen.rows} == {"even", "odd"}
        await pilot.press("h")
        await until(lambda: " left · judged@10" in lines(app)[1], seconds=20)
        left = len(app.screen.rows.queue)
        await pilot.pause(0.4)
        await pilot.press("i")
        await until(lambda: f"{left - 1} hole" in lines(app)[1], seconds=20)
        assert lines(app)[4][1:3] == "I*"


async def test_without_an_index_bm25_answers_and_the_command_is_told(
    tiny_workspace: Workspace,
) -> None:
    app = RankbenchApp(tiny_workspace)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press(*"red tent")
        await until(answered(app, "red tent"), seconds=60)
        await until(lambda: "rankbench index --encoder base" in page(app), seconds=20)
        assert "bm25 for base" in lines(app)[3]
        build_index(tiny_workspace, "base")
        await pilot.press("f3")
        await until(lambda: app.compare.comparison.baseline.encoder == "base", seconds=60)
