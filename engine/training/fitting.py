"""Fine-tuning by an `Objective`, with interpolation towards the base chosen on dev.

Interpolating base and tuned weights keeps what tuning forgets (Wortsman et al. 2022, WiSE-FT).
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from transformers import PrinterCallback

from engine.training import checkpoints as saved
from engine.training.batches import Sampler
from engine.training.objective import Objective
from engine.training.outcome import Best, Cancelled, Candidate, Report, ShouldStop, diverged
from engine.training.quiet_trainer import Checkpoints, WholeCheckpoints, common_arguments, unwrap
from engine.training.recipe import Recipe
from engine.training.selection import DevSet
from engine.training.watch import Watch
from engine.training.weights import Weights, add_lora, freeze, interpolate, plain_weights

_DOCUMENT_PROMPTS = ("document", "passage", "corpus")


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
    before: int = 0,
    base: Weights | None = None,
) -> None:
    """Train `model` in place, leave the chosen weights in it, and in `best` how they were chosen.

    Without a dev set the last epoch's weights at the recipe's `alpha` are chosen, and with one
    `best` decides. Interpolation 0 is the base itself and never a candidate. A whole checkpoint of
    the same run is gone on from. `before` is how many epochs earlier stages had, `base` what they
    began with: interpolations are between that and what is trained.

    A run that is stopped after an epoch's dev score keeps what was best by then, and
    `best.cancelled` says so.

    Raises:
        Cancelled: stopped before there was anything to keep.
        RankbenchError: the loss is not finite; no checkpoint of it stays.
    """
    base = plain_weights(model) if base is None else base
    lora = int(recipe.get("lora", 0))
    # Low-rank updates live in a copy: only the sum goes back into the model.
    trained = copy.deepcopy(model) if lora else model
    keeping = bool(checkpoints.key)
    watch = Watch(trained, base, recipe, dev, best, report, should_stop, keeping, before)
    length = model.max_seq_length
    trained.max_seq_length = min(int(recipe["max_length"]), length or int(recipe["max_length"]))
    try:
        freeze(trained, int(recipe.get("freeze", 0)))
        add_lora(trained, lora, seed)
        trainer = _trainer(trained, recipe, objective, seed, checkpoints, watch)
        path = _resumed(watch, checkpoints)
        step = int(path.rpartition("-")[2]) if path else 0
        if watch.patient:  # else dev had ended it before it was cut off
            trainer.train(resume_from_checkpoint=path)
            step = trainer.state.global_step
        watch.end(step)
    finally:
        unwrap(trained)
        trained.max_seq_length = length
        trained.requires_grad_(requires_grad=True)
    if watch.failed or not all(bool(torch.isfinite(p).all()) for p in trained.parameters()):
        if checkpoints.key:
            saved.prune(checkpoints.place, 0)
        raise diverged()
    if best.chosen is not None:  # taken from a checkpoint that knew no base
        watch.score_base()
    _choose(trained, base, recipe, best, watch, step, stopped=should_stop())
    model.load_state_dict(best.weights)
    model.eval()


def _choose(
    trained: SentenceTransformer,
    base: Weights,
    recipe: Recipe,
    best: Best,
    watch: Watch,
    step: int,
    *,
    stopped: bool,
) -> None:
    """Let `best` have the last word, or what was best when a person stopped the run.

    Raises:
        Cancelled: stopped before there was anything to keep.
    """
    if stopped:
        best.cancelled = step
        if best.chosen is None:
            raise Cancelled(f"Cancelled after step {step}; no encoder was kept.")
        return
    alpha = float(recipe["alpha"])

    def own() -> Weights:
        return interpolate(base, plain_weights(trained), alpha)

    if not watch.scores:
        best.take(Candidate(watch.epoch, alpha), own())
    if watch.patient:  # else the last epoch is what was found wanting
        best.settle(alpha, float(recipe["margin"]), own)


def _resumed(watch: Watch, checkpoints: Checkpoints) -> str | None:
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


def _trainer(
    model: SentenceTransformer,
    recipe: Recipe,
    objective: Objective,
    seed: int,
    checkpoints: Checkpoints,
    watch: Watch,
) -> SentenceTransformerTrainer:
    device = model.device.type
    arguments = SentenceTransformerTrainingArguments(
        **common_arguments(recipe, recipe["batch_size"], seed, device, checkpoints.place),
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
    trainer.checkpoints, trainer.keep, trainer.tell = checkpoints, watch.keep, watch.tell
    trainer.lora = bool(recipe.get("lora", 0))
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
    if objective.labels:
        columns["label"] = list(objective.labels)
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


class _Trainer(WholeCheckpoints, SentenceTransformerTrainer):
    lora: bool

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:
        # With low-rank updates the saved model is not one that loads: `watch` has put them back.
        if not self.lora:
            super()._load_from_checkpoint(checkpoint_path)
