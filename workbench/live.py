"""The engine's comparer as the app wants it: sides are loaded beside the search thread.

Importing torch and reading an encoder takes seconds. `prepare` does that on the loading thread and
hands the open side over; until then bm25 answers on the search thread. A side whose index was
replaced goes on answering from the vectors it holds until the new ones are loaded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from engine.encoders.threads import settle_threads
from engine.errors import RankbenchError
from engine.evaluation.frame import Evaluation
from engine.evaluation.holes import Holes, TopTens
from engine.evaluation.query_set import evaluate_query_set, holes_of, top_tens
from engine.index.build import active_build
from engine.ranking.comparer import Comparer, SideStatus
from engine.ranking.judged_near import Nearby
from engine.ranking.ranking import Ranking
from engine.ranking.sides import EncoderSide, Side, open_encoder_side, parse_side
from engine.ranking.why import Explainer, Why, Work
from engine.workspace import Workspace
from workbench.searching import LOADING

_RESAMPLES = 100


class LiveComparer(Comparer):
    """A comparer whose encoders are ready only once they are in memory."""

    def __init__(self, ws: Workspace) -> None:
        super().__init__(ws, self._held_or_open)
        self._loaded: dict[str, EncoderSide] = {}
        self._arrived: deque[str] = deque()
        self._beside = ThreadPoolExecutor(max_workers=1)
        self._explainer = Explainer(self, self._together)

    def prepare(self, name: str) -> None:
        """Load the encoder behind `name`. For the loading thread: touches no shared connection."""
        encoder = parse_side(name).argument
        if self._is_current(encoder):
            return
        side = open_encoder_side(self.ws, encoder)
        side.rank("warm up", depth=10)
        self._loaded[encoder] = side
        self._arrived.append(encoder)

    def close(self) -> None:
        self._beside.shutdown(wait=False)
        super().close()

    def sides(self) -> list[SideStatus]:
        return [self._as_loaded(side) for side in super().sides()]

    def side(self, name: str) -> Side:
        if self._arrived:
            while self._arrived:
                self._close_sides_of(self._arrived.popleft())
            # Here, on the search thread: torch counts threads by the thread that calls it.
            threads = settle_threads([side.encoder for side in list(self._loaded.values())])
            self._beside.shutdown(wait=False)
            self._beside = _thread_beside(threads)
        return super().side(name)

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

    def top_tens(
        self,
        baseline: str,
        candidate: str,
        split: str = "unseen",
        progress: Callable[[int, int], None] | None = None,
        only: Collection[str] | None = None,
    ) -> TopTens:
        """What two sides rank first for the judged queries of a split, or those `only` names."""
        return top_tens(self, baseline, candidate, split, progress, only=only)

    def holes(self, tops: TopTens) -> Holes:
        """The holes in `tops` by what is judged now."""
        return holes_of(self, tops)

    def explain(
        self,
        query: str,
        product_id: str,
        baseline: str,
        candidate: str,
        pause: Callable[[], object] = lambda: None,
    ) -> Why:
        """As `Explainer.explain`; an encoder that is not in memory yet is not waited for."""
        self._check_loaded(baseline, candidate)
        return self._explainer.explain(query, product_id, baseline, candidate, pause)

    def nearby(self, query: str, product_id: str, baseline: str, candidate: str) -> Nearby:
        """As `Explainer.nearby`: a step at a time."""
        self._check_loaded(baseline, candidate)
        return self._explainer.nearby(query, product_id, baseline, candidate)

    def _check_loaded(self, *names: str) -> None:
        for encoder in filter(None, (parse_side(name).encoder for name in names)):
            if encoder not in self._loaded:
                active_build(self.ws, encoder)
                raise RankbenchError(f"{encoder} is not in memory yet.", "Wait a moment.")

    def _rank(self, text: str, sides: Sequence[Side]) -> list[Ranking]:
        names = {parse_side(side.name).argument for side in sides}
        encoders = [self._loaded[name] for name in sorted(names & self._loaded.keys())]
        self._together([partial(side.vector, text) for side in encoders])
        return super()._rank(text, sides)

    def _together(self, works: Sequence[Work]) -> None:
        """Each encoder's work on a thread of its own: two together take little longer than one."""
        beside = [self._beside.submit(work) for work in works[1:]]
        for work in works[:1]:
            work()
        for done in beside:
            done.result()

    def _as_loaded(self, side: SideStatus) -> SideStatus:
        """Ready once it is in memory; `LOADING` as long as what is in memory is not the newest."""
        if not side.ready or side.kind not in ("encoder", "hybrid"):
            return side
        encoder = parse_side(side.name).argument
        why = "" if self._is_current(encoder) else LOADING
        return replace(side, ready=encoder in self._loaded, why=why)

    def _held_or_open(self, ws: Workspace, name: str) -> EncoderSide:
        active_build(ws, name)  # an encoder that was removed must not go on answering
        return self._loaded.get(name) or open_encoder_side(ws, name)

    def _close_sides_of(self, encoder: str) -> None:
        # By now they carry the mark of the newest build and would never be opened anew.
        for name in [name for name in self._open if parse_side(name).argument == encoder]:
            del self._open[name]

    def _is_current(self, name: str) -> bool:
        """Whether the side in memory is of the build that is active now."""
        return name in self._loaded and self._loaded[name].index == active_build(self.ws, name)


def _thread_beside(torch_threads: int) -> ThreadPoolExecutor:
    """One thread for the second encoder, with as many of torch's as the first one's."""
    import torch

    return ThreadPoolExecutor(1, "encode", torch.set_num_threads, (torch_threads,))
