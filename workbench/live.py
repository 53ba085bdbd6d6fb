"""The engine's comparer as the app wants it: sides are loaded beside the search thread.

Importing torch and reading an encoder takes seconds. `prepare` does that on the loading thread and
hands the open side over; until then bm25 answers on the search thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from engine.evaluation.frame import Evaluation
from engine.evaluation.query_set import evaluate_query_set
from engine.index.build import active_build
from engine.ranking.comparer import Comparer, SideStatus
from engine.ranking.sides import EncoderSide, open_encoder_side, parse_side
from engine.workspace import Workspace
from workbench.searching import LOADING

_RESAMPLES = 100


class LiveComparer(Comparer):
    """A comparer whose encoders are ready only once they are in memory."""

    def __init__(self, ws: Workspace) -> None:
        super().__init__(ws, self._loaded_or_open)
        self._loaded: dict[str, EncoderSide] = {}

    def prepare(self, name: str) -> None:
        """Load the encoder behind `name`. For the loading thread: touches no shared connection."""
        encoder = parse_side(name).argument
        side = open_encoder_side(self.ws, encoder)
        side.rank("warm up", depth=10)
        self._loaded[encoder] = side

    def sides(self) -> list[SideStatus]:
        return [
            replace(side, ready=False, why=LOADING)
            if side.ready
            and side.kind in ("encoder", "hybrid")
            and not self._is_loaded(parse_side(side.name).argument)
            else side
            for side in super().sides()
        ]

    def evaluate(
        self,
        baseline: str,
        candidate: str,
        candidates: str = "catalog",
        split: str = "all",
        progress: Callable[[int, int], None] | None = None,
    ) -> Evaluation:
        """The judged queries through two sides.

        Its intervals are drawn from few resamples: the screen computes those of the rows it shows.
        """
        return evaluate_query_set(
            self, baseline, candidate, candidates, split, resamples=_RESAMPLES, progress=progress
        )

    def _loaded_or_open(self, ws: Workspace, name: str) -> EncoderSide:
        return self._loaded[name] if self._is_loaded(name) else open_encoder_side(ws, name)

    def _is_loaded(self, name: str) -> bool:
        """Whether the side in memory is of the build that is active now."""
        return name in self._loaded and self._loaded[name].index == active_build(self.ws, name)
