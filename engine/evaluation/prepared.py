"""Queries to rank, with the sides made ready for them a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

# Enough for an encoder's batch; few enough that a caller who shares the thread soon gets its turn.
_AT_ONCE = 16


class Preparing(Protocol):
    """A side that makes ready for many queries; `engine.ranking.sides.Side` is one."""

    def prepare(self, queries: Sequence[str]) -> None: ...


class Asked(Protocol):
    """What has a query's text."""

    @property
    def query(self) -> str: ...


Q = TypeVar("Q", bound=Asked)


def prepared(
    sides: Sequence[Preparing],
    queries: Sequence[Q],
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Q]:
    """Each query once every side is ready for it.

    Args:
        progress: called with (queries done, queries) before each part is made ready, and after the
            caller is done with each query.
    """
    for start in range(0, len(queries), _AT_ONCE):
        if progress is not None:
            progress(start, len(queries))
        part = queries[start : start + _AT_ONCE]
        for side in sides:
            side.prepare([query.query for query in part])
        for done, query in enumerate(part, start + 1):
            yield query
            if progress is not None:
                progress(done, len(queries))
