"""Which queries of a log a teacher scores: no judged dev or test query, head and tail alike.

The head are the most searched queries that make half of the traffic (`engine.evaluation.breakdowns`
cuts there too). Half of the sample is the head's most searched, half is drawn evenly from the
rest; where one side has too few, the other fills up.

Judged queries are one pool, from whichever files: a named query set only lists some of them, so
that to keep out the pool's is to keep out every set's.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.catalog.normalise import normalise_query
from engine.catalog.queries import JudgedQuery
from engine.errors import RankbenchError
from engine.evaluation.breakdowns import traffic_parts
from engine.training.basket import HELD_OUT
from engine.training.near import NearQueries

HEAD_SHARE = 0.5
"""Of the sample."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The queries chosen from a log.

    Attributes:
        queries: their most frequent spellings, the most searched first.
        head, tail: how many of each.
        known: different queries in the log.
        held_out: how many of these (nearly) repeat a judged query of dev or test.
        near: normalised judged queries of the train split that the chosen ones (nearly) repeat.
    """

    queries: tuple[str, ...]
    head: int
    tail: int
    known: int
    held_out: int
    near: tuple[str, ...]


def sample_queries(
    logged: Mapping[str, tuple[str, float]],
    judged: Sequence[JudgedQuery],
    count: int,
    seed: int,
) -> Sample:
    """Choose at most `count` queries of a log.

    Args:
        logged: normalised query -> (spelling, searches), as `SearchLog.queries`.
        judged: the judged queries with their splits.

    Raises:
        RankbenchError: an empty log, or no query is left.
    """
    if not logged:
        raise RankbenchError("The log holds no search.", "Give one with queries in it.")
    leaks = leaking([text for text, _ in logged.values()], judged)
    free = {key: said for key, said in logged.items() if said[0] not in leaks}
    held_out = len(logged) - len(free)
    if not free:
        raise RankbenchError(
            f"No query is left: all {held_out:,} of the log (nearly) repeat judged queries of the "
            "dev and test splits.",
            "Give a log of other searches.",
        )
    rng = random.Random(seed)
    parts = traffic_parts({key: searches for key, (_, searches) in free.items()})
    order = sorted(free)
    rng.shuffle(order)  # equal counts are drawn by chance
    head = [key for key in order if parts.get(key) == "head"]
    tail = [key for key in order if parts.get(key) != "head"]
    head.sort(key=lambda key: -free[key][1])
    half = round(count * HEAD_SHARE)
    take = min(len(head), max(half, count - len(tail)))
    chosen = head[:take] + tail[: count - take]
    chosen.sort(key=lambda key: (-free[key][1], key))
    near = {
        normalise_query(found.query)
        for found in _near(judged, [free[key][0] for key in chosen])
        if found.split not in HELD_OUT
    }
    return Sample(
        tuple(free[key][0] for key in chosen),
        take,
        len(chosen) - take,
        len(logged),
        held_out,
        tuple(sorted(near)),
    )


def leaking(queries: Sequence[str], judged: Sequence[JudgedQuery]) -> set[str]:
    """Those of `queries` that repeat or nearly repeat a judged query of dev or test."""
    exact = {normalise_query(query.query) for query in judged if query.split in HELD_OUT}
    finder = NearQueries(judged)
    return {
        query
        for query in queries
        if normalise_query(query) in exact or finder.find(_asked(query), HELD_OUT)
    }


def _near(judged: Sequence[JudgedQuery], texts: Sequence[str]) -> list[JudgedQuery]:
    """The judged queries that the texts repeat or nearly repeat."""
    finder, by_id = NearQueries(judged), {query.query_id: query for query in judged}
    keys = {normalise_query(text) for text in texts}
    found = {near.query_id for text in texts for near in finder.find(_asked(text))}
    found |= {query.query_id for query in judged if normalise_query(query.query) in keys}
    return [by_id[query_id] for query_id in sorted(found)]


def _asked(text: str) -> JudgedQuery:
    """A query of the log, which no judged one is."""
    return JudgedQuery("\0log", text)
