"""From rows to weights: the one stage of most recipes, or the two of `hard-negatives`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.supervise.whole import tell_stage
from engine.training import checkpoints as saved
from engine.training import fitting
from engine.training.examples import Examples
from engine.training.objectives import OBJECTIVES
from engine.training.outcome import Best, Cancelled, Candidate, Report, ShouldStop
from engine.training.recipe import Recipe
from engine.training.vectors import vectors_of
from engine.training.weights import Weights, plain_weights

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from engine.training.flags import Replayed
    from engine.training.mining import Labels
    from engine.training.selection import DevSet


@dataclass(frozen=True, slots=True)
class Fitting:
    """What every trainer needs.

    Attributes:
        known: text -> its vector by the base, as far as it is indexed.
        texts: product id -> rendered text, the catalog that negatives are mined in.
        labels: a teacher's word on what is mined, where one was named.
    """

    recipe: Recipe
    examples: Examples
    dev: DevSet | None
    seed: int
    report: Report
    stop: ShouldStop
    known: Mapping[str, np.ndarray]
    texts: Mapping[str, str]
    labels: Labels | None = None

    def run(
        self,
        model: SentenceTransformer,
        best: Best,
        replayed: Replayed | None,
        place: Path,
        key: str,
    ) -> tuple[SentenceTransformer, np.ndarray | None]:
        """The model with the chosen weights, and the adapter's W where that was trained."""
        loss = self.recipe.loss
        if loss == "adapter":
            return self._adapter(model, best)
        if loss == "hard-negatives":
            self._rounds(model, best, place, key)
        elif replayed is not None:
            from engine.training.objectives.flags import flags

            self._fit(model, flags(replayed, self.recipe), best, place, key)
        else:
            self._fit(model, OBJECTIVES[loss](self.examples, self.recipe), best, place, key)
        return model, None

    def _fit(
        self,
        model: SentenceTransformer,
        objective: fitting.Objective,
        best: Best,
        place: Path,
        key: str,
        *,
        recipe: Recipe | None = None,
        before: tuple[int, int] = (0, 0),
        base: Weights | None = None,
    ) -> int:
        """One stage after `before` epochs and steps; returns the steps it took."""
        epochs, steps = before
        last = 0

        def report(event: dict[str, Any]) -> None:
            nonlocal last
            if steps and event.get("steps"):
                event = {**event, "step": steps + event["step"], "steps": steps + event["steps"]}
            last = max(last, int(event.get("step", 0)) - steps)
            self.report(event)

        fitting.fit(
            model,
            recipe or self.recipe,
            objective,
            self.dev,
            best,
            seed=self.seed,
            report=report,
            should_stop=self.stop,
            checkpoints=fitting.Checkpoints(place, key),
            before=epochs,
            base=base,
        )
        if best.cancelled is not None:
            best.cancelled += steps
        return last

    def _rounds(self, model: SentenceTransformer, best: Best, place: Path, key: str) -> None:
        """InfoNCE on the judged negatives, then on mined ones, mined anew before each round."""
        from engine.training.mining import mine
        from engine.training.objectives.infonce import infonce

        first, rounds = int(self.recipe["first_epochs"]), int(self.recipe["rounds"])
        plans = [first] if first else []
        plans += [int(self.recipe["epochs"])] * rounds
        before = (0, 0)
        examples, base = self.examples, plain_weights(model)
        for number, epochs in enumerate(plans):
            kept = _Ended(place / f"stage-{number}.pt", _stage_key(key, number))
            done = kept.restore(model, best) if key else None
            if done is None:
                if number or not first:
                    self.report({"event": "progress", "phase": "mining", "step": 0, "steps": 0})
                    given = self.examples, self.texts, self.recipe, self.report, self.stop
                    try:
                        examples = mine(model, *given, self.labels)
                    except Cancelled:
                        if best.chosen is None:
                            raise
                        best.cancelled = before[1]
                        return
                    for note in examples.notes[len(self.examples.notes) :]:
                        self.report({"event": "log", "message": note})
                done = self._fit(
                    model,
                    infonce(examples, self.recipe),
                    best,
                    place,
                    _stage_key(key, number),
                    recipe=replace(
                        self.recipe, parameters={**self.recipe.parameters, "epochs": epochs}
                    ),
                    before=before,
                    base=base,
                )
                if best.cancelled is not None:
                    return
                if key and number + 1 < len(plans) and kept.keep(best, done):
                    # Steps begin at 1 again: the next stage's checkpoints would count as older.
                    saved.prune(place, 0)
            # Epochs that it had: `max_steps` or `patience` may have ended it.
            before = (best.tried[-1].epoch, before[1] + done)

    def _adapter(
        self, model: SentenceTransformer, best: Best
    ) -> tuple[SentenceTransformer, np.ndarray]:
        from engine.training import adapter

        vectors = vectors_of(model, adapter.needed_texts(self.examples, self.dev), self.known)
        weight = adapter.fit(
            model,
            self.recipe,
            self.examples,
            self.dev,
            best,
            seed=self.seed,
            report=self.report,
            should_stop=self.stop,
            vectors=vectors,
        )
        return adapter.attach(model, weight), weight


@dataclass(frozen=True, slots=True)
class _Ended:
    """What a stage left, kept beside the checkpoints so that a resumed run does not repeat it."""

    path: Path
    key: str

    def keep(self, best: Best, steps: int) -> bool:
        """Whether it could be kept; a full disk costs the stage, not the run."""
        import torch

        assert best.chosen is not None
        state = {
            "key": self.key,
            "steps": steps,
            "tried": [asdict(candidate) for candidate in best.tried],
            "chosen": asdict(best.chosen),
            "weights": best.weights,
            "base": best.base,
        }
        partial = self.path.with_suffix(".partial")
        try:
            torch.save(state, partial)
            tell_stage(self.path, steps, partial.stat().st_size)
            partial.replace(self.path)
        except (OSError, RuntimeError):
            partial.unlink(missing_ok=True)
            return False
        return True

    def restore(self, model: SentenceTransformer, best: Best) -> int | None:
        """The stage's steps, its weights put back; None where it is not there, or another's."""
        import torch

        try:
            state = torch.load(self.path, weights_only=True)
            if state["key"] != self.key:
                return None
            base = tuple(state["base"])
            model.load_state_dict(state["weights"])
        except Exception:  # absent or damaged: torch has errors of its own for that
            return None
        best.tried[:] = [Candidate(**found) for found in state["tried"]]
        best.chosen, best.weights = Candidate(**state["chosen"]), state["weights"]
        best.base = base
        return int(state["steps"])


def _stage_key(key: str, number: int) -> str:
    return hashlib.sha256(f"{key} {number}".encode()).hexdigest()[:16] if key else ""
