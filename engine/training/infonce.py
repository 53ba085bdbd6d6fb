"""Fine-tuning of all weights, with interpolation towards the base chosen on dev.

The loss is an `Objective`; InfoNCE is this module's own.
The loss is MultipleNegativesRankingLoss (van den Oord et al. 2018, arXiv 1807.03748; Henderson et
al. 2017): cross-entropy of the positive among all documents of the batch, cosine times `scale`.
Interpolating base and tuned weights keeps what tuning forgets (Wortsman et al. 2022, WiSE-FT).
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from transformers import PrinterCallback, TrainerCallback

from engine.training import checkpoints as saved
from engine.training.batches import Plan, Sampler, without_false_negatives
from engine.training.examples import Examples
from engine.training.outcome import Best, Cancelled, Candidate, Report, ShouldStop, diverged
from engine.training.recipe import Recipe, alphas
from engine.training.selection import DevSet, bf16_is_fast

_DOCUMENT_PROMPTS = ("document", "passage", "corpus")


CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Objective:
    """What is trained on and with which loss.

    Attributes:
        plan: which rows make a batch.
        loss: makes the loss of a model; it gets one column of texts after the other.
        numbered: whether the loss also gets the rows' numbers, as labels.
    """

    examples: Examples
    plan: Plan
    loss: Callable[[SentenceTransformer], torch.nn.Module]
    numbered: bool = False


def infonce(examples: Examples, recipe: Recipe) -> Objective:
    """Cross-entropy of the positive among all documents of the batch."""
    return Objective(
        examples,
        without_false_negatives(examples),
        lambda model: MultipleNegativesRankingLoss(model, scale=recipe["scale"]),
    )


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Where checkpoints go; `key` names the run, and "" keeps none."""

    place: Path
    key: str = ""


def fit(
    model: SentenceTransformer,
    recipe: Recipe,
    objective: Objective,
    dev: DevSet | None,
    best: Best,
    *,
    seed: int,
    report: Report,
    should_stop: ShouldStop,
    checkpoints: Checkpoints,
) -> None:
    """Train `model` in place, leave the chosen weights in it, and in `best` how they were chosen.

    Without a dev set the last epoch's weights at the recipe's `alpha` are chosen, and with one
    `best` decides. Interpolation 0 is the base itself and never a candidate. A whole checkpoint of
    the same run is gone on from.

    A run that is stopped after an epoch's dev score keeps what was best by then, and
    `best.cancelled` says so.

    Raises:
        Cancelled: stopped before there was anything to keep.
        RankbenchError: the loss is not finite; no checkpoint of it stays.
    """
    length = model.max_seq_length
    base = _copy_weights(model)
    watch = _Watch(model, base, recipe, dev, best, report, should_stop, bool(checkpoints.key))
    model.max_seq_length = min(int(recipe["max_length"]), length or int(recipe["max_length"]))
    try:
        trainer = _trainer(model, recipe, objective, seed, checkpoints, watch)
        trainer.train(resume_from_checkpoint=_resumed(watch, checkpoints))
        # Mixed precision wrapped the model's forward; what is saved must encode in float32.
        trainer.accelerator.unwrap_model(model, keep_fp32_wrapper=False)
    finally:
        model.max_seq_length = length
    if watch.failed or not all(bool(torch.isfinite(p).all()) for p in model.parameters()):
        if checkpoints.key:
            saved.prune(checkpoints.place, 0)
        raise diverged()
    if should_stop():
        best.cancelled = trainer.state.global_step
        if best.chosen is None:
            raise Cancelled(f"Cancelled after step {best.cancelled}; no encoder was kept.")
    else:
        alpha = float(recipe["alpha"])

        def own() -> dict[str, torch.Tensor]:
            return interpolate(base, _copy_weights(model), alpha)

        if best.chosen is None:
            best.offer(Candidate(watch.epoch, alpha), own)
        best.settle(alpha, float(recipe["margin"]), own)
    model.load_state_dict(best.weights)
    model.eval()


