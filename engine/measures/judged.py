"""Judged@k: how far a figure rests on judgments and not on the zeros of unjudged products.

As in ir_measures (MacAvaney et al., ECIR 2022) and trectools.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.measures.checks import check_depth


def judged(flags: Sequence[bool], k: int | None = None) -> float:
    """Share of the first `k` products that has a judgment, in [0, 1]; 0 for an empty list.

    Args:
        flags: best rank first, whether the product there is judged. A list shorter than `k` is
            measured over its own length, as ir_measures does.

    Raises:
        RankbenchError: a depth below 1.
    """
    check_depth(k)
    shown = flags[:k]
    return sum(map(bool, shown)) / len(shown) if shown else 0.0
