"""One trial of a sweep: trained into a temporary directory, of which only the scores stay."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from engine.errors import RankbenchError
from engine.experiments.experiment import Experiment
from engine.experiments.study import PARTS, Running, Trial
from engine.training.outcome import Cancelled, Report, ShouldStop
from engine.training.recipe import Recipe, alphas
from engine.training.train import TrainResult, train
from engine.workspace import unwritable

WORK = ".work-"


def run_trial(
    experiment: Experiment,
    running: Running,
    directory: Path,
    where: Mapping[str, Any],
    report: Report,
    stop: ShouldStop,
) -> Trial:
    """Train once, keep and return what it came to.

    A trial that is stopped or breaks off leaves its settings to come next.

    Args:
        directory: for its temporary directory, which a killed process leaves as `WORK`*.
        where: `trial` and `trials`, which go with every event.

    Raises:
        RankbenchError: the defaults cannot be trained, so that nothing could be compared with them;
            other settings that cannot are a failed trial.
        Cancelled: the person asked for it.
    """
    began = time.monotonic()
    settings = [f"{key}={value}" for key, value in running.settings.items()]
    try:
        watch = _Watch(running, experiment.recipe.with_set(settings), stop, report, where)
        result = _train(experiment, watch, directory)
        if result.cancelled is not None and not watch.pruned:
            raise Cancelled
        ended = _came_to(running, result, watch, time.monotonic() - began)
    except Exception as error:
        why = error.what if isinstance(error, RankbenchError) else _out_of_memory(error)
        if running.defaults or isinstance(error, Cancelled) or not why:
            running.cut()
            raise
        seconds = round(time.monotonic() - began, 2)
        ended = Trial(running.number, running.settings, "failed", None, seconds=seconds, why=why)
    except BaseException:  # Ctrl-C
        running.cut()
        raise
    finally:
        if experiment.recipe.loss != "adapter":
            # The trainer and its model refer to each other; unasked, they stay for some trials.
            gc.collect()
    running.keep(ended)
    return ended


def _train(experiment: Experiment, watch: _Watch, directory: Path) -> TrainResult:
    try:
        work = tempfile.TemporaryDirectory(prefix=WORK, dir=directory)
    except OSError as error:
        raise unwritable(directory, error) from None
    with work as place:
        return train(
            watch.recipe,
            experiment.base_dir,
            experiment.train_queries,
            experiment.dev_queries,
            experiment.texts,
            Path(place) / "encoder",
            products=experiment.products,
            seed=experiment.seed,
            report=watch.take,
            should_stop=watch.should_stop,
            base_vectors=experiment.base_vectors,
            gains=experiment.gains,
            device=experiment.device,
        )


def _out_of_memory(error: Exception) -> str:
    """What to say of a trial that was too large; "" for other errors, which are faults."""
    # torch's own is a RuntimeError of this name.
    large = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return "Out of memory." if large else ""


@dataclass(slots=True)
class _Watch:
    """Follows one trial: passes reports on, and stops it where it falls behind."""

    running: Running
    recipe: Recipe
    stop: ShouldStop
    report: Report
    where: Mapping[str, Any] = field(default_factory=dict)
    best: float | None = None
    part: int = 0
    pruned: bool = False

    def take(self, event: dict[str, Any]) -> None:
        if event.get("event") == "progress":
            self.report({**event, **self.where})
        if event.get("phase") != "dev":
            return
        score = float(event["score"])
        self.best = score if self.best is None else max(self.best, score)
        # An epoch is scored when its last interpolation is.
        part = _part(self.recipe, event)
        if event["alpha"] == alphas(self.recipe)[-1] and part > self.part:
            self.part = part
            self.pruned = self.running.falls_behind(self.best, part)

    def should_stop(self) -> bool:
        return self.pruned or self.stop()


def _part(recipe: Recipe, event: Mapping[str, Any]) -> int:
    """Which of `PARTS` of its run a trial has behind it: trials differ in epochs and steps."""
    if recipe.loss == "hard-negatives":
        # The steps of the later stages are not known in the first.
        total = recipe["first_epochs"] + recipe["rounds"] * recipe["epochs"]
        share = event["epoch"] / total
    else:
        share = event["step"] / event["steps"]
    return max(1, min(PARTS, int(PARTS * share + 1e-9)))


def _came_to(running: Running, result: TrainResult, watch: _Watch, seconds: float) -> Trial:
    """A trial that ended or was pruned; its score is that of the weights it would keep."""
    tuned = {query: after for query, (_, after) in result.dev.items()}
    base = {query: before for query, (before, _) in result.dev.items()}
    facts = {
        "measure": str(result.card.scores["measure"]),
        "chosen": result.card.scores["chosen"],
        "rows": result.rows,
        "seconds": round(seconds, 2),
    }
    if watch.pruned:
        return Trial(running.number, running.settings, "pruned", watch.best, **facts)
    return Trial(
        running.number,
        running.settings,
        "complete",
        fmean(tuned.values()),
        running.defaults,
        tuned,
        base if running.defaults else {},
        **facts,
    )