def _resumed(watch: _Watch, checkpoints: Checkpoints) -> str | None:
    """The checkpoint to go on from; what was best until then is put back."""
    if not checkpoints.key:
        return None
    damaged: list[int] = []
    path = saved.newest(checkpoints.place, checkpoints.key, damaged.append)
    for step in damaged:
        watch.tell(f"The checkpoint of step {step} is damaged and was deleted.")
    if path is None:
        if damaged:
            watch.tell("No sound checkpoint is left: the run starts over.")
        elif saved.others(checkpoints.place, checkpoints.key):
            watch.tell("The data or the recipe changed since the checkpoint: the run starts over.")
        return None
    watch.restore(path)
    watch.tell(f"Going on from step {path.name.rpartition('-')[2]}.")
    return str(path)


def interpolate(
    base: dict[str, torch.Tensor], tuned: dict[str, torch.Tensor], alpha: float
) -> dict[str, torch.Tensor]:
    """(1 - alpha) base + alpha tuned for floating tensors; others (position ids) unchanged."""
    return {
        name: torch.lerp(base[name], value, alpha) if value.is_floating_point() else value.clone()
        for name, value in tuned.items()
    }


def _copy_weights(model: SentenceTransformer) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _trainer(
    model: SentenceTransformer,
    recipe: Recipe,
    objective: Objective,
    seed: int,
    checkpoints: Checkpoints,
    watch: _Watch,
) -> SentenceTransformerTrainer:
    device = model.device.type
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(checkpoints.place),
        num_train_epochs=recipe["epochs"],
        max_steps=recipe["max_steps"] or -1,
        per_device_train_batch_size=recipe["batch_size"],
        learning_rate=recipe["lr"],
        warmup_steps=recipe["warmup"],
        weight_decay=recipe["weight_decay"],
        seed=seed,
        data_seed=seed,
        bf16=bf16_is_fast(device),
        use_cpu=device == "cpu",
        dataloader_num_workers=0,
        dataloader_pin_memory=False,
        report_to=[],
        disable_tqdm=True,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",  # `watch` asks for each checkpoint
        batch_sampler=Sampler(objective.plan, seed),
        prompts=_prompts(model, objective.examples.negatives),
    )
    trainer = _Trainer(
        model=model,
        args=arguments,
        train_dataset=_dataset(objective),
        loss=objective.loss(model),
        callbacks=[watch],
    )
    trainer.checkpoints, trainer.watch = checkpoints, watch
    trainer.remove_callback(PrinterCallback)
    return trainer


def _dataset(objective: Objective) -> Dataset:
    """Columns in the order the loss reads: query, positive, hard negatives."""
    examples = objective.examples
    columns: dict[str, list[Any]] = {
        "query": [row.query for row in examples.rows],
        "positive": [row.positive for row in examples.rows],
    }
    for number in range(examples.negatives):
        columns[f"negative_{number}"] = [row.negatives[number] for row in examples.rows]
    if objective.numbered:
        return Dataset.from_dict({**columns, "label": list(range(len(examples.rows)))})
    return Dataset.from_dict(columns)


def _prompts(model: SentenceTransformer, negatives: int) -> dict[str, str] | None:
    """The prompts that `encode_query` and `encode_document` would put before each column."""
    known = model.prompts or {}
    default = known.get(model.default_prompt_name or "", "")
    document = next((known[name] for name in _DOCUMENT_PROMPTS if name in known), default)
    columns = {"query": known.get("query", default), "positive": document}
    columns |= {f"negative_{number}": document for number in range(negatives)}
    found = {column: prompt for column, prompt in columns.items() if prompt}
    return found or None


