"""No more pairs than a run can hold, and what that leaves of the basket."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.training.basket import Group

LEFT_OUT = "left out: beyond `max_rows`"

Pairs = list[tuple[str, str]]


def limit(groups: tuple[Group, ...], most: int, seed: int) -> tuple[tuple[Group, ...], int]:
    """At most `most` pairs, drawn in turn from the queries; and how many were dropped.

    A first pair of each negative goes before the second of any. A row of which no pair is left
    becomes `LEFT_OUT`.
    """
    total = sum(len(group.pairs) for group in groups)
    if total <= most:
        return groups, 0
    rng = random.Random(seed)
    drawn = {group.query_id: rng.sample(group.pairs, len(group.pairs)) for group in groups}
    firsts = {query: _firsts(pairs) for query, pairs in drawn.items()}
    kept = _in_turn(firsts, most)
    rest = {query: [p for p in pairs if p not in firsts[query]] for query, pairs in drawn.items()}
    more = _in_turn(rest, most - sum(map(len, kept.values())))
    return tuple(_cut(g, sorted(kept[g.query_id] + more[g.query_id])) for g in groups), total - most


def _firsts(pairs: Sequence[tuple[str, str]]) -> Pairs:
    """One pair of each negative; each positive against nothing is one too."""
    return list(
        {negative or (positive,): (positive, negative) for positive, negative in pairs}.values()
    )


def _in_turn(waiting: Mapping[str, Pairs], room: int) -> dict[str, Pairs]:
    """`room` pairs, one of each query in turn."""
    kept: dict[str, Pairs] = {query: [] for query in waiting}
    longest = max(map(len, waiting.values()), default=0)
    for turn in range(longest):
        for query, pairs in waiting.items():
            if room and turn < len(pairs):
                kept[query].append(pairs[turn])
                room -= 1
    return kept


def _cut(group: Group, pairs: Pairs) -> Group:
    trained = {product for pair in pairs for product in pair}
    rows = tuple(
        replace(row, becomes=LEFT_OUT)
        if row.becomes in ("negative", "positive") and row.product_id not in trained
        else row
        for row in group.rows
    )
    return replace(group, rows=rows, pairs=tuple(pairs))
