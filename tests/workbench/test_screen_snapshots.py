"""Every screen as a picture: a change of one cell's text, colour or place fails.

The pictures are in `snapshots/`. `RANKBENCH_UPDATE_SNAPSHOTS=1` writes them anew; look at them
before committing.
"""

from __future__ import annotations

import difflib
import html
import os
import re
from pathlib import Path

import pytest
from looking import answered, page, until
from shelved import shelve, verdict
from stand_in import StandIn, workspace

from engine.encoders.card import Card, write_card
from engine.records import Verdict, Verdicts
from engine.workspace import Workspace
from workbench.app import RankbenchApp
from workbench.messages import JobView

SNAPSHOTS = Path(__file__).parent / "snapshots"
SIZES = ((80, 24), (120, 40))
LOOKS = ("dark", "light", "no-color")


def normalised(svg: str) -> str:
    """The picture without what differs from run to run, and without web fonts."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"terminal-\d+", "terminal", svg)
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def shown_text(svg: str) -> list[str]:
    found = re.findall(r"<text [^>]*>(.*?)</text>", svg, flags=re.DOTALL)
    return [html.unescape(text) for text in found]


def check(name: str, svg: str, failed_dir: Path) -> None:
    """Fail unless `svg` is the picture kept under `name`."""
    path = SNAPSHOTS / f"{name}.svg"
    found = normalised(svg)
    if os.environ.get("RANKBENCH_UPDATE_SNAPSHOTS") == "1":
        SNAPSHOTS.mkdir(exist_ok=True)
        path.write_text(found, encoding="utf-8")
        return
    assert path.is_file(), f"no picture {path.name}: RANKBENCH_UPDATE_SNAPSHOTS=1 writes it"
    kept = path.read_text(encoding="utf-8")
    if found != kept:
        actual = failed_dir / path.name
        actual.write_text(found, encoding="utf-8")
        lines = difflib.unified_diff(shown_text(kept), shown_text(found), "kept", "now", n=0)
        changed = "\n".join(lines) or "the text is the same: colours or places differ"
        pytest.fail(f"{path.name} changed; the new picture is {actual}\n{changed}")


@pytest.fixture(params=LOOKS)
def look(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if request.param == "no-color":
        monkeypatch.setenv("NO_COLOR", "1")
    return request.param


def make(make_app, tmp_path: Path, look: str) -> RankbenchApp:
    theme = "rankbench-light" if look == "light" else "rankbench-dark"
    return make_app(StandIn(fixed_ms=12.0), root=workspace(tmp_path / "pictures", theme=theme))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_compare(make_app, tmp_path: Path, look: str, size: tuple[int, int]) -> None:
    app = make(make_app, tmp_path, look)
    async with app.run_test(size=size) as pilot:
        await pilot.press(*"blue desk lamp")
        await until(answered(app, "blue desk lamp"))
        await until(lambda: "24 judged queries" in page(app))
        await pilot.press("down", "down", "down")
        await pilot.pause()
        check(f"compare-{look}-{size[0]}x{size[1]}", app.export_screenshot(), tmp_path)


async def test_verdicts(make_app, tmp_path: Path) -> None:
    root = workspace(tmp_path / "pictures", theme="rankbench-dark", judge="ann")
    app = make_app(StandIn(fixed_ms=12.0, records=root.records_path), root=root)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"blue desk lamp")
        await until(answered(app, "blue desk lamp"))
        await until(lambda: "24 judged queries" in page(app))
        await pilot.press("down", "x", "down", "down", "s", "down", "c")
        await until(lambda: "3 verdicts" in page(app))
        await until(lambda: app.compare.shown_number == app._number)
        await pilot.pause()
        check("verdicts-dark-80x24", app.export_screenshot(), tmp_path)


async def test_train(make_app, tmp_path: Path, tiny_workspace: Workspace) -> None:
    jobs = [
        JobView("0001", "train", "died", "flags-01", error="The process ended without a word."),
        JobView("0002", "train", "running", "flags-02", 30, 76, 0.83, 100, "training", score=0.412),
    ]
    with Verdicts(tiny_workspace.records_path) as verdicts:
        for query, product, grade in (
            ("red sneaker", "p003", "I"),
            ("red sneaker", "p000", "E"),
            ("blue lamp", "p010", "I"),
            ("nice pillow", "p011", "I"),
        ):
            verdicts.add([Verdict(query, product, grade, bad=grade == "I")], "ann")
    app = make_app(root=tiny_workspace, find_jobs=lambda: list(jobs))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.jobs != ())
        await pilot.press("f5")
        await until(lambda: app.screen.basket is not None, seconds=60)
        await pilot.press("down", "down")
        await pilot.pause()
        check("train-dark-80x24", app.export_screenshot(), tmp_path)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_queries(make_app, tmp_path: Path, look: str, size: tuple[int, int]) -> None:
    app = make(make_app, tmp_path, look)
    async with app.run_test(size=size) as pilot:
        await until(lambda: app.judged != () and app.sides != ())
        await pilot.press("f2")
        await until(lambda: "improved" in page(app))
        await pilot.press("down")
        await pilot.pause()
        check(f"queries-{look}-{size[0]}x{size[1]}", app.export_screenshot(), tmp_path)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_bars(make_app, tmp_path: Path, size: tuple[int, int]) -> None:
    app = make(make_app, tmp_path, "dark")
    async with app.run_test(size=size) as pilot:
        await until(lambda: app.judged != () and app.sides != ())
        await pilot.press("f2")
        await until(lambda: "improved" in page(app))
        await pilot.press("d", "down", "down")
        await pilot.pause()
        check(f"bars-dark-{size[0]}x{size[1]}", app.export_screenshot(), tmp_path)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_holes(make_app, tmp_path: Path, size: tuple[int, int]) -> None:
    root = workspace(tmp_path / "pictures", theme="rankbench-dark")
    app = make_app(StandIn(records=root.records_path), root=root)
    async with app.run_test(size=size) as pilot:
        await until(lambda: app.judged != () and app.standing == ("base", "tuned-01"))
        app.action_holes()
        await until(lambda: "holes left" in page(app))
        app.holes_screen()._replaced = 0.0
        await pilot.press("e", "i")
        await until(lambda: "2 of these" in page(app) and "E*" in page(app))
        left = len(app.holes_screen().rows.queue) - 2
        await until(lambda: f"{left} holes left" in page(app))
        check(f"holes-dark-{size[0]}x{size[1]}", app.export_screenshot(), tmp_path)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_encoders_and_the_page_of_a_run(
    make_app, tmp_path: Path, look: str, size: tuple[int, int]
) -> None:
    app = make(make_app, tmp_path, look)
    base = app.workspace.encoders_dir / "base"
    base.mkdir(parents=True)
    # The packaged one's size is not ours to keep.
    (base / "modules.json").write_text("[]")
    write_card(base, Card("base", base="all-MiniLM-L6-v2"))
    shelve(app.workspace, "tuned-01", verdict("tuned-01", queries=4))
    bad = verdict("tuned-02", "do not use this one", (-0.051, -0.08, -0.02))
    shelve(app.workspace, "tuned-02", bad, parents=("tuned-01", "base"))
    unsure = verdict("mine", "not shown safe", (0.0, -0.04, 0.03))
    shelve(app.workspace, "a-name-of-forty-letters-for-one-encoder", unsure, built=False)
    ages = ("tuned-01", "tuned-02", "a-name-of-forty-letters-for-one-encoder")
    for age, name in enumerate(ages):
        os.utime(app.workspace.encoders_dir / name, (age, age))
    async with app.run_test(size=size) as pilot:
        await until(lambda: app.sides != ())
        await pilot.press("f6")
        await until(lambda: len(app.screen.table.rows) == 4, seconds=20)
        await pilot.press("home", "down", "down")
        await until(lambda: "tuned-01 (flags) → " in page(app))
        await pilot.pause()
        where = f"{look}-{size[0]}x{size[1]}"
        check(f"encoders-{where}", app.export_screenshot(), tmp_path)
        await pilot.press("up", "enter")
        await until(lambda: app.screen._titles != {})
        await pilot.pause()
        check(f"run-{where}", app.export_screenshot(), tmp_path)


@pytest.mark.parametrize(
    ("old", "new"), [("lamp", "lemp"), (' y="', ' y="1'), ("fill: #", "fill: #0")]
)
def test_a_changed_picture_fails(tmp_path: Path, old: str, new: str, monkeypatch) -> None:
    monkeypatch.delenv("RANKBENCH_UPDATE_SNAPSHOTS", raising=False)
    kept = (SNAPSHOTS / "compare-dark-80x24.svg").read_text(encoding="utf-8")
    assert old in kept
    check("compare-dark-80x24", kept, tmp_path)
    with pytest.raises(pytest.fail.Exception, match="changed"):
        check("compare-dark-80x24", kept.replace(old, new, 1), tmp_path)


@pytest.mark.parametrize("size", ((80, 24), (160, 50)), ids=lambda size: f"{size[0]}x{size[1]}")
async def test_present(make_app, tmp_path: Path, size: tuple[int, int]) -> None:
    app = make(make_app, tmp_path, "dark")
    (app.workspace.root / "present.txt").write_text("blue desk lamp\nred canopy tent\n")
    async with app.run_test(size=size) as pilot:
        await until(lambda: app.judged != ())
        await pilot.press("f9", "t")
        await until(lambda: app.screen.conclusion is not None)
        pages = (("right", "where base had them"), ("numbers", "Judged:"), ("whole", "harmed"))
        await pilot.press("space")
        for name, says in pages:
            await pilot.press("end" if name == "whole" else "space")
            await until(lambda says=says: says in page(app))
            await pilot.pause()
            check(f"present-{name}-{size[0]}x{size[1]}", app.export_screenshot(), tmp_path)
