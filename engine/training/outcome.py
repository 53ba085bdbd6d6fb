"""What the trainers share: progress, the wish to stop, and the best weights so far."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import fmean, stdev
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
    """Weights at `alpha` of the way from the base to the end of `epoch`.

    Attributes:
        scores: NDCG@10 of each dev query, [q]; empty where there was no dev set.
    """

    epoch: int
    alpha: float
    scores: tuple[float, ...] = ()

    @property
    def score(self) -> float:
        """The mean over the dev queries; NaN without any."""
        # As the base's: another way of adding would call a tie a win.
        return fmean(self.scores) if self.scores else math.nan


@dataclass(slots=True)
class Best:
    """The best candidate so far; `weights` is what its trainer needs to make it again.

    `base` is the NDCG@10 of each dev query under the base, [q], scored as the candidates are; empty
    until the first candidate is scored. `cancelled` is the step after which a person stopped the
    run, None where it came to its end.
    """

    chosen: Candidate | None = None
    weights: Any = None
    tried: list[Candidate] = field(default_factory=list)
    cancelled: int | None = None
    base: tuple[float, ...] = ()

    def offer(self, candidate: Candidate, weights: Callable[[], Any]) -> bool:
        """Keep the candidate if it is better than what there is; the first of equals stays."""
        self.tried.append(candidate)
        if self.chosen is None or candidate.score > self.chosen.score:
            self.chosen = candidate
            self.weights = weights()
            return True
        return False

    def take(self, candidate: Candidate, weights: Any) -> None:
        """Keep a candidate that no dev set scored."""
        self.tried.append(candidate)
        self.chosen, self.weights = candidate, weights

    def settle(self, alpha: float, margin: float, weights: Callable[[], Any]) -> None:
        """Fall back on the recipe's own choice where the best is not clearly better.

        The recipe's own choice is the last epoch at `alpha`. Dev sets are small, and the best of
        many candidates is best partly by luck; so it must be ahead by more than `margin` standard
        errors of the paired difference (the one-standard-error rule of Breiman et al. 1984, with
        the recipe's choice in the place of the simplest model). With a margin of 0 the best stays.
        """
        own = next((c for c in reversed(self.tried) if c.alpha == alpha), None)
        if own is None or self.chosen is None or own is self.chosen:
            return
        if own.epoch != self.tried[-1].epoch:
            return
        gaps = [a - b for a, b in zip(self.chosen.scores, own.scores, strict=True)]
        if len(gaps) < 2 or sum(gaps) / len(gaps) > margin * stdev(gaps) / math.sqrt(len(gaps)):
            return
        self.chosen = own
        self.weights = weights()


@dataclass(slots=True)
class Boldest(Best):
    """The candidate that moved furthest and is not clearly worse than the base.

    What flags ask for grows with the epochs and the interpolation, and dev queries, which nobody
    flagged, show only what it costs. So the latest epoch's largest interpolation is taken whose
    mean loss against the base is within `margin` standard errors of the paired difference; where
    all lose clearly, the one that scores best.
    """

    margin: float = 1.0

    def offer(self, candidate: Candidate, weights: Callable[[], Any]) -> bool:
        self.tried.append(candidate)
        if self.chosen is None or self._order(candidate) > self._order(self.chosen):
            self.chosen = candidate
            self.weights = weights()
            return True
        return False

    def settle(self, alpha: float, margin: float, weights: Callable[[], Any]) -> None:
        """Nothing to settle: every offer was weighed against the base."""

    def holds(self, candidate: Candidate) -> bool:
        """Whether the candidate is not clearly worse than the base."""
        losses = [a - b for a, b in zip(self.base, candidate.scores, strict=False)]
        if len(losses) < 2:
            return True
        mean = sum(losses) / len(losses)
        return mean <= self.margin * stdev(losses) / math.sqrt(len(losses))

    def _order(self, candidate: Candidate) -> tuple[float, ...]:
        if self.holds(candidate):
            return (1, candidate.epoch, candidate.alpha)
        return (0, candidate.score)


def written(score: float) -> float:
    """A mean score as cards and reports carry it: with all the digits that anyone may round to.

    Rounded to what is shown, and shown rounded again, one score would have two last digits.
    """
    return round(score, 12)


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
