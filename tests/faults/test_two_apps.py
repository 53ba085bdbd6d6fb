"""Two apps and a command line on one workspace: nothing is lost, and all see what is new."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from breaking import NAME, QUERY, SETTINGS, over, rankbench, slow, train, until
from killed_runs import Whole, copy
from terminal import DOWN, Terminal

from engine.records import Verdict, Verdicts
from engine.workspace import Workspace


def kept_of(ws: Workspace) -> list[Verdict]:
    with Verdicts(ws.records_path) as verdicts:
        return verdicts.kept()


@pytest.fixture
def apps(ws: Workspace) -> Iterator[tuple[Terminal, Terminal]]:
    pair = Terminal(ws.root), Terminal(ws.root)
    yield pair
    for app in pair:
        app.close()


def test_verdicts_from_all_are_kept_and_a_new_encoder_is_seen_by_all(
    ws: Workspace, apps: tuple[Terminal, Terminal]
) -> None:
    for app in apps:
        app.until(lambda app=app: "judged queries" in app.page)
        app.press(QUERY)
        app.until(lambda app=app: " tent " in app.lines[8] and "top 10" in app.page)
        app.press(DOWN)
    given = 8
    command = [sys.executable, "-m", "workbench", "flag", QUERY, "p100", "x", "-w", ws.root]
    flags = []
    for _ in range(given):
        for app, key in zip(apps, "ex", strict=True):
            app.press(key + DOWN)
        flags = flags or [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    assert [flag.wait(60) for flag in flags] == [0, 0]
    until(lambda: len(kept_of(ws)) == 2 * given + 2)
    kept = kept_of(ws)
    standing = len({v.product_id for v in kept})
    for app in apps:
        app.until(lambda app=app: f"{standing} verdicts" in app.page)
    assert [len([v for v in kept if v.grade == g and v.side]) for g in "EI"] == [given, given]
    assert len([v for v in kept if v.product_id == "p100" and not v.side]) == 2

    job = train(ws, set=[*SETTINGS, "epochs=1"])
    ended = over(ws, job.id)
    assert ended.state == "done", (job.path / "log").read_text()
    for app in apps:
        app.until(lambda app=app: f"{NAME} is ready" in app.page or f" {NAME} " in app.lines[3])
        app.press("/")
        # An empty choice on the right is the newest tuned encoder.
        app.until(lambda app=app: NAME in app.lines[3].partition("│")[2])


def test_of_two_writers_one_writes_and_the_other_is_told(ws: Workspace) -> None:
    command = [sys.executable, "-m", "workbench", "index", "--rebuild", "-w", ws.root]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    writers = [subprocess.Popen(command, **pipes) for _ in range(3)]
    said = [writer.communicate() for writer in writers]
    codes = [writer.returncode for writer in writers]
    assert 0 in codes
    for code, (_, err) in zip(codes, said, strict=True):
        assert code == 0 or "Another process is writing the index" in err, err
        assert "Traceback" not in err
    shown = json.loads(rankbench("search", QUERY, "--json", "-w", ws.root).out)
    assert shown["baseline"]["encoder"] == "base" and shown["baseline"]["hits"]


@slow
def test_an_encoder_removed_under_an_app_leaves_it_answering(whole: Whole, tmp_path: Path) -> None:
    ws = copy(whole.ws, tmp_path / "shop")
    app = Terminal(ws.root)

    def right() -> str:
        return app.lines[3].partition("│")[2]

    try:
        app.until(lambda: "judged queries" in app.page)
        app.press(QUERY)
        app.until(lambda: NAME in right() and "RBO" in app.page)
        said = rankbench("encoders", "--remove", NAME, "-w", ws.root)
        assert said.code == 0, said.err
        # Nobody chose it by name: without it, what answers by default does.
        app.until(lambda: "bm25" in right() and NAME not in right())
        app.press(" peg")
        app.until(lambda: "peg" in app.lines[5] + app.lines[6] and "RBO" in app.page)
        app.look(2)
        assert "bm25" in right() and NAME not in right()
        assert app.process.poll() is None and "Traceback" not in app.page
    finally:
        app.close()
