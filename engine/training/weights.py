"""A model's weights as plain tensors: copied, interpolated, frozen, or moved at low rank (LoRA)."""

from __future__ import annotations

from typing import Any

import torch
from sentence_transformers import SentenceTransformer

from engine.training.recipe import check_frozen

Weights = dict[str, torch.Tensor]
_LORA_ALPHA = 2
"""The updates are scaled by this: alpha / rank with alpha twice the rank, as is usual."""


def plain_weights(model: SentenceTransformer) -> Weights:
    """A copy of the model's weights under the base's own names, low-rank updates added in."""
    updates = _updates(model)
    found: Weights = {}
    for name, value in model.state_dict().items():
        if ".lora_" in name:
            continue
        plain = name.replace(".base_layer.", ".")
        module = plain.rpartition(".")[0]
        moved = plain.endswith(".weight") and module in updates
        found[plain] = (value + updates[module]).detach() if moved else value.detach().clone()
    return found


def interpolate(base: Weights, tuned: Weights, alpha: float) -> Weights:
    """(1 - alpha) base + alpha tuned for floating tensors; others (position ids) unchanged."""
    return {
        name: torch.lerp(base[name], value, alpha) if value.is_floating_point() else value.clone()
        for name, value in tuned.items()
    }


def freeze(model: SentenceTransformer, layers: int) -> None:
    """Keep the word embeddings and the first `layers` layers as they are; 0 keeps nothing.

    Raises:
        UsageError: the encoder has no more layers than that.
    """
    if not layers:
        return
    stack = _layers(model)
    check_frozen(layers, len(stack))
    embeddings = getattr(model[0].auto_model, "embeddings", torch.nn.Module())
    for part in (embeddings, *stack[:layers]):
        part.requires_grad_(requires_grad=False)


def add_lora(model: SentenceTransformer, rank: int, seed: int) -> None:
    """Let only low-rank updates of the linear layers move (Hu et al. 2021, arXiv 2106.09685).

    `plain_weights` has them added to the weights, so that nothing of LoRA is saved. `rank` 0 leaves
    the model as it is. Frozen layers get none. They begin at random, by `seed`.
    """
    if not rank:
        return
    from peft import LoraConfig, inject_adapter_in_model

    body = model[0].auto_model
    frozen = {name for name, value in body.named_parameters() if not value.requires_grad}
    config = LoraConfig(
        r=rank,
        lora_alpha=_LORA_ALPHA * rank,
        lora_dropout=0.0,
        target_modules=[
            name
            for name, module in body.named_modules()
            if isinstance(module, torch.nn.Linear) and f"{name}.weight" not in frozen
        ],
    )
    torch.manual_seed(seed)  # the Trainer sets it only afterwards
    inject_adapter_in_model(config, body)
    for name, value in model.named_parameters():
        value.requires_grad_(requires_grad=".lora_" in name)


def _updates(model: SentenceTransformer) -> Weights:
    """Name of a linear layer -> what its low-rank update adds to its weight."""
    found: Weights = {}
    for name, module in model.named_modules():
        delta: Any = getattr(module, "get_delta_weight", None)
        if delta is not None and getattr(module, "active_adapters", None):
            found[name] = sum(delta(adapter) for adapter in module.active_adapters)
    return found


def _layers(model: SentenceTransformer) -> list[torch.nn.Module]:
    """The transformer's layers from below: its longest list of modules."""
    lists = [m for m in model[0].auto_model.modules() if isinstance(m, torch.nn.ModuleList)]
    return list(max(lists, key=len, default=()))
