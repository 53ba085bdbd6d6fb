"""A sweep: a recipe's parameters searched for the best dev score, resumable, by Optuna.

The recipe's own settings are the first trial; then the tree-structured Parzen estimator (Bergstra
et al. 2011) proposes, and a trial whose best dev score so far is below the median of the others at
the same fifth of its run is stopped. The dev split chooses and the test split is never looked at.
The best of many trials on few queries is best partly by luck: only unseen queries tell by how much.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from engine.errors import RankbenchError, UsageError
from engine.evaluation.intervals import Delta, paired_delta
from engine.experiments.experiment import Experiment, check_settings
from engine.experiments.store import held
from engine.experiments.study import Running, Study, Trial
from engine.experiments.trial import WORK, run_trial
from engine.measures import LARGEST_DELTA
from engine.training.outcome import Report, ShouldStop, check_stop
from engine.training.selection import MIN_QUERIES, dev_set

_REPEATS = 50
"""Trials in a row that only repeat earlier ones: then nothing new is left to try."""
_FAILURES = 5


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a sweep goes on.

    Attributes:
        trials: in all, those of earlier runs included; None for no end.
        seconds: of this run: no trial begins that would not be over by then, as far as the median
            of the others tells, but one always does. None for no end.

    Raises:
        UsageError: seconds that are no finite number above 0.
    """

    trials: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.seconds is not None and not 0 < self.seconds < math.inf:
            raise UsageError(f"{self.seconds} seconds are no budget.", "Give a time above 0.")


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What a sweep has found so far.

    Attributes:
        trials: in the order in which they ended.
        measure: what a score is; queries: dev queries in it.
        base, gain, over_base: the base's mean; the best trial minus the defaults, and minus the
            base, paired by dev query. `gain` is None where the defaults are the best.
        importances: see `Study.importances`.
        exhausted: whether every setting was tried.
    """

    directory: Path
    space: Mapping[str, str]
    trials: tuple[Trial, ...]
    measure: str
    queries: int
    base: float
    best: Trial
    defaults: Trial
    gain: Delta | None
    over_base: Delta
    importances: Mapping[str, float] | None
    exhausted: bool = False

    def of_state(self, state: str) -> int:
        return sum(trial.state == state for trial in self.trials)

    def to_json(self) -> dict[str, Any]:
        return {
            "directory": str(self.directory),
            "measure": self.measure,
            "queries": self.queries,
            "base": self.base,
            "space": dict(self.space),
            "defaults": self.defaults.to_json(),
            "best": self.best.to_json(),
            "best_minus_defaults": self.gain.to_json() if self.gain else None,
            "best_minus_base": self.over_base.to_json(),
            "importances": self.importances,
            "exhausted": self.exhausted,
            "trials": [trial.to_json() for trial in self.trials],
        }


def sweep(
    experiment: Experiment,
    directory: Path,
    budget: Budget,
    *,
    unchanged: float = 0.01,
    progress: Report | None = None,
    should_stop: ShouldStop | None = None,
) -> SweepResult:
    """Search `experiment.space` until the budget is spent, or go on with what `directory` holds.

    Args:
        unchanged: a |delta| of a query up to this counts as unchanged.
        progress: gets dicts with `event` "trial" when one begins (`trial`, `trials`, `settings`,
            `defaults`, `eta_s`), "trial ended" (`result`, a Trial, and the `best` score so far),
            and those of `train` with `trial` and `trials`.

    Raises:
        UsageError: a setting that no run can have.
        RankbenchError: too few dev queries to choose on, nothing to train on, `directory` holds
            another experiment, or is another run's, or cannot be written.
        Cancelled: the trials that had ended stay; the one that ran comes first next time.
    """
    if dev_set(experiment.dev_queries, experiment.texts, experiment.gains, limit=0, seed=0) is None:
        raise RankbenchError(
            f"A sweep chooses on the dev split, which has fewer than {MIN_QUERIES} queries to "
            "score.",
            "Judge more queries, and import them: `rankbench import judgments FILE`.",
        )
    with held(directory, "sweep", "trials"):
        check_settings(directory, experiment.settings())
        for left in directory.glob(f"{WORK}*"):
            shutil.rmtree(left, ignore_errors=True)
        study = Study(directory, experiment.space, experiment.defaults(), experiment.seed)
        search = _Search(
            experiment,
            directory,
            study,
            progress or (lambda event: None),
            should_stop or (lambda: False),
        )
        exhausted = search.run(budget)
        return _result(experiment, directory, study, unchanged, exhausted)


@dataclass(slots=True)
class _Search:
    """One run of a sweep."""

    experiment: Experiment
    directory: Path
    study: Study
    report: Report
    stop: ShouldStop

    def run(self, budget: Budget) -> bool:
        """Run trials until the budget is spent; returns whether nothing new is left to try."""
        began = time.monotonic()
        trials = self.study.trials()
        ran = repeats = 0
        while not _spent(budget, trials, time.monotonic() - began, ran):
            check_stop(self.stop)
            running = self.study.ask()
            known = next((t for t in trials if t.settings == running.settings), None)
            if known is not None:
                running.repeat(known)
                repeats += 1
                if repeats >= _REPEATS:
                    return True
                continue
            self._announce(running, trials, budget, time.monotonic() - began)
            where = {"trial": running.number, "trials": budget.trials}
            ended = run_trial(
                self.experiment, running, self.directory, where, self.report, self.stop
            )
            ran, repeats = ran + 1, 0
            trials = self.study.trials()
            best = max((t.score for t in trials if t.state == "complete"), default=None)
            self.report({"event": "trial ended", "result": ended, "best": best})
            _check_failures(trials)
        return False

    def _announce(
        self, running: Running, trials: Sequence[Trial], budget: Budget, elapsed: float
    ) -> None:
        self.report(
            {
                "event": "trial",
                "trial": running.number,
                "trials": budget.trials,
                "settings": running.settings,
                "defaults": running.defaults,
                "eta_s": _left(budget, trials, elapsed),
            }
        )


def _spent(budget: Budget, trials: Sequence[Trial], elapsed: float, ran: int) -> bool:
    if budget.trials is not None and len(trials) >= budget.trials:
        return True
    return ran > 0 and budget.seconds is not None and elapsed + _usual(trials) > budget.seconds


def _usual(trials: Sequence[Trial]) -> float:
    """Seconds of a trial that was not pruned; 0 before there is one."""
    return median([t.seconds for t in trials if t.state == "complete"] or [0.0])


def _left(budget: Budget, trials: Sequence[Trial], elapsed: float) -> float | None:
    """Seconds until the budget is spent, None before a trial was timed."""
    bounds = []
    if budget.trials is not None and trials:
        mean = fmean(trial.seconds for trial in trials)
        bounds.append(mean * (budget.trials - len(trials)))
    if budget.seconds is not None:
        bounds.append(max(0.0, budget.seconds - elapsed))
    return round(min(bounds), 1) if bounds else None


def _check_failures(trials: Sequence[Trial]) -> None:
    last = trials[-_FAILURES:]
    if len(last) == _FAILURES and all(trial.state == "failed" for trial in last):
        raise RankbenchError(
            f"The last {_FAILURES} trials failed: {last[-1].why}",
            "Mend that or narrow the ranges (`--param`); the trials that ended are kept.",
        )


def _result(
    experiment: Experiment, directory: Path, study: Study, unchanged: float, exhausted: bool
) -> SweepResult:
    trials = tuple(study.trials())
    ended = [trial for trial in trials if trial.state == "complete"]
    defaults = next(trial for trial in ended if trial.defaults)
    # The first of equals: a trial that only reaches the defaults is no better.
    best = max(ended, key=lambda trial: trial.score or 0.0)
    queries = list(defaults.dev)

    def minus(other: Mapping[str, float]) -> Delta:
        pairs = [[found[query] for query in queries] for found in (other, best.dev)]
        return paired_delta(*pairs, unchanged=unchanged, bound=LARGEST_DELTA)

    return SweepResult(
        directory,
        {item.key: item.text for item in experiment.space},
        trials,
        defaults.measure,
        len(queries),
        fmean(defaults.base.values()),
        best,
        defaults,
        None if best is defaults else minus(defaults.dev),
        minus(defaults.base),
        study.importances(),
        exhausted,
    )
