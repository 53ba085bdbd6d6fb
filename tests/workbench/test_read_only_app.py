"""A read-only session: every key that writes is refused, and the directory stays as it was."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from looking import answered, page, until

from engine.errors import RankbenchError
from engine.index.build import build_index
from engine.records import Verdicts
from engine.workspace import READ_ONLY, Workspace, open_workspace
from workbench.app import RankbenchApp


def content(root: Path) -> dict[str, str]:
    """Path -> SHA-256 of every file, and every directory; SQLite's own two beside an open file."""
    found = {}
    for path in sorted(root.rglob("*")):
        if not path.name.endswith(("-wal", "-shm")):
            name = str(path.relative_to(root))
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return found


async def refused(app: RankbenchApp, pilot, *keys: str) -> None:
    """Press `keys`; the app must answer that it is read-only."""
    app.clear_notifications()
    await pilot.press(*keys)
    await until(lambda: [n.message for n in app._notifications] == [READ_ONLY])


async def test_nothing_is_written_whatever_is_pressed(flagged: Workspace) -> None:
    build_index(flagged, "base")
    flagged.cache_dir.mkdir(exist_ok=True)
    before = content(flagged.root)
    app = RankbenchApp(open_workspace(flagged.root), read_only=True)
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        await pilot.press(*"red tent")
        await until(lambda: answered(app, "red tent")(), seconds=60)
        await until(lambda: app.compare.comparison.baseline.encoder == "base", seconds=60)
        await until(lambda: " read-only " in page(app))
        await pilot.press("down")
        for key in ("e", "s", "c", "i", "x", "n", "u", "U", "p"):
            await refused(app, pilot, key)
        assert not any(hit.verdict for hit in app.compare.comparison.baseline.hits)
        await pilot.press("enter")
        await until(lambda: "nearest" in page(app) and "cosine" in page(app), seconds=20)
        await pilot.press("escape")
        app.theme = "rankbench-light"
        app.choose_side("candidate", "hybrid:base")
        await until(lambda: app.compare.comparison.candidate.encoder == "hybrid:base", seconds=20)
        await pilot.press("f5")
        await until(lambda: app.screen.basket is not None or app.screen.trouble, seconds=60)
        for key in ("t", "enter"):
            await refused(app, pilot, key)
        await pilot.press("f6")
        await until(lambda: bool(app.screen.table.rows), seconds=20)
        for key in ("t", "d", "w", "v"):
            await refused(app, pilot, key)
        await pilot.press("f9")
        await until(lambda: app.screen.conclusion is not None, seconds=60)
        assert "read-only" in page(app)
        for key in ("x", "d", "u", "shift+down"):
            await refused(app, pilot, key)
        # Long enough for what is kept when the person pauses.
        app._keep_comparison()
    assert content(flagged.root) == before


async def test_the_same_keys_write_where_writing_is_allowed(flagged: Workspace) -> None:
    """So that the test above cannot pass because its keys do nothing."""
    build_index(flagged, "base")
    before = content(flagged.root)
    app = RankbenchApp(open_workspace(flagged.root))
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        await pilot.press(*"red tent")
        await until(lambda: answered(app, "red tent")(), seconds=60)
        await pilot.press("down", "x", "p")
        await until(lambda: app.compare.comparison.baseline.hits[0].verdict == "flagged")
        await until(lambda: (flagged.root / "present.txt").exists())
        app.theme = "rankbench-light"
    after = content(flagged.root)
    changed = {name for name in after if after[name] != before.get(name)}
    assert {"present.txt", "workspace.toml", "cache/last-comparison.json"} <= changed
    with Verdicts(flagged.records_path) as verdicts:
        assert len(verdicts.standing()) == 5


def test_the_engine_refuses_a_read_only_workspace(flagged: Workspace) -> None:
    from dataclasses import replace

    from engine import supervise

    ws = replace(flagged, read_only=True)
    before = content(ws.root)
    for act in (
        lambda: ws.save(ws.settings),
        lambda: build_index(ws, "base"),
        lambda: supervise.start(ws, "index", {"encoder": "base"}),
    ):
        with pytest.raises(RankbenchError, match="read-only"):
            act()
    assert content(ws.root) == before


async def test_databases_that_are_not_there_are_not_made(make_app, ws) -> None:
    app = make_app(read_only=True)
    before = content(ws.root)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.judged != ())
        await pilot.press(*"lamp", "down", "e")
        await pilot.press("f6")
        await until(lambda: "Reading" not in page(app))
    assert content(ws.root) == before
