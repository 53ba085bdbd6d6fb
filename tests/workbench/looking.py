"""How tests look at the screen and wait for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from workbench.app import RankbenchApp


def lines(app: RankbenchApp) -> list[str]:
    """The rows of the screen as text."""
    return [strip.text for strip in app.screen._compositor.render_strips()]


def page(app: RankbenchApp) -> str:
    return "\n".join(lines(app))


async def until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    """Let the app run until `holds`; fail after `seconds`."""
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit, "the app never came to it"
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
