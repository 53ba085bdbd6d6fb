"""The ranking measures: one a short file, pure functions over lists and arrays.

This module holds their names and depths as data and imports nothing heavy.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

RBO_P = 0.9
UNCHANGED = 0.01
RBO_DEPTH = 100
CATALOG_DEPTH = 1000
PRIMARY = "ndcg@10"
LARGEST_DELTA = 1.0
"""Every measure lies in [0, 1], so no difference of two means passes it."""
VERSION = 1
"""Raise it when a definition changes without any of its parameters changing."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What a measure's name stands for.

    Attributes:
        family: the module that computes it.
        depth: the rank it is cut at; None for the whole list.
        relevant: the grade it counts, or "" where it uses the gains or needs none.
        about: one line for a reader of a table.
    """

    family: str
    depth: int | None
    relevant: str
    about: str


DEFINITIONS: Mapping[str, Definition] = {
    "ndcg": Definition("ndcg", None, "", "gain by rank over the judged products"),
    "ndcg@10": Definition("ndcg", 10, "", "gain by rank in the first ten"),
    "mrr@10": Definition("reciprocal_rank", 10, "E", "how high the first Exact product stands"),
    "recall@50": Definition("recall", 50, "E", "share of the Exact products in the first fifty"),
    "precision@10": Definition("precision", 10, "E", "share of the first ten that is Exact"),
    "judged@10": Definition("judged", 10, "", "share of the first ten that has a judgment"),
    "rbo_ideal": Definition("rbo", None, "", "overlap with the ideal ranking, ties free"),
    "rbo_ideal_strict": Definition("rbo", None, "", "overlap with the ideal, ties by product id"),
}


def measures_hash(
    gains: Mapping[str, float], p: float = RBO_P, unchanged: float = UNCHANGED
) -> str:
    """12 hex digits of all that the figures depend on beside the data: gains, p, depths, threshold.

    Args:
        gains: grade -> gain.
        unchanged: a |delta| up to this counts as unchanged.
    """
    content = {
        "version": VERSION,
        "gains": {grade: float(gain) for grade, gain in gains.items()},
        "p": float(p),
        "unchanged": float(unchanged),
        "rbo_depth": RBO_DEPTH,
        "catalog_depth": CATALOG_DEPTH,
        "definitions": {name: asdict(item) | {"about": ""} for name, item in DEFINITIONS.items()},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
