"""What every run of the library's trainers shares: one device, quiet, checkpoints whole or none."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.training import checkpoints as saved
from engine.training.recipe import Recipe
from engine.training.selection import bf16_is_fast

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Where checkpoints go; `key` names the run, and "" keeps none."""

    place: Path
    key: str = ""


def common_arguments(
    recipe: Recipe, batch_size: int, seed: int, device: str, place: Path
) -> dict[str, Any]:
    """Arguments of a trainer, whose callback asks for each checkpoint and tells each step."""
    return {
        "output_dir": str(place),
        "num_train_epochs": recipe["epochs"],
        "max_steps": recipe["max_steps"] or -1,
        "per_device_train_batch_size": batch_size,
        "learning_rate": recipe["lr"],
        "warmup_steps": recipe["warmup"],
        "weight_decay": recipe["weight_decay"],
        "seed": seed,
        "data_seed": seed,
        "bf16": bf16_is_fast(device),
        "use_cpu": device == "cpu",
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": False,
        "report_to": [],
        "disable_tqdm": True,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_strategy": "no",
    }


def unwrap(model: torch.nn.Module) -> None:
    """Give a trained model its own forward back.

    Mixed precision hides the class's behind a wrapped one: what is saved must encode in float32,
    and a next stage's trainer leaves alone what is marked as prepared.
    """
    for name in ("forward", "_original_forward", "_is_accelerate_prepared"):
        model.__dict__.pop(name, None)


class WholeCheckpoints:
    """For a trainer: its checkpoints are whole or not there, and one that cannot be written stops
    nothing. `max_steps` is at most what the epochs have. It makes no model card of its own, which
    would print.

    Attributes:
        keep: writes into a checkpoint what else belongs to it.
        tell: says a line in the log.
    """

    checkpoints: Checkpoints
    keep: Callable[[Path], object]
    tell: Callable[[str], object]

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        return None

    def set_initial_training_values(self, args: Any, dataloader: Any) -> Any:
        # The library takes `max_steps` in the place of the epochs, also where these have fewer.
        if args.max_steps > 0:
            args.max_steps = min(args.max_steps, math.ceil(args.num_train_epochs) * len(dataloader))
        return super().set_initial_training_values(args, dataloader)  # type: ignore[misc]

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        arguments: Any = self.args  # type: ignore[attr-defined]
        step: int = self.state.global_step  # type: ignore[attr-defined]

        def write(path: Path) -> None:
            whole, arguments.output_dir = arguments.output_dir, str(path.parent)
            try:
                super(WholeCheckpoints, self)._save_checkpoint(model, trial)  # type: ignore[misc]
            finally:
                arguments.output_dir = whole
            self.keep(path)

        try:
            saved.save(self.checkpoints.place, step, self.checkpoints.key, write)
        except Exception as error:  # torch and safetensors have errors of their own for a full disk
            line = (str(error).strip() or type(error).__name__).splitlines()[0]
            self.tell(f"No checkpoint could be written, training goes on: {line[:200]}")
