"""Groups that follow from a query itself, beside the columns of the query file.

head: head, torso or tail, by the query's share of the traffic. In falling order of weight the
    queries that make the first half of it are the head, those that make the next 40 % the torso,
    the rest the tail; a query across a cut belongs above it, and queries of equal weight stay
    together. A query without a weight is under "".
category: the most frequent category of the query's Exact products, the top level of a path such as
    `Garden > Shade`; of equally frequent ones the first by name; "" where none has a category.
length: 1, 2, 3-4 or 5+ words, as spaces part them.
negation: "negated" where an English word says what is not wanted: without, no, not, non, w/o,
    or an ending in -free; else "plain". A `no` before a number counts as "number".

A column of the query file with one of these names comes before the derived one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Protocol

from engine.catalog.normalise import clean_query
from engine.catalog.queries import WEIGHT

DERIVED = ("head", "category", "length", "negation")
HEAD_SHARE = 0.5
TORSO_SHARE = 0.9
_ORDER = ("head", "torso", "tail")
_LEVELS = re.compile(r"\s*>\s*|\s+/\s+")
_NEGATION = re.compile(
    r"(?<![\w'-])(?:without|not|non|w/o|no(?!\.?\s*\d))(?!\w)|\w-free(?!\w)", re.IGNORECASE
)


class Query(Protocol):
    """What the groups follow from; a `JudgedQuery` and an evaluation's row are ones.

    Attributes:
        weight: its traffic, from 0, on any scale; None where nothing is known of it.
    """

    @property
    def query_id(self) -> str: ...
    @property
    def query(self) -> str: ...
    @property
    def grades(self) -> Mapping[str, str]: ...
    @property
    def weight(self) -> float | None: ...


def derive(
    queries: Iterable[Query], known: Sequence[Query], categories: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Query id -> group name (`DERIVED`) -> value.

    Args:
        known: the whole query set, whose traffic the cuts of `head` are made in: they do not move
            with the split that is looked at.
        categories: product id -> category.
    """
    parts = traffic_parts({q.query_id: q.weight for q in known if q.weight is not None})
    return {
        query.query_id: {
            "head": parts.get(query.query_id, ""),
            "category": category_of(query.grades, categories),
            "length": length_of(query.query),
            "negation": negation_of(query.query),
        }
        for query in queries
    }


def traffic_parts(weights: Mapping[str, float]) -> dict[str, str]:
    """Query id -> "head", "torso" or "tail"; empty where the weights sum to nothing."""
    total = sum(weights.values())
    found: dict[str, str] = {}
    if not total:
        return found
    above = 0.0
    falling = sorted(weights, key=lambda query: -weights[query])
    for weight, same in groupby(falling, key=weights.__getitem__):
        # The rounding error of a running sum must not move a query that lies on the cut.
        share = above / total + 1e-12
        part = "head" if share < HEAD_SHARE else "torso" if share < TORSO_SHARE else "tail"
        for query in same:
            found[query] = part if weight else "tail"
            above += weight
    return found


def top_level(path: str) -> str:
    """`Garden` of the category `Garden > Shade`."""
    return _LEVELS.split(path.strip(), maxsplit=1)[0]


def category_of(grades: Mapping[str, str], categories: Mapping[str, str]) -> str:
    """The most frequent top-level category among the Exact products."""
    exact = [categories.get(product, "") for product, grade in grades.items() if grade == "E"]
    counts = Counter(top for path in exact if (top := top_level(path)))
    return min(counts, key=lambda top: (-counts[top], top), default="")


def length_of(query: str) -> str:
    """How many words: "1", "2", "3-4" or "5+"."""
    words = max(1, len(clean_query(query).split()))
    return str(words) if words < 3 else "3-4" if words < 5 else "5+"


def negation_of(query: str) -> str:
    """ "negated" or "plain"."""
    return "negated" if _NEGATION.search(query) else "plain"


def in_order(values: Iterable[str]) -> list[str]:
    """The values of a group as a person expects them: head, torso, tail, the others by name."""
    found = set(values)
    parts = _ORDER if found <= {*_ORDER, ""} else ()
    return [part for part in parts if part in found] + sorted(found - set(parts))


def choosable(columns: Iterable[Mapping[str, str]], most: int = 30) -> list[str]:
    """The columns that part the queries into a few groups, those of the query file first.

    Args:
        columns: each query's columns with its derived groups.
        most: values that a column may have; a weight, or a comment, parts nothing.
    """
    rows = list(columns)
    values = {
        name: {row.get(name, "") for row in rows} for name in {name for row in rows for name in row}
    }
    found = [name for name, seen in values.items() if 1 < len(seen) <= most and name != WEIGHT]
    own = sorted(set(found) - set(DERIVED), key=lambda name: (name != "stratum", name))
    return own + [name for name in DERIVED if name in found]
