"""How tests look at the screen and wait for it."""

from __future__ import annotations

import asyncio
import faulthandler
import time
from collections.abc import Callable
from typing import Any

import pytest

from workbench.app import RankbenchApp


def lines(app: RankbenchApp) -> list[str]:
    """The rows of the screen as text."""
    return [strip.text for strip in app.screen._compositor.render_strips()]


def page(app: RankbenchApp) -> str:
    return "\n".join(lines(app))


async def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Let the app run until `holds`; fail after `seconds`."""
    limit = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > limit:
            # Captured with the failure: what every thread was at.
            faulthandler.dump_traceback(2, all_threads=True)
            pytest.fail("the app never came to it")
        await asyncio.sleep(0.01)


def answered(app: RankbenchApp, query: str) -> Callable[[], bool]:
    """Whether the answer to `query` is on the screen."""

    def holds() -> bool:
        shown = app.compare.comparison
        return (
            shown is not None
            and shown.query == query
            and not app.compare.is_saved
            and app.compare.is_painted(app.compare.shown_number)
        )

    return holds


def prose(app: RankbenchApp) -> str:
    """The page without its line breaks."""
    return " ".join(page(app).split())


async def steps(app: RankbenchApp, pilot: Any, times: int = 1) -> None:
    """Press Space in Present, each time once the page is there."""
    for _ in range(times):
        await until(lambda: "Both sides are answering." not in page(app))
        await pilot.press("space")
    await until(lambda: "Both sides are answering." not in page(app))
