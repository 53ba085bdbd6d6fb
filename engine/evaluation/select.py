"""Which judged queries an evaluation is over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from engine.catalog.queries import JudgedQuery
from engine.errors import RankbenchError, UsageError

SPLITS = ("train", "dev", "test", "unseen", "all")
SEEN = "seen"
"""What `unseen` leaves out. No command offers it: nothing is to be measured on these alone."""


class Seeing(Protocol):
    """What a side says of a query."""

    def seen(self, query: str) -> bool: ...


def select(
    queries: Iterable[JudgedQuery], split: str, sides: Sequence[Seeing], query_set: str = ""
) -> list[JudgedQuery]:
    """The queries of `split`, in their order.

    Args:
        split: "train", "dev", "test", "all", or "unseen": every query, whatever its split, that
            neither side nor a parent of one was trained on; or `SEEN`.
        sides: both sides; asked for "unseen" and `SEEN` only.
        query_set: what the set of `queries` is called, "" where they are all there are.

    Raises:
        UsageError: another split.
        RankbenchError: no query is left; of `SEEN` there may be none.
    """
    if split not in (*SPLITS, SEEN):
        raise UsageError(f"There is no split {split!r}.", f"Choose one of {', '.join(SPLITS)}.")
    every = list(queries)
    if not every:
        raise RankbenchError(
            "There are no judged queries.", "Read some with `rankbench import judgments FILE`."
        )
    if split == "all":
        return every
    if split in ("unseen", SEEN):
        wanted = split == SEEN
        chosen = [q for q in every if any(side.seen(q.query) for side in sides) == wanted]
    else:
        chosen = [q for q in every if q.split == split]
    of, n = f" of the set {query_set}" if query_set else "", len(every)
    if not chosen and split == "unseen":
        out = f"All {n} queries{of} are" if n > 1 else f"The one query{of} is"
        raise RankbenchError(
            f"{out} left out: one of the sides has seen {'each of them' if n > 1 else 'it'}.",
            "Judge new ones, or take `--split all`, which says how many were seen.",
        )
    if not chosen and split != SEEN:
        queries = f"None of the {n} judged queries{of} is"
        raise RankbenchError(
            f"{queries if n > 1 else f'The one judged query{of} is not'} in {split}.",
            "Choose another with --split; `all` takes every query.",
        )
    return chosen
