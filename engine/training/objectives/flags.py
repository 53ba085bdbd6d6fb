"""The loss of flags and replay: bad results fall, everything else keeps the base's scores.

Of a contrast row (query, positive, bad result, further hits):
- InfoNCE of the positive against the bad result and the batch's other documents. Those which the
  base finds nearly as close as the positive are no negatives (positive-aware filtering; Moreira et
  al. 2024, NV-Retriever: in a catalog full of near duplicates they are often right).
- A push: the bad result's cosine beyond the base's cosine at rank `push`, as a hinge. Being below
  the positive does not take a result out of the top 10; being below rank `push` does.
Of every row, whatever people said nothing of: the KL divergence from the base's softmax over the
batch's documents (Hinton et al. 2015), so that the order of the rest stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from sentence_transformers import SentenceTransformer

from engine.catalog.normalise import normalise_query
from engine.training.flags import Replayed, mixed_plan
from engine.training.objective import Objective
from engine.training.recipe import Recipe

NEAR = 0.8
"""In-batch documents above this share of the positive's cosine under the base are no negatives."""


def flags(replayed: Replayed, recipe: Recipe) -> Objective:
    """Contrast rows spread over batches of replay, under `FlagsLoss`."""
    return Objective(
        replayed.examples,
        lambda batch_size, seed: mixed_plan(replayed.contrast, batch_size, seed),
        lambda model: FlagsLoss(model, replayed, recipe),
        labels=range(len(replayed.examples.rows)),
    )


class FlagsLoss(torch.nn.Module):
    """Features: query, positive, negatives, as columns; labels: row numbers of `replayed`."""

    def __init__(self, model: SentenceTransformer, replayed: Replayed, recipe: Recipe) -> None:
        super().__init__()
        self.model = model
        self._scale = float(recipe["scale"])
        self._replay = float(recipe["replay_weight"])
        self._push = float(recipe["push_weight"])
        self._data = replayed
        self._queries = torch.from_numpy(replayed.queries)
        self._documents = torch.from_numpy(replayed.documents)
        self._floor = torch.from_numpy(replayed.floor)

    def forward(self, features: Sequence[dict[str, Any]], labels: torch.Tensor) -> torch.Tensor:
        # Without dropout: the base's scores were made without, and a student that must meet them
        # through noise moves everything to make up for it.
        self.model.eval()
        columns = [
            torch.nn.functional.normalize(self.model(part)["sentence_embedding"].float(), dim=1)
            for part in features
        ]
        rows = labels.reshape(-1).tolist()
        batch, each = len(rows), len(columns) - 1
        device = columns[0].device
        # Documents lie row by row: those of row i are columns i * each to (i + 1) * each.
        documents = torch.stack(columns[1:], dim=1).reshape(batch * each, -1)
        scores = columns[0] @ documents.T
        base = self._queries[rows] @ self._documents[rows].reshape(batch * each, -1).T
        base = base.to(device)
        spoken, right = self._masks(rows)
        loss = self._replay * self._distil(scores, base, spoken.to(device))
        contrast = [i for i, row in enumerate(rows) if self._data.contrast[row]]
        if contrast:
            loss = loss + self._contrast(scores, base, right.to(device), contrast, each)
        pushed = [i for i in contrast if self._data.pushed[rows[i]]]
        if pushed and self._push:
            bad = torch.stack([scores[i, i * each + 1] for i in pushed])
            floor = self._floor[[rows[i] for i in pushed]].to(device)
            loss = loss + self._push * self._scale * torch.relu(bad - floor).mean()
        return loss

    def _masks(self, rows: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """[b, documents] bool: where people spoke of the pair, and where it is Exact."""
        examples = self._data.examples
        texts = [text for row in rows for text in examples.rows[row].documents()]
        spoken = torch.zeros(len(rows), len(texts), dtype=torch.bool)
        right = torch.zeros_like(spoken)
        for place, row in enumerate(rows):
            if not self._data.contrast[row]:
                continue
            key = normalise_query(examples.rows[row].query)
            judged, exact = self._data.spoken[key], examples.relevant.get(key, frozenset())
            spoken[place] = torch.tensor([text in judged for text in texts])
            right[place] = torch.tensor([text in exact for text in texts])
        return spoken, right

    def _distil(
        self, scores: torch.Tensor, base: torch.Tensor, spoken: torch.Tensor
    ) -> torch.Tensor:
        hidden = torch.finfo(scores.dtype).min
        target = torch.softmax((base * self._scale).masked_fill(spoken, hidden), dim=1)
        found = torch.log_softmax((scores * self._scale).masked_fill(spoken, hidden), dim=1)
        return torch.nn.functional.kl_div(found, target, reduction="batchmean")

    def _contrast(
        self,
        scores: torch.Tensor,
        base: torch.Tensor,
        right: torch.Tensor,
        contrast: Sequence[int],
        each: int,
    ) -> torch.Tensor:
        own = torch.tensor([i * each for i in contrast], device=scores.device)
        logits = scores[contrast] * self._scale
        limit = NEAR * base[contrast].gather(1, own[:, None])
        out = right[contrast] | (base[contrast] > limit)
        places = torch.arange(len(contrast), device=scores.device)
        out[places, own] = False
        out[places, own + 1] = False
        logits = logits.masked_fill(out, torch.finfo(logits.dtype).min)
        return torch.nn.functional.cross_entropy(logits, own)
