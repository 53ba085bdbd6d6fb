"""The training loop of a cross-encoder: CrossEncoderTrainer with progress, cancel and checkpoints.

Losses: binary cross-entropy on each pair; LambdaLoss, NDCG-Loss2++ (Wang et al., CIKM 2018); and
ListNet (Cao et al., ICML 2007), both over each list.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from sentence_transformers import CrossEncoder
from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
from sentence_transformers.cross_encoder.losses import (
    BinaryCrossEntropyLoss,
    LambdaLoss,
    ListNetLoss,
    NDCGLoss2PPScheme,
)
from transformers import PrinterCallback, TrainerCallback

from engine.training import checkpoints as saved
from engine.training.outcome import Cancelled, Report, ShouldStop, diverged
from engine.training.recipe import Recipe
from engine.training.selection import bf16_is_fast
from engine.training.teacher_rows import GradedList

CHECKPOINT_SECONDS = 60.0
# What the targets from 0 to 1 are multiplied by: LambdaLoss takes grades (its gain is 2^grade - 1),
# ListNet the logits of the distribution to reach.
_SCALES = {"bce": 1.0, "lambda": 3.0, "listnet": 5.0}


def fit(
    model: CrossEncoder,
    recipe: Recipe,
    lists: Sequence[GradedList],
    *,
    seed: int,
    place: Path,
    key: str,
    report: Report,
    stop: ShouldStop,
) -> None:
    """Train `model` in place to the last step; a whole checkpoint of the run `key` is gone on from.

    Raises:
        Cancelled: `stop` said so.
        RankbenchError: the loss is not finite; no checkpoint of it stays.
    """
    watch = _Watch(report, stop, keeping=bool(key))
    trainer = _trainer(model, recipe, lists, seed, place, watch)
    trainer.key = key
    path = saved.newest(place, key, lambda step: watch.tell(f"Checkpoint {step} was damaged."))
    if key and path is not None:
        watch.tell(f"Going on from step {path.name.rpartition('-')[2]}.")
    trainer.train(resume_from_checkpoint=str(path) if key and path is not None else None)
    # Mixed precision wrapped the model's forward; what is saved must score in float32.
    trainer.accelerator.unwrap_model(model, keep_fp32_wrapper=False)
    if watch.failed or not all(bool(torch.isfinite(p).all()) for p in model.parameters()):
        saved.prune(place, 0)
        raise diverged()
    if stop():
        raise Cancelled(f"Cancelled after step {trainer.state.global_step}; no teacher was kept.")
    model.eval()


def _trainer(
    model: CrossEncoder,
    recipe: Recipe,
    lists: Sequence[GradedList],
    seed: int,
    place: Path,
    watch: _Watch,
) -> _Trainer:
    device = model.device.type
    pointwise = recipe.loss == "bce"
    size = recipe["batch_size"]
    each = recipe["documents"] + recipe["negatives"]
    arguments = CrossEncoderTrainingArguments(
        output_dir=str(place),
        num_train_epochs=recipe["epochs"],
        max_steps=recipe["max_steps"] or -1,
        per_device_train_batch_size=size * each if pointwise else size,
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
    )
    trainer = _Trainer(
        model=model,
        args=arguments,
        train_dataset=_dataset(lists, recipe.loss),
        loss=_loss(model, recipe.loss),
        callbacks=[watch],
    )
    trainer.watch = watch
    trainer.remove_callback(PrinterCallback)
    return trainer


def _loss(model: CrossEncoder, name: str) -> torch.nn.Module:
    if name == "bce":
        return BinaryCrossEntropyLoss(model)
    if name == "lambda":
        return LambdaLoss(model, weighting_scheme=NDCGLoss2PPScheme(), mini_batch_size=-1)
    return ListNetLoss(model, mini_batch_size=-1)


def _dataset(lists: Sequence[GradedList], loss: str) -> Dataset:
    """Columns in the order the loss reads: the query, its document or documents, the targets."""
    scale = _SCALES[loss]
    if loss == "bce":
        pairs = [
            (row.query, document, target)
            for row in lists
            for document, target in zip(row.documents, row.targets, strict=True)
        ]
        queries, documents, targets = zip(*pairs, strict=True)
        return Dataset.from_dict(
            {"query": list(queries), "document": list(documents), "label": list(targets)}
        )
    return Dataset.from_dict(
        {
            "query": [row.query for row in lists],
            "documents": [list(row.documents) for row in lists],
            "labels": [[scale * target for target in row.targets] for row in lists],
        }
    )


class _Trainer(CrossEncoderTrainer):
    """Without the model card of its own, which prints; its checkpoints are whole or not there."""

    watch: _Watch
    key: str

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        return None

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        place = Path(self.args.output_dir)

        def write(path: Path) -> None:
            self.args.output_dir = str(path.parent)
            try:
                super(_Trainer, self)._save_checkpoint(model, trial)
            finally:
                self.args.output_dir = str(place)

        try:
            saved.save(place, self.state.global_step, self.key, write)
        except Exception as error:  # torch and safetensors have errors of their own for a full disk
            line = (str(error).strip() or type(error).__name__).splitlines()[0]
            self.watch.tell(f"No checkpoint could be written, training goes on: {line[:200]}")


class _Watch(TrainerCallback):
    """Reports each step, asks for checkpoints, stops on request."""

    def __init__(self, report: Report, stop: ShouldStop, *, keeping: bool) -> None:
        self.failed = False
        self._report, self._stop, self._keeping = report, stop, keeping
        self._kept = self._began = time.monotonic()
        self._first: int | None = None

    def tell(self, message: str) -> None:
        self._report({"event": "log", "message": message})

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._first, self._began = state.global_step, time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        stop, now = self._stop(), time.monotonic()
        control.should_training_stop |= stop
        if self._keeping and not self.failed and (stop or now - self._kept >= CHECKPOINT_SECONDS):
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
        each = (time.monotonic() - self._began) / max(1, state.global_step - (self._first or 0))
        self._report(
            {
                "event": "progress",
                "phase": "training",
                "step": state.global_step,
                "steps": state.max_steps,
                "epoch": round(float(state.epoch or 0), 3),
                "loss": round(float(loss), 5),
                "eta_s": round((state.max_steps - state.global_step) * each, 1),
            }
        )
