"""Where a run's flagged results went, from its verdict as JSON: standard library only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import median
from typing import Any

MedianRanks = tuple[float | None, float | None, int]


def median_ranks(verdict: Mapping[str, Any], wanted: str) -> MedianRanks | None:
    """Median rank under base and tuned of the results wanted to "fall", or to "rise", and their n.

    None in the place of a median past the depth; None alone without such results. A mean would
    follow a single result that one side does not find, whatever became of the others.
    """
    moved = [m for query in verdict["flagged"] for m in query["moved"] if m["wanted"] == wanted]
    if not moved:
        return None
    base, tuned = (median(m[side] or math.inf for m in moved) for side in ("base", "tuned"))
    return _known(base), _known(tuned), len(moved)


def _known(rank: float) -> float | None:
    return rank if math.isfinite(rank) else None
