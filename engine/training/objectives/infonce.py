"""InfoNCE: cross-entropy of the positive among all documents of the batch, cosine times `scale`.

van den Oord et al. 2018 (arXiv 1807.03748); Henderson et al. 2017 (arXiv 1705.00652), there
multiple negatives ranking. With `mini_batch` the batch is encoded in such parts and the loss is
that of the whole: a large batch in the memory of a small one (gradient caching, Gao et al. 2021,
arXiv 2101.06983).
"""

from __future__ import annotations

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)

from engine.training.batches import without_false_negatives
from engine.training.examples import Examples
from engine.training.objective import Objective
from engine.training.recipe import Recipe


def infonce(examples: Examples, recipe: Recipe) -> Objective:
    """No row's documents are right for another row of its batch."""

    def loss(model: SentenceTransformer) -> torch.nn.Module:
        part = int(recipe.get("mini_batch", 0))
        if part and part < recipe["batch_size"]:
            return CachedMultipleNegativesRankingLoss(
                model, scale=recipe["scale"], mini_batch_size=part
            )
        return MultipleNegativesRankingLoss(model, scale=recipe["scale"])

    return Objective(examples, without_false_negatives(examples), loss)
