"""The trials of a sweep on disk: an Optuna study in SQLite, which a killed process leaves whole."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import RankbenchError
from engine.experiments.search_space import Dimension, Space

if TYPE_CHECKING:
    import optuna

FILE = "study.db"
STARTUP = 6
"""Trials before the sampler models the scores, and finished ones before any is pruned."""
FEWEST = 6
"""Finished trials below which importances are not told: a forest on fewer fits their noise."""
PARTS = 5
"""A trial is compared with others after each fifth of its run."""
_STUDY = "sweep"
# What is written beside a trial: what it came to, that it was cut off, that it is the defaults'.
_KEPT, _CUT, _DEFAULTS = "kept", "cut off", "defaults"


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial that ended by itself.

    Attributes:
        number: from 1, in the order in which they ended.
        settings: parameter -> value, of the parameters that are searched.
        defaults: whether these are the recipe's own.
        state: "complete", "pruned" (it fell behind) or "failed".
        score: mean dev NDCG@10 of the weights that it would keep; of a pruned one, the best so
            far; None of a failed one.
        dev: dev query id -> NDCG@10; empty unless complete.
        base: the same of the base, kept with the defaults.
        measure: what the score is, with the products that were ranked.
        chosen: {"epoch", "alpha"} that dev chose.
        rows, seconds: training rows, wall clock of the whole trial.
        why: of a failed one, what happened.
    """

    number: int
    settings: Mapping[str, Any]
    state: str
    score: float | None
    defaults: bool = False
    dev: Mapping[str, float] = field(default_factory=dict)
    base: Mapping[str, float] = field(default_factory=dict)
    measure: str = ""
    chosen: Mapping[str, Any] = field(default_factory=dict)
    rows: int = 0
    seconds: float = 0.0
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        """Without what each query scored."""
        found = asdict(self)
        del found["dev"], found["base"], found["measure"]
        return found


class Study:
    """The trials of one sweep. One process at a time (`engine.experiments.store.held`)."""

    def __init__(self, path: Path, space: Space, defaults: Mapping[str, Any], seed: int) -> None:
        """Open the study in the directory `path`, or make it.

        What a killed process left running is marked as cut off and comes again.

        Args:
            defaults: the first trial's settings, whether or not the space holds them.
            seed: of the sampler.

        Raises:
            RankbenchError: the file is damaged or cannot be written.
        """
        self._path, self._space, self._seed = path, space, seed
        self._defaults = dict(defaults)
        # Outside of the space they are no point of it, and the sampler does not learn from them.
        self._inside = all(item.holds(self._defaults[item.key]) for item in space)
        with guarded(path):
            import optuna

            self._study = optuna.create_study(
                study_name=_STUDY,
                storage=_storage(path / FILE),
                pruner=optuna.pruners.MedianPruner(
                    n_startup_trials=STARTUP, n_min_trials=STARTUP // 2
                ),
                direction="maximize",
                load_if_exists=True,
            )
            for left in self._raw("RUNNING"):
                Running(self, optuna.Trial(self._study, left._trial_id), {}).settle()
            there = self._raw("WAITING", "COMPLETE")
            if not any(one.user_attrs.get(_DEFAULTS) for one in there):
                self.enqueue(self._defaults if self._inside else {}, {_DEFAULTS: True})

    def ask(self) -> Running:
        """Begin the next trial: the defaults, one that was cut off, or a new one."""
        with guarded(self._path):
            import numpy as np
            import optuna

            ended = [one for one in self._raw() if one.state.is_finished()]
            index = sum(_CUT not in one.user_attrs for one in ended)
            # A sampler that began with the sweep's seed each time would draw the same trials again.
            [state] = np.random.SeedSequence([self._seed, index]).generate_state(1)
            self._study.sampler = optuna.samplers.TPESampler(
                n_startup_trials=STARTUP, seed=int(state)
            )
            trial = self._study.ask()
            defaults = _DEFAULTS in trial.user_attrs
            drawn = {}
            if self._inside or not defaults:
                drawn = {item.key: item.rounded(_draw(trial, item)) for item in self._space}
            settings = self._defaults if defaults else drawn
            return Running(self, trial, settings, defaults, len(self.trials()) + 1)

    def enqueue(self, params: Mapping[str, Any], attributes: Mapping[str, Any]) -> None:
        """Let the next trial be this one."""
        self._study.enqueue_trial(dict(params), user_attrs=dict(attributes))

    def trials(self) -> list[Trial]:
        """Every trial that ended by itself; what repeats an earlier one is left out."""
        with guarded(self._path):
            kept = [one.user_attrs[_KEPT] for one in self._raw() if _KEPT in one.user_attrs]
        return [Trial(number, **values) for number, values in enumerate(kept, 1)]

    def importances(self) -> dict[str, float] | None:
        """Parameter -> its share of the variance of the scores, largest first, adding up to 1.

        By functional ANOVA (Hutter, Hoos and Leyton-Brown 2014) over the finished trials in the
        search space; None below `FEWEST` of them, and where all scores are equal.
        """
        with guarded(self._path):
            from optuna.importance import FanovaImportanceEvaluator, get_param_importances

            inside = [
                one for one in self._raw("COMPLETE") if one.params and _KEPT in one.user_attrs
            ]
            if len(inside) < FEWEST or len({one.value for one in inside}) < 2:
                return None
            keys = [item.key for item in self._space]
            evaluator = FanovaImportanceEvaluator(seed=self._seed)
            try:
                return get_param_importances(self._study, evaluator=evaluator, params=keys)
            except RuntimeError:  # a forest that found no variance to share out
                return None

    def _raw(self, *states: str) -> list[optuna.trial.FrozenTrial]:
        every = self._study.get_trials(deepcopy=False)
        return [one for one in every if not states or one.state.name in states]


