"""How long several runs of one kind still take, told while they run."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from statistics import fmean
from typing import Any

Run = tuple[int, int]
"""(seed, fold)."""


class Pace:
    """The time left of all runs, by those that have ended and by how far the others have come.

    A run is taken to last as long as the mean of those that have ended, less what it has lasted
    so far; past that, or while none has ended, as long as its own estimate says.

    Args:
        runs: what is to be done.
        lanes: how many run at once.
        clock: seconds.
    """

    def __init__(
        self, runs: Sequence[Run], lanes: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._runs = tuple(runs)
        self._lanes = lanes
        self._clock = clock
        self._began: dict[Run, float] = {}
        self._took: dict[Run, float] = {}
        self._own: dict[Run, float] = {}

    def left(self, run: Run, event: Mapping[str, Any], ended: Collection[Run]) -> float | None:
        """Seconds left of all runs at an `event` of `run`; None while nothing says how long."""
        now = self._clock()
        self._began.setdefault(run, now)
        for other in ended:
            if other in self._began:
                self._took.setdefault(other, now - self._began[other])
        if event.get("eta_s") is not None:
            self._own[run] = now - self._began[run] + float(event["eta_s"])
        elapsed = {r: now - began for r, began in self._began.items() if r not in ended}
        own = {r: max(whole, elapsed[r]) for r, whole in self._own.items() if r in elapsed}
        known = self._took or own
        if not known:
            return None
        each = fmean(known.values())
        open_runs = [r for r in self._runs if r not in ended]
        left = 0.0
        for other in open_runs:
            so_far = elapsed.get(other, 0.0)
            whole = each if self._took and so_far < each else own.get(other, each)
            left += max(0.0, whole - so_far)
        return round(left / max(1, min(self._lanes, len(open_runs))), 1)
