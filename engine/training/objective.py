"""What a run minimises: rows, how they meet in batches, and a loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.training.batches import Plan
from engine.training.examples import Examples

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer


@dataclass(frozen=True, slots=True)
class Objective:
    """What is trained on and with which loss.

    Attributes:
        plan: which rows make a batch.
        loss: makes the loss of a model; it gets one column of texts after the other.
        labels: what the loss gets of each row beside its texts, a number or a list of numbers; ()
            for a loss that takes none.
    """

    examples: Examples
    plan: Plan
    loss: Callable[[SentenceTransformer], torch.nn.Module]
    labels: Sequence[float | Sequence[float]] = ()