class Running:
    """A trial that was begun and has to be ended: kept, cut off, or told as a repetition.

    `number` is the one it will have among those that end by themselves, from 1.
    """

    def __init__(
        self,
        study: Study,
        trial: optuna.Trial,
        settings: dict[str, Any],
        defaults: bool = False,
        number: int = 0,
    ) -> None:
        self.settings, self.defaults, self.number = settings, defaults, number
        self._study, self._trial = study, trial

    def falls_behind(self, score: float, part: int) -> bool:
        """Note the best score so far after `part` of `PARTS`; whether the trial should be pruned.

        It should be where that is below the median of the finished trials by then.
        """
        with guarded(self._study._path):
            self._trial.report(score, part)
            return part < PARTS and not self.defaults and self._trial.should_prune()

    def keep(self, trial: Trial) -> None:
        """End it with what it came to; the trial's number is not kept."""
        kept = asdict(trial)
        del kept["number"]
        with guarded(self._study._path):
            self._trial.set_user_attr(_KEPT, kept)
            self._tell(trial)

    def repeat(self, trial: Trial) -> None:
        """End it without a run: `trial` had the same settings."""
        with guarded(self._study._path):
            if trial.score is not None:
                self._trial.report(trial.score, PARTS)
            self._tell(trial)

    def cut(self) -> None:
        """End it as one that was stopped from outside; its settings come next."""
        with guarded(self._study._path):
            self._study.enqueue(self._trial.params, self._trial.user_attrs)
            self._trial.set_user_attr(_CUT, True)
            self._tell(None)

    def settle(self) -> None:
        """End it after its process was killed."""
        kept = self._trial.user_attrs.get(_KEPT)
        if kept is None:
            self.cut()
        else:
            self._tell(Trial(0, **kept))

    def _tell(self, trial: Trial | None) -> None:
        from optuna.trial import TrialState

        study = self._study._study
        if trial is not None and trial.state == "complete":
            study.tell(self._trial, trial.score)
        else:
            pruned = trial is not None and trial.state == "pruned"
            study.tell(self._trial, state=TrialState.PRUNED if pruned else TrialState.FAIL)


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Optuna without its talk, and its faults with the study in `path` in our words."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (SQLAlchemyError, sqlite3.Error, optuna.exceptions.StorageInternalError) as error:
        cause = getattr(error, "orig", None) or error.__cause__ or error
        raise RankbenchError(
            f"{path / FILE} cannot be read or written: {str(cause).splitlines()[0]}.",
            f"Free some space, or remove {path} to begin the sweep anew.",
        ) from None


def _storage(path: Path) -> optuna.storages.RDBStorage:
    import optuna
    from sqlalchemy.pool import NullPool

    # By a creator: a path in an address would have to do without a question mark.
    return optuna.storages.RDBStorage(
        "sqlite://",
        engine_kwargs={"creator": lambda: sqlite3.connect(path, timeout=30), "poolclass": NullPool},
    )


def _draw(trial: optuna.Trial, item: Dimension) -> Any:
    if item.choices:
        return trial.suggest_categorical(item.key, item.choices)
    if item.integer:
        return trial.suggest_int(item.key, int(item.low), int(item.high), log=item.log)
    return trial.suggest_float(item.key, item.low, item.high, log=item.log)
