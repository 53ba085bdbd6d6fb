"""Reciprocal rank: Voorhees, The TREC-8 question answering track report, 1999."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from engine.measures.checks import check_depth


def reciprocal_rank(relevant: Sequence[bool], k: int | None = None) -> float:
    """1 / rank of the first relevant product within `k`, or 0 where there is none.

    Args:
        relevant: best rank first, whether the product there is relevant.

    Raises:
        RankbenchError: a depth below 1.
    """
    check_depth(k)
    return next((1.0 / rank for rank, hit in enumerate(islice(relevant, k), 1) if hit), 0.0)
