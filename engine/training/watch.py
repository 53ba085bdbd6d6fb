"""What is done beside the steps: progress, dev scores, stopping, and what a checkpoint keeps."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from transformers import TrainerCallback

from engine.training.outcome import Best, Candidate, Report, ShouldStop, written
from engine.training.recipe import Recipe, alphas
from engine.training.remarks import many
from engine.training.selection import DevSet
from engine.training.weights import Weights, interpolate, plain_weights

CHECKPOINT_SECONDS = 60.0


class StepWatch(TrainerCallback):
    """Reports each step, asks for a checkpoint every minute, stops on request.

    Args:
        keeping: whether there are checkpoints at all.
    """

    def __init__(self, report: Report, should_stop: ShouldStop, *, keeping: bool) -> None:
        self.failed = False
        """True once a loss was not finite."""
        self._report = report
        self._should_stop = should_stop
        self._keeping = keeping
        self._kept = time.monotonic()
        self._busy = 0.0
        self._steps = 0
        self._began = 0.0

    def tell(self, message: str) -> None:
        self._report({"event": "log", "message": message})

    def end(self, step: int) -> None:
        """Tell the last step of a run that was taken up only to end."""
        if step and not self._steps:
            done = {"step": step, "steps": step, "eta_s": 0.0}
            self._report({"event": "progress", "phase": "training", **done})

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._began = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        now = time.monotonic()
        self._busy += now - self._began
        self._steps += 1
        stop = self._should_stop()
        control.should_training_stop |= stop
        due = stop or now - self._kept >= CHECKPOINT_SECONDS
        if self._keeping and due and self._may_keep(state) and not self.failed:
            control.should_save = True
            self._kept = now

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        loss = (logs or {}).get("loss")
        if loss is None:
            return
        if not math.isfinite(loss):
            self.failed = True
            control.should_training_stop = True
            return
        left = self._left(state, self._busy / max(1, self._steps))
        self._report(
            {
                "event": "progress",
                "phase": "training",
                "step": state.global_step,
                "steps": state.max_steps,
                "epoch": round(float(state.epoch or 0), 3),
                "loss": round(float(loss), 5),
                "eta_s": None if left is None else round(left, 1),
            }
        )

    def _may_keep(self, state: Any) -> bool:
        """Whether a checkpoint may be written after this step."""
        return True

    def _left(self, state: Any, each: float) -> float | None:
        """Seconds to the end of the run at `each` a step; None where they cannot be told."""
        return (state.max_steps - state.global_step) * each


class Watch(StepWatch):
    """Also scores each epoch's interpolations on dev, and keeps what was best."""

    def __init__(
        self,
        model: SentenceTransformer,
        base: Weights,
        recipe: Recipe,
        dev: DevSet | None,
        best: Best,
        report: Report,
        should_stop: ShouldStop,
        keeping: bool,
        before: int = 0,
    ) -> None:
        super().__init__(report, should_stop, keeping=keeping)
        self.best = best
        self.epoch = self._before = before
        self._model = model
        self._base = base
        self._alphas = alphas(recipe)
        self._dev = dev
        # Scoring happens in a copy: the weights under training and their state stay untouched.
        self._scorer = copy.deepcopy(model) if dev else None
        self._scoring: float | None = None
        self._patience = int(recipe.get("patience", 0))
        self._part = "stage" if recipe.loss == "hard-negatives" else "run"
        self._waited = 0
        self.patient = True
        """False once no better dev score came for long enough."""

    @property
    def scores(self) -> bool:
        """Whether epochs get a dev score."""
        return self._scorer is not None

    def keep(self, path: Path) -> None:
        """Write into a checkpoint what was best so far."""
        best = self.best
        state = {
            "epoch": self.epoch,
            "tried": [asdict(candidate) for candidate in best.tried],
            "chosen": asdict(best.chosen) if best.chosen else None,
            "weights": best.weights,
            "base": best.base,
            "waited": self._waited,
            "updates": {k: v for k, v in self._model.state_dict().items() if ".lora_" in k},
        }
        torch.save(state, path / "best.pt")

    def restore(self, path: Path) -> None:
        """Put back what `keep` wrote."""
        state = torch.load(path / "best.pt", weights_only=True)
        self.epoch = state["epoch"]
        self.best.tried[:] = [Candidate(**found) for found in state["tried"]]
        self.best.chosen = Candidate(**state["chosen"]) if state["chosen"] else None
        self.best.weights = state["weights"]
        self.best.base = tuple(state.get("base", ()))
        self._waited = state["waited"]
        self.patient = not 0 < self._patience <= self._waited
        self._model.load_state_dict(state["updates"], strict=False)

    def score_base(self) -> None:
        """Score the base once, as the candidates are: their interpolation 0."""
        if self._scorer is None or self._dev is None or self.best.base:
            return
        self._scorer.load_state_dict(self._base)
        self._scorer.eval()
        self.best.base = self._dev.score(self._scorer)
        self.tell(self._dev.told(self.best.base))

    def _may_keep(self, state: Any) -> bool:
        # At the end of an epoch the checkpoint waits for the dev scores.
        return not float(state.epoch or 0).is_integer() and state.global_step < state.max_steps

    def _left(self, state: Any, each: float) -> float | None:
        left = (state.max_steps - state.global_step) * each
        done = self.epoch - self._before
        scorings = max(0, math.ceil(state.num_train_epochs) - done) if self._scorer else 0
        if not scorings:
            return left
        # Scoring an epoch may take longer than its steps: untold until one was timed.
        return None if self._scoring is None else left + scorings * self._scoring

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.failed:
            return
        if self._should_stop():
            # Not one step into the next epoch: its checkpoint would know no score of this one.
            control.should_training_stop = True
            return
        self.epoch += 1
        control.should_save = self._keeping
        self._kept = time.monotonic()
        if self._scorer is None or self._dev is None:
            return
        self.score_base()
        began = time.monotonic()
        tuned = plain_weights(self._model)
        rising = False
        for alpha in self._alphas:
            # Cancelled must not travel through the Trainer: ask it to end instead.
            if self._should_stop():
                control.should_training_stop = True
                control.should_save = False
                return
            weights = interpolate(self._base, tuned, alpha)
            self._scorer.load_state_dict(weights)
            self._scorer.eval()
            candidate = Candidate(self.epoch, alpha, self._dev.score(self._scorer))
            better = self.best.offer(candidate, lambda kept=weights: kept)
            rising |= better
            self._report(
                {
                    "event": "progress",
                    "phase": "dev",
                    "step": state.global_step,
                    "steps": state.max_steps,
                    "epoch": self.epoch,
                    "alpha": alpha,
                    "measure": self._dev.measure,
                    "queries": len(self._dev.ids),
                    "score": written(candidate.score),
                    "best": better,
                }
            )
        self._scoring = time.monotonic() - began
        self._waited = 0 if rising else self._waited + 1
        if self._patience and self._waited >= self._patience:
            epochs = many(self._patience, "epoch", "epochs")
            self.tell(f"No better dev score for {epochs}: this {self._part} ends here.")
            self.patient = False
            control.should_training_stop = True
