"""What sides rank highest, asked of the search thread, which holds the encoders.

For the threads that make baskets; a basket that cannot be asked for is refused, never made as if
the sides had nothing to say.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from engine.encoders.registry import BASE
from engine.errors import RankbenchError
from engine.training.basket import TOP
from workbench.searching import LOADING, ComparerLike, SearchThread, trouble_of

# An encoder may have to be loaded before it can say what it ranks highest.
_ANSWER_S = 60.0
_POLL_S = 0.1

Found = Sequence[str] | str
"""Product ids; or why there are none: `LOADING`, or another reason."""


class Asker:
    """A basket's `Top`, on what the app has in memory. Make one for each basket.

    Args:
        base: the encoder that is tuned.
    """

    def __init__(self, searcher: SearchThread, base: str = BASE) -> None:
        self._searcher = searcher
        self._base = base
        self._asked: set[str] = set()
        self._silent: set[str] = set()

    def __call__(self, side: str, query: str) -> Sequence[str]:
        """What `side` ranks highest; empty where a side other than the base cannot answer.

        Raises:
            RankbenchError: the base cannot answer, or nothing has answered for a minute. So a
                basket waits for that long at most.
        """
        limit = time.monotonic() + _ANSWER_S
        while side not in self._silent:
            loading = self._searcher.is_loading(side)
            found = self._look(side, query, limit)
            if not isinstance(found, str):
                return found
            if found != LOADING or (side in self._asked and not loading):
                return self._no_word(side, found)
            if side not in self._asked:
                self._asked.add(side)
                self._searcher.load(side)
            if time.monotonic() > limit:
                raise RankbenchError(f"{side} is not ready yet.", "Try again in a moment.")
            time.sleep(_POLL_S)
        return ()

    def _no_word(self, side: str, why: str) -> Sequence[str]:
        if side == self._base:
            rest = "it did not load" if why == LOADING else why
            raise RankbenchError(f"{side} is not ready yet: {rest}.", "Try again when it is.")
        self._silent.add(side)
        return ()

    def _look(self, name: str, query: str, limit: float) -> Found:
        answer: list[Found] = []
        done = threading.Event()

        def task(comparer: ComparerLike) -> None:
            try:
                answer.append(_highest(comparer, name, query))
            except Exception as error:
                answer.append(trouble_of(error).what.rstrip("."))
            done.set()

        self._searcher.ask(task)
        while not done.wait(_POLL_S):
            if (trouble := self._searcher.trouble) is not None:
                raise RankbenchError(trouble.what, trouble.todo)
            if time.monotonic() > limit:
                raise RankbenchError("The search thread is busy.", "Try again in a moment.")
        return answer[0]


def _highest(comparer: ComparerLike, name: str, query: str) -> Found:
    known = next((status for status in comparer.sides() if status.name == name), None)
    # The list has no run files: a run is opened as it is asked.
    if not name.startswith("run:") and (known is None or not known.ready):
        return known.why if known is not None and known.why else "not indexed"
    shown = comparer.compare(query, name, name, k=TOP)
    return [hit.product_id for hit in shown.baseline.hits]
