"""What the trainers share: progress, the wish to stop, and the best weights so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from engine.errors import RankbenchError

Report = Callable[[dict[str, Any]], None]
ShouldStop = Callable[[], bool]


class Cancelled(RankbenchError):
    """The person asked the run to stop; by default, before anything was saved."""

    def __init__(
        self,
        what: str = "The run was cancelled; nothing was saved.",
        todo: str = "Start it again when you like.",
    ) -> None:
        super().__init__(what, todo)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Weights at `alpha` of the way from the base to the end of `epoch`, and their dev score."""

    epoch: int
    alpha: float
    score: float


@dataclass(slots=True)
class Best:
    """The best candidate so far; `weights` is what its trainer needs to make it again."""

    chosen: Candidate | None = None
    weights: Any = None
    tried: list[Candidate] = field(default_factory=list)

    def offer(self, candidate: Candidate, weights: Callable[[], Any]) -> bool:
        """Keep the candidate if it is better than what there is; the first of equals stays."""
        self.tried.append(candidate)
        if self.chosen is None or candidate.score > self.chosen.score:
            self.chosen = candidate
            self.weights = weights()
            return True
        return False


def check_stop(should_stop: ShouldStop) -> None:
    """Raises: Cancelled: the person asked for it."""
    if should_stop():
        raise Cancelled


def diverged() -> RankbenchError:
    """The error for weights or losses that are no numbers any more."""
    return RankbenchError(
        "Training diverged: the loss is not a number any more.",
        "Lower the rate (`--set lr=1e-5`), or check the texts; nothing was saved.",
    )
