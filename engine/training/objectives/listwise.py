"""A softmax over one query's documents that should match what is known of them.

Cross-entropy from target probabilities to softmax(cosine * scale): ListNet's top-one form (Cao et
al. 2007, ICML). With gains as targets, divided by their sum, it bounds 1 - NDCG from above (Bruch
et al. 2019, ICTIR). With a teacher's scores they are softmax(score / temperature) (Hinton et al.
2015). With `in_batch` the documents of the batch's other rows stand in the same softmax with
target 0, for what a query should not find is the whole catalog, not only what was judged for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from sentence_transformers import SentenceTransformer

from engine.training.batches import without_false_negatives
from engine.training.examples import Examples
from engine.training.objective import Objective
from engine.training.recipe import Recipe


def listwise(examples: Examples, recipe: Recipe) -> Objective:
    """Lists of judged documents; targets are gains."""
    return _lists(examples, recipe, _shares)


def distill(examples: Examples, recipe: Recipe) -> Objective:
    """Lists of scored documents; targets are a teacher's scores."""
    temperature = float(recipe["temperature"])
    return _lists(examples, recipe, lambda targets: torch.softmax(targets / temperature, dim=1))


def _lists(examples: Examples, recipe: Recipe, probabilities: Any) -> Objective:
    in_batch = bool(recipe["in_batch"])
    # In one softmax a text would stand twice, once wanted and once at 0.
    apart = replace(examples, relevant=examples.wanted) if in_batch else examples
    return Objective(
        examples,
        without_false_negatives(apart),
        lambda model: ListwiseLoss(model, float(recipe["scale"]), probabilities, in_batch=in_batch),
        labels=[list(row.targets) for row in examples.rows],
    )


def _shares(targets: torch.Tensor) -> torch.Tensor:
    return targets / targets.sum(dim=1, keepdim=True).clamp_min(1e-9)


class ListwiseLoss(torch.nn.Module):
    """Features: the query and its K documents, as columns; labels: targets [b, K]."""

    def __init__(
        self, model: SentenceTransformer, scale: float, probabilities: Any, *, in_batch: bool
    ) -> None:
        super().__init__()
        self.model = model
        self._scale = scale
        self._probabilities = probabilities
        self._in_batch = in_batch

    def forward(self, features: Sequence[dict[str, Any]], labels: torch.Tensor) -> torch.Tensor:
        columns = [
            torch.nn.functional.normalize(self.model(part)["sentence_embedding"].float(), dim=1)
            for part in features
        ]
        queries, documents = columns[0], torch.stack(columns[1:], dim=1)
        batch, each, _ = documents.shape
        targets = self._probabilities(labels.reshape(batch, each).to(queries))
        if not self._in_batch:
            scores = torch.einsum("bd,bkd->bk", queries, documents)
        else:
            scores = queries @ documents.reshape(batch * each, -1).T
            rows = torch.block_diag(*targets)
            targets = rows
        chances = torch.log_softmax(scores * self._scale, dim=1)
        return -(targets * chances).sum(dim=1).mean()
