"""Folds on several devices at once: a process for each, fed from one list."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from typing import Any

from engine.experiments.fold import Setting, run_fold
from engine.experiments.store import Store
from engine.training.outcome import Report, ShouldStop, check_stop

_LOOK_S = 0.2
_mine: dict[str, Any] = {}
"""What a worker process was given when it started."""


def run_on(
    devices: Sequence[str | None],
    setting: Setting,
    store: Store,
    todo: Sequence[tuple[int, int]],
    total: int,
    report: Report,
    stop: ShouldStop,
) -> None:
    """Run every (seed, fold) of `todo`, one at a time on each device.

    Args:
        total: runs of the whole experiment, for the progress.

    Raises:
        Cancelled: `stop` said so; folds that had ended are kept.
        RankbenchError: what a fold raised first; the others stop at their next step.
    """
    context = multiprocessing.get_context("spawn")
    events, places, stopping = context.Queue(), context.Queue(), context.Event()
    for device in devices:
        places.put(device)
    began = time.monotonic()
    threads = max(1, (os.cpu_count() or 1) // len(devices))
    with ProcessPoolExecutor(
        len(devices), context, _begin, (setting, store, events, places, stopping, threads)
    ) as workers:
        runs = [workers.submit(_one, seed, fold) for seed, fold in todo]
        try:
            while not _ended(runs):
                if stop():
                    stopping.set()
                _tell(events, runs, total, began, report)
            for run in runs:
                run.result()
        finally:
            # Whoever is still at work ends at its next step; what never began is dropped.
            stopping.set()
            workers.shutdown(wait=True, cancel_futures=True)
    check_stop(stop)


def _ended(runs: Sequence[Future[None]]) -> bool:
    """Whether all have ended, or one has failed."""
    done, waiting = wait_for(runs, timeout=0)
    return not waiting or any(run.exception() for run in done)


def _tell(
    events: Any, runs: Sequence[Future[None]], total: int, began: float, report: Report
) -> None:
    """Pass on what the workers say, with the place in the whole and the time left."""
    try:
        event = events.get(timeout=_LOOK_S)
    except queue.Empty:
        return
    done = sum(run.done() for run in runs)
    elapsed = time.monotonic() - began
    report(
        {
            **event,
            "run": total - len(runs) + done + 1,
            "runs": total,
            "total_eta_s": round(elapsed / done * (len(runs) - done), 1) if done else None,
        }
    )


def _begin(
    setting: Setting, store: Store, events: Any, places: Any, stopping: Any, threads: int
) -> None:
    """In the worker: keep what every fold needs. Ctrl-C is the parent's, who then says stop."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    _mine.update(
        setting=setting, store=store, events=events, device=places.get(), stopping=stopping
    )


def _one(seed: int, fold: int) -> None:
    """In the worker: one fold on its device."""
    run_fold(
        _mine["setting"],
        _mine["store"],
        fold,
        seed,
        _mine["device"],
        lambda event: _mine["events"].put({**event, "fold": fold, "seed": seed}),
        _mine["stopping"].is_set,
    )