class _Trainer(SentenceTransformerTrainer):
    """Without the callback that gathers examples for a model card of its own, which prints.

    Its checkpoints are whole or not there, and one that cannot be written stops nothing.
    """

    checkpoints: Checkpoints
    watch: _Watch

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        return None

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        def write(path: Path) -> None:
            whole, self.args.output_dir = self.args.output_dir, str(path.parent)
            try:
                super(_Trainer, self)._save_checkpoint(model, trial)
            finally:
                self.args.output_dir = whole
            self.watch.keep(path)

        try:
            saved.save(self.checkpoints.place, self.state.global_step, self.checkpoints.key, write)
        except Exception as error:  # torch and safetensors have errors of their own for a full disk
            line = (str(error).strip() or type(error).__name__).splitlines()[0]
            self.watch.tell(f"No checkpoint could be written, training goes on: {line[:200]}")


class _Watch(TrainerCallback):
    """Reports each step, stops on request, and scores each epoch's interpolations on dev."""

    def __init__(
        self,
        model: SentenceTransformer,
        base: dict[str, torch.Tensor],
        recipe: Recipe,
        dev: DevSet | None,
        best: Best,
        report: Report,
        should_stop: ShouldStop,
        keeping: bool,
    ) -> None:
        self.best = best
        self.failed = False
        self.epoch = 0
        self._model = model
        self._base = base
        self._alphas = alphas(recipe)
        self._dev = dev
        self._report = report
        self._should_stop = should_stop
        self._keeping = keeping
        self._kept = time.monotonic()
        # Scoring happens in a copy: the weights under training and their state stay untouched.
        self._scorer = copy.deepcopy(model) if dev else None
        self._busy = 0.0
        self._steps = 0
        self._scoring: float | None = None
        self._began = 0.0

    def tell(self, message: str) -> None:
        self._report({"event": "log", "message": message})

    def keep(self, path: Path) -> None:
        """Write into a checkpoint what was best so far."""
        best = self.best
        state = {
            "epoch": self.epoch,
            "tried": [asdict(candidate) for candidate in best.tried],
            "chosen": asdict(best.chosen) if best.chosen else None,
            "weights": best.weights,
        }
        torch.save(state, path / "best.pt")

    def restore(self, path: Path) -> None:
        """Put back what `keep` wrote."""
        state = torch.load(path / "best.pt", weights_only=True)
        self.epoch = state["epoch"]
        self.best.tried[:] = [Candidate(**found) for found in state["tried"]]
        self.best.chosen = Candidate(**state["chosen"]) if state["chosen"] else None
        self.best.weights = state["weights"]

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._began = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        now = time.monotonic()
        self._busy += now - self._began
        self._steps += 1
        stop = self._should_stop()
        control.should_training_stop |= stop
        # At the end of an epoch the checkpoint waits for the dev scores.
        within = not float(state.epoch or 0).is_integer() and state.global_step < state.max_steps
        due = stop or now - self._kept >= CHECKPOINT_SECONDS
        if self._keeping and within and due and not self.failed:
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
        each = self._busy / max(1, self._steps)
        scorings = max(0, math.ceil(state.num_train_epochs) - self.epoch) if self._scorer else 0
        left = (state.max_steps - state.global_step) * each
        if scorings:
            # Scoring an epoch may take longer than its steps: untold until one was timed.
            left = math.nan if self._scoring is None else left + scorings * self._scoring
        self._report(
            {
                "event": "progress",
                "phase": "training",
                "step": state.global_step,
                "steps": state.max_steps,
                "epoch": round(float(state.epoch or 0), 3),
                "loss": round(float(loss), 5),
                "eta_s": None if math.isnan(left) else round(left, 1),
            }
        )

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.failed or self._should_stop():
            return
        self.epoch += 1
        control.should_save = self._keeping
        self._kept = time.monotonic()
        if self._scorer is None or self._dev is None:
            return
        began = time.monotonic()
        tuned = _copy_weights(self._model)
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
                    "score": round(candidate.score, 5),
                    "best": better,
                }
            )
        self._scoring = time.monotonic() - began
