"""How many threads a typed query is encoded with."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import cache

from engine.encoders.load import Encoder

_QUICK_S = 0.015
_TRIES = 5


def settle_threads(encoders: Iterable[Encoder]) -> int:
    """Let the calling thread encode alone where that is quick; returns the threads it will use.

    A small encoder's operations take microseconds: several threads then wait for each other, and
    on a busy machine one key in ten takes four times as long (measured on two cores: p95 of a
    comparison by two encoders 25 ms with one thread, 88 ms with two). Large ones keep all threads.
    """
    import torch

    several = _all_threads()
    torch.set_num_threads(1)
    if any(_fastest(encoder) > _QUICK_S for encoder in encoders):
        torch.set_num_threads(several)
    return torch.get_num_threads()


def _fastest(encoder: Encoder) -> float:
    """Seconds of the quickest of a few queries: a busy moment does not count."""
    times = []
    for number in range(_TRIES):
        started = time.perf_counter()
        encoder.encode_queries([f"how long does query {number} take"])
        times.append(time.perf_counter() - started)
    return min(times)


@cache
def _all_threads() -> int:
    """What torch would use of itself; asked before it is told otherwise."""
    import torch

    return torch.get_num_threads()
