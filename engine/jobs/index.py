"""Indexing of one encoder in the background. Params: {"encoder": name}."""

from __future__ import annotations

import time
from typing import Any

from engine.jobs.context import Context
from engine.jobs.queue import wait_for_writer
from engine.training.outcome import check_stop


def run(context: Context) -> dict[str, Any]:
    """Bring the encoder's build up to date; returns the last event's values."""
    name = context.text("encoder", "base")
    rows = index(context, name)
    return {"encoder": name, "rows": rows}


def index(context: Context, name: str) -> int:
    """Build the index of `name`, reporting rows as steps; returns the build's rows.

    Raises:
        Cancelled: the person asked for it; rows encoded so far stay for the next run.
    """
    from engine.index.build import build_index

    wait_for_writer(context)
    began = time.monotonic()
    told = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal told
        check_stop(context.should_stop)
        now = time.monotonic()
        if done < total and now - told < 0.5:
            return
        told = now
        left = (now - began) / done * (total - done) if done else None
        context.events.emit(
            "progress",
            phase="indexing",
            step=done,
            steps=total,
            eta_s=None if left is None else round(left, 1),
        )

    return build_index(context.ws, name, progress, lock_timeout=120).build.rows
