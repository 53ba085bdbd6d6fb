"""The app on a stand-in comparer, and how to look at its screen."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from said import give, product
from stand_in import StandIn, workspace

from engine import supervise
from engine.records import Verdict
from engine.workspace import Workspace
from workbench.app import RankbenchApp
from workbench.messages import JobView


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return workspace(tmp_path / "shop")


class Watched(RankbenchApp):
    """The app, noting every frame in which the parts did not show one and the same answer."""

    torn: int = 0

    def post_display_hook(self) -> None:
        super().post_display_hook()
        if self.compare.is_mounted and self.screen is self.compare:
            parts = (self.compare.delta_line, *self.compare.lists)
            # On a busy machine the first frame may come before the lists are painted at all.
            shown = {part.painted for part in parts if part.painted}
            self.torn += len(shown) > 1


@pytest.fixture
def make_app(request: pytest.FixtureRequest) -> Iterator[Callable[..., Watched]]:
    """Makes the app on a stand-in (its own, or one that is given), and stops its threads."""
    made: list[Watched] = []

    def make(comparer: Any = None, *, root: Workspace | None = None, **options: Any) -> Watched:
        stand_in = comparer or StandIn()
        options.setdefault("find_jobs", list)
        root = root or request.getfixturevalue("ws")
        app = Watched(root, lambda: stand_in, **options)
        made.append(app)
        return app

    yield make
    for app in made:
        app.watcher.stop()
        app.judging.recorder.stop(0)
        app.searcher.stop(0)


@pytest.fixture
def flagged(tiny_workspace: Workspace, tiny_texts: dict[str, str]) -> Workspace:
    """The tiny shop with three verdicts on a train query and one on an unjudged one."""
    shop = tiny_texts
    give(
        tiny_workspace,
        Verdict("red sneaker", product(shop, "blue men sneaker classic"), "I", bad=True),
        Verdict("red sneaker", product(shop, "red men umbrella classic"), "I", bad=True),
        Verdict("red sneaker", product(shop, "red men sneaker classic"), "E"),
        Verdict(
            "nice umbrella", product(shop, "red men clock classic"), "I", bad=True, side="base"
        ),
    )
    return tiny_workspace


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What jobs were started with; none is."""
    seen: list[dict[str, Any]] = []

    def start(ws: Workspace, kind: str, params: dict[str, Any], **_: Any) -> Any:
        seen.append(dict(params))
        return JobView(f"{len(seen):04}", kind, "queued")

    monkeypatch.setattr(supervise, "start", start)
    return seen
