"""How long an encoder takes over one typed query."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.encoders.load import load_encoder
from engine.encoders.threads import settle_threads

_WARM = 3
_WORDS = ("red", "tent", "for", "two", "people", "in", "the", "rain")


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds to encode one query on this machine's processor, over n queries."""

    p50_ms: float
    p95_ms: float
    n: int
    threads: int


def query_latency(directory: Path, queries: Sequence[str] = (), n: int = 50) -> Latency:
    """Time the encoder in `directory` as the app runs it: one query at a time, on the CPU.

    Args:
        queries: taken in turn; a few made-up ones of two to eight words by default.
        n: how many are timed.

    Raises:
        RankbenchError: the encoder cannot be loaded.
    """
    encoder = load_encoder(directory, "cpu", live=True)
    threads = settle_threads([encoder])
    texts = list(queries) or [" ".join(_WORDS[:count]) for count in range(2, len(_WORDS) + 1)]
    times = []
    for turn in range(_WARM + n):
        started = time.perf_counter()
        # The number keeps any cache of whole texts out of it.
        encoder.encode_queries([f"{texts[turn % len(texts)]} {turn}"])
        times.append((time.perf_counter() - started) * 1000)
    p50, p95 = np.percentile(times[_WARM:], (50, 95))
    return Latency(round(float(p50), 2), round(float(p95), 2), n, threads)
