"""Folds on several devices at once: a process for each, fed from one list."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from engine.errors import RankbenchError
from engine.experiments.fold import Setting, run_fold
from engine.experiments.pace import Pace, Run
from engine.experiments.store import Store
from engine.training.outcome import Cancelled, Report, ShouldStop, check_stop

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
        RankbenchError: what a fold raised first, or its process was killed; the others stop at
            their next step, and folds that had ended are kept.
    """
    context = multiprocessing.get_context("spawn")
    events, places, stopping = context.Queue(), context.Queue(), context.Event()
    for device in devices:
        places.put(device)
    pace = Pace(todo, len(devices))
    threads = max(1, (os.cpu_count() or 1) // len(devices))
    with ProcessPoolExecutor(
        len(devices), context, _begin, (setting, store, events, places, stopping, threads)
    ) as workers:
        runs = [workers.submit(_one, seed, fold) for seed, fold in todo]
        failure: BaseException | None = None
        told = True
        try:
            while told or not all(run.done() for run in runs):
                failure = failure or _failure(runs)
                if failure or stop():
                    stopping.set()
                    # What never began is dropped.
                    for run in runs:
                        run.cancel()
                told = _tell(events, dict(zip(todo, runs, strict=True)), total, pace, report)
        finally:
            # Whoever is still at work ends at its next step.
            stopping.set()
            workers.shutdown(wait=True, cancel_futures=True)
    if failure := failure or _failure(runs):
        raise _told(failure)
    check_stop(stop)


def _failure(runs: Sequence[Future[None]]) -> BaseException | None:
    """What a run that has ended raised, a fault before the stop that it made of another."""
    ended = [run.exception() for run in runs if run.done() and not run.cancelled()]
    found = [error for error in ended if error is not None]
    return min(found, key=lambda error: isinstance(error, Cancelled), default=None)


def _told(failure: BaseException) -> BaseException:
    if not isinstance(failure, BrokenProcessPool):
        return failure
    return RankbenchError(
        "A process that ran folds ended abruptly; it may have been killed for want of memory.",
        "Start it again: the folds that had ended are kept. Fewer devices at once need less.",
    )


def _tell(
    events: Any, runs: Mapping[Run, Future[None]], total: int, pace: Pace, report: Report
) -> bool:
    """Pass on what the workers say, with the place in the whole and the time left; if they do."""
    try:
        event = events.get(timeout=_LOOK_S)
    except queue.Empty:
        return False
    ended = {run for run, future in runs.items() if future.done()}
    report(
        {
            **event,
            "run": min(total - len(runs) + len(ended) + 1, total),
            "runs": total,
            "total_eta_s": pace.left((event["seed"], event["fold"]), event, ended),
        }
    )
    return True


def _begin(
    setting: Setting, store: Store, events: Any, places: Any, stopping: Any, threads: int
) -> None:
    """In the worker: keep what every fold needs. Ctrl-C is the parent's, who then says stop."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Its end does not wait for somebody to read the last of its progress.
    events.cancel_join_thread()
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
