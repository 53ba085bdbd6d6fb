"""Indexing of one encoder in the background. Params: {"encoder": name}."""

from __future__ import annotations

import time
from typing import Any

from engine.jobs.context import Context
from engine.jobs.queue import wait_for_writer
from engine.state import State
from engine.training.outcome import Cancelled, check_stop
from engine.workspace import Workspace


def run(context: Context) -> dict[str, Any]:
    """Bring the encoder's build up to date; returns the last event's values."""
    name = context.text("encoder", "base")
    rows = index(context, name)
    return {"encoder": name, "rows": rows}


def index(context: Context, name: str) -> int:
    """Build the index of `name`, reporting rows as steps; returns the build's rows.

    Raises:
        Cancelled: the person asked for it; the message says what is kept and what answers.
    """
    from engine.index.build import build_index

    began = time.monotonic()
    told, at = 0.0, (0, 0)

    def progress(done: int, total: int) -> None:
        nonlocal told, at
        at = done, total
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

    try:
        wait_for_writer(context)
        return build_index(context.ws, name, progress, lock_timeout=120).build.rows
    except Cancelled:
        raise Cancelled(_cut_short(context.ws, name, *at)) from None


def _cut_short(ws: Workspace, name: str, done: int, total: int) -> str:
    """What a cancelled indexing leaves: whole batches are written, the one begun is lost."""
    from engine.index.store import BATCH

    state = State(ws.state_path)
    try:
        built = state.active_build(name) is not None
    finally:
        state.close()
    answers = f"the earlier index of {name} stays in use" if built else f"{name} has no index yet"
    if not done:
        return f"Cancelled before anything was encoded with {name}; {answers}."
    # The last word of a batch comes before it is written.
    kept = (done - 1) // BATCH * BATCH
    return (
        f"Cancelled with {done:,} of {total:,} products encoded; {answers}, and the next run "
        + (f"goes on after {kept:,} of them." if kept else "encodes them again.")
    )
