"""The training loop of a cross-encoder: CrossEncoderTrainer with progress, cancel and checkpoints.

Losses: binary cross-entropy on each pair; LambdaLoss, NDCG-Loss2++ (Wang et al., CIKM 2018); and
ListNet (Cao et al., ICML 2007), both over each list.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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
from transformers import PrinterCallback

from engine.training import checkpoints as saved
from engine.training.outcome import Cancelled, Report, ShouldStop, diverged
from engine.training.quiet_trainer import Checkpoints, WholeCheckpoints, common_arguments, unwrap
from engine.training.recipe import Recipe
from engine.training.teacher_rows import GradedList
from engine.training.watch import StepWatch

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
    watch = StepWatch(report, stop, keeping=bool(key))
    trainer = _trainer(model, recipe, lists, seed, Checkpoints(place, key), watch)
    path = saved.newest(place, key, lambda step: watch.tell(f"Checkpoint {step} was damaged."))
    if key and path is not None:
        watch.tell(f"Going on from step {path.name.rpartition('-')[2]}.")
    trainer.train(resume_from_checkpoint=str(path) if key and path is not None else None)
    unwrap(model)
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
    checkpoints: Checkpoints,
    watch: StepWatch,
) -> _Trainer:
    device = model.device.type
    pointwise = recipe.loss == "bce"
    size = recipe["batch_size"]
    each = recipe["documents"] + recipe["negatives"]
    batch = size * each if pointwise else size
    arguments = CrossEncoderTrainingArguments(
        **common_arguments(recipe, batch, seed, device, checkpoints.place)
    )
    trainer = _Trainer(
        model=model,
        args=arguments,
        train_dataset=_dataset(lists, recipe.loss),
        loss=_loss(model, recipe.loss),
        callbacks=[watch],
    )
    trainer.checkpoints, trainer.tell = checkpoints, watch.tell
    trainer.keep = lambda path: None
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


class _Trainer(WholeCheckpoints, CrossEncoderTrainer):
    """The library's, quiet."""
