"""The contrastive loss with graded targets, as the published account of it means it.

For a pair at distance d = 1 - cosine with target y from 0 (unrelated) to 1 (right) and margin m:

    L(d, y) = y d² + (1 - y) max(0, m - d)²

Hadsell, Chopra and LeCun 2006 for y of 0 and 1. The account prints the weights the other way
round, which would push right pairs apart; its text says what stands here. Where d < m the
derivative is 2 (d - m (1 - y)): the loss is least at d = m (1 - y), so targets 1, 2/3, 1/3 and 0
ask for distances 0, m/3, 2m/3 and m. A pair beyond the margin is only pulled, by y.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from sentence_transformers import SentenceTransformer

from engine.training.batches import shuffled
from engine.training.examples import Examples
from engine.training.objective import Objective
from engine.training.recipe import Recipe


def contrastive(examples: Examples, recipe: Recipe) -> Objective:
    """Pairs with targets, in any order."""
    margin = float(recipe["loss_margin"])
    return Objective(
        examples,
        shuffled(examples),
        lambda model: GradedContrastiveLoss(model, margin),
        labels=[row.targets[0] for row in examples.rows],
    )


def graded_contrastive(
    distances: torch.Tensor, targets: torch.Tensor, margin: float
) -> torch.Tensor:
    """The mean loss of pairs; distances [n] from 0 to 2, targets [n] from 0 to 1."""
    apart = torch.relu(margin - distances)
    return (targets * distances.square() + (1 - targets) * apart.square()).mean()


class GradedContrastiveLoss(torch.nn.Module):
    """Features: query and document, as columns; labels: targets."""

    def __init__(self, model: SentenceTransformer, margin: float) -> None:
        super().__init__()
        self.model = model
        self._margin = margin

    def forward(self, features: Sequence[dict[str, Any]], labels: torch.Tensor) -> torch.Tensor:
        query, document = (self.model(part)["sentence_embedding"].float() for part in features)
        distances = 1 - torch.nn.functional.cosine_similarity(query, document)
        return graded_contrastive(distances, labels.reshape(-1).to(distances), self._margin)
