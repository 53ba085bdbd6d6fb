"""InfoNCE fine-tuning of all weights, with interpolation towards the base chosen on dev.

The loss is MultipleNegativesRankingLoss (van den Oord et al. 2018, arXiv 1807.03748; Henderson et
al. 2017): cross-entropy of the positive among all documents of the batch, cosine times `scale`.
Interpolating base and tuned weights keeps what tuning forgets (Wortsman et al. 2022, WiSE-FT).
"""

from __future__ import annotations

import copy
import math
import time
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

from engine.training.batches import Sampler
from engine.training.examples import Examples
from engine.training.outcome import Best, Candidate, Report, ShouldStop, check_stop, diverged
from engine.training.recipe import Recipe, alphas
from engine.training.selection import DevSet, bf16_is_fast

_DOCUMENT_PROMPTS = ("document", "passage", "corpus")


def fit(
    model: SentenceTransformer,
    recipe: Recipe,
    examples: Examples,
    dev: DevSet | None,
    *,
    seed: int,
    report: Report,
    should_stop: ShouldStop,
    checkpoints: Path,
    keep_checkpoints: bool,
) -> Best:
    """Train `model` in place and leave the chosen weights in it.

    Without a dev set the last epoch's weights at the recipe's `alpha` are chosen, and with one
    they are kept unless another candidate is clearly better (`Best.settle`). Interpolation 0 is
    the base itself and never a candidate.

    Raises:
        Cancelled: `should_stop` said so at a step or between two dev scores.
        RankbenchError: the loss is not finite.
    """
    length = model.max_seq_length
    base = _copy_weights(model)
    watch = _Watch(model, base, recipe, dev, report, should_stop)
    model.max_seq_length = min(int(recipe["max_length"]), length or int(recipe["max_length"]))
    try:
        trainer = _trainer(model, recipe, examples, seed, checkpoints, keep_checkpoints, watch)
        trainer.train()
        # Mixed precision wrapped the model's forward; what is saved must encode in float32.
        trainer.accelerator.unwrap_model(model, keep_fp32_wrapper=False)
    finally:
        model.max_seq_length = length
    check_stop(should_stop)
    if watch.failed or not all(bool(torch.isfinite(p).all()) for p in model.parameters()):
        raise diverged()
    best = watch.best
    alpha = float(recipe["alpha"])

    def own() -> dict[str, torch.Tensor]:
        return interpolate(base, _copy_weights(model), alpha)

    if best.chosen is None:
        best.offer(Candidate(watch.epoch, alpha), own)
    best.settle(alpha, float(recipe["margin"]), own)
    model.load_state_dict(best.weights)
    model.eval()
    return best


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
    examples: Examples,
    seed: int,
    checkpoints: Path,
    keep_checkpoints: bool,
    watch: _Watch,
) -> SentenceTransformerTrainer:
    device = model.device.type
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(checkpoints),
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
        save_strategy="epoch" if keep_checkpoints else "no",
        save_total_limit=1,
        batch_sampler=Sampler(examples, seed),
        prompts=_prompts(model, examples.negatives),
    )
    trainer = _Trainer(
        model=model,
        args=arguments,
        train_dataset=_dataset(examples),
        loss=MultipleNegativesRankingLoss(model, scale=recipe["scale"]),
        callbacks=[watch],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _dataset(examples: Examples) -> Dataset:
    """Columns in the order the loss reads: query, positive, hard negatives."""
    columns: dict[str, list[str]] = {
        "query": [row.query for row in examples.rows],
        "positive": [row.positive for row in examples.rows],
    }
    for number in range(examples.negatives):
        columns[f"negative_{number}"] = [row.negatives[number] for row in examples.rows]
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
    """Without the callback that gathers examples for a model card of its own, which prints."""

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        return None


class _Watch(TrainerCallback):
    """Reports each step, stops on request, and scores each epoch's interpolations on dev."""

    def __init__(
        self,
        model: SentenceTransformer,
        base: dict[str, torch.Tensor],
        recipe: Recipe,
        dev: DevSet | None,
        report: Report,
        should_stop: ShouldStop,
    ) -> None:
        self.best = Best()
        self.failed = False
        self.epoch = 0
        self._model = model
        self._base = base
        self._alphas = alphas(recipe)
        self._dev = dev
        self._report = report
        self._should_stop = should_stop
        # Scoring happens in a copy: the weights under training and their state stay untouched.
        self._scorer = copy.deepcopy(model) if dev else None
        self._busy = 0.0
        self._scoring = 0.0
        self._began = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._began = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._busy += time.monotonic() - self._began
        if self._should_stop():
            control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        loss = (logs or {}).get("loss")
        if loss is None:
            return
        if not math.isfinite(loss):
            self.failed = True
            control.should_training_stop = True
            return
        each = self._busy / max(1, state.global_step)
        scorings = max(0, math.ceil(state.num_train_epochs) - self.epoch) if self._scorer else 0
        left = (state.max_steps - state.global_step) * each + scorings * self._scoring
        self._report(
            {
                "event": "progress",
                "phase": "training",
                "step": state.global_step,
                "steps": state.max_steps,
                "epoch": round(float(state.epoch or 0), 3),
                "loss": round(float(loss), 5),
                "eta_s": round(left, 1),
            }
        )

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.epoch += 1
        if self._scorer is None or self._dev is None or self.failed or self._should_stop():
            return
        began = time.monotonic()
        tuned = _copy_weights(self._model)
        for alpha in self._alphas:
            # Cancelled must not travel through the Trainer: ask it to end instead.
            if self._should_stop():
                control.should_training_stop = True
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
                    "score": round(candidate.score, 5),
                    "best": better,
                }
            )
        self._scoring = time.monotonic() - began
