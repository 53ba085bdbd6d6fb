"""Which sides there are, which of them answers now, and which have to be loaded."""

from __future__ import annotations

from collections.abc import Sequence

from engine.ranking.side_name import newest_tuned
from engine.workspace import Settings
from workbench.messages import Trouble
from workbench.searching import LOADING, SideLike

PLACES = {"baseline": "left", "candidate": "right"}
"""A side's place on the screen."""
_RUN = "run:"


class Sides:
    """What the app knows of the sides; `known` is replaced whole when the search thread tells."""

    def __init__(self) -> None:
        self.known: tuple[SideLike, ...] = ()
        self.failed: dict[str, Trouble] = {}
        """Sides whose loading ended in trouble, not tried again until something changes."""
        self._asked: set[str] = set()

    def wanted(self, settings: Settings) -> tuple[str, str]:
        """The sides the person chose; an empty choice on the right is the newest tuned encoder."""
        return settings.baseline or "base", settings.candidate or self.newest_tuned() or "bm25"

    def newest_tuned(self) -> str:
        """The newest tuned encoder that answers or will; "" without one."""
        return newest_tuned(side for side in self.known if side.ready or self._awaited(side))

    def _awaited(self, side: SideLike) -> bool:
        return not side.ready and side.why == LOADING and side.name not in self.failed

    def standing(self, name: str) -> str:
        """The side that answers for `name` now: itself, or bm25 until it is ready."""
        for side in self.known:
            if side.name == name:
                return name if side.ready else "bm25"
        # A run file is a side that nobody lists: the comparer knows whether it exists.
        return name if self.known and not self.is_gone(name) else "bm25"

    def is_gone(self, name: str) -> bool:
        """Whether `name` is of an encoder that this workspace does not have."""
        return bool(self.known) and not (
            name.startswith(_RUN) or any(side.name == name for side in self.known)
        )

    def are_awaited(self, names: Sequence[str]) -> bool:
        """Whether one of `names` cannot answer yet but will."""
        return not self.known or any(
            self._awaited(side) for side in self.known if side.name in names
        )

    def to_load(self, names: Sequence[str]) -> list[str]:
        """Those of `names` to be loaded and not asked for yet; from now on they are."""
        # A ready side is loaded too: `LOADING` says that it answers from an index since replaced.
        waiting = [side.name for side in self.known if side.why == LOADING and side.name in names]
        asked = [name for name in waiting if name not in self._asked and name not in self.failed]
        self._asked.update(asked)
        return asked

    def loaded(self, name: str) -> None:
        """Its loading has ended: when its index changes it is asked for again."""
        self._asked.discard(name)

    def fail(self, name: str, trouble: Trouble) -> None:
        self._asked.discard(name)
        self.failed[name] = trouble

    def forget(self, name: str) -> None:
        """Try the side `name` again, whatever was told of it."""
        self._asked.discard(name)
        self.failed.pop(name, None)

    def forget_all(self) -> None:
        self._asked.clear()
        self.failed.clear()
