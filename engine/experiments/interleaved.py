"""The latency of several ways to encode one query, measured so that noise hits all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.training.outcome import Report, ShouldStop, check_stop

Encode = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Spread:
    """Milliseconds of one path over n queries."""

    p50: float
    p95: float
    n: int


def interleave(
    paths: Mapping[str, Encode],
    texts: Sequence[str],
    rounds: int,
    report: Report | None = None,
    should_stop: ShouldStop | None = None,
) -> dict[str, Spread]:
    """Time every path on every text, one text at a time, `rounds` times.

    The paths take turns at each text, and each turn begins one path later: what else the machine
    does meets them all. Before its turn a path encodes the text before, untimed: a person's
    encoder finds its own weights in the cache and not another path's.

    Raises:
        Cancelled: `should_stop` said so.
    """
    names = list(paths)
    times: dict[str, list[float]] = {name: [] for name in names}
    turns = rounds * len(texts)
    for turn in range(turns):
        check_stop(should_stop or (lambda: False))
        text, before = texts[turn % len(texts)], texts[turn % len(texts) - 1]
        for number in range(len(names)):
            name = names[(turn + number) % len(names)]
            encode = paths[name]
            encode(before)
            started = time.perf_counter()
            encode(text)
            times[name].append((time.perf_counter() - started) * 1000)
        if report is not None:
            report({"event": "progress", "phase": "timing", "step": turn + 1, "steps": turns})
    return {
        name: Spread(*(float(v) for v in np.percentile(found, (50, 95))), len(found))
        for name, found in times.items()
    }
