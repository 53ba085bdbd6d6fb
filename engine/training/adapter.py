"""A linear adapter on frozen embeddings: W starts at the identity and stays near it.

Queries and documents share W, as they share the encoder. The loss is InfoNCE over the batch plus
`identity` * mean((W - I)²) * d, the pull back to the base; seconds on cached vectors, no forward
pass of the encoder.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from engine.encoders.load import SentenceEncoder
from engine.training.batches import batch_rows, fit_length, plan
from engine.training.examples import Examples
from engine.training.outcome import (
    Best,
    Cancelled,
    Candidate,
    Report,
    ShouldStop,
    diverged,
    written,
)
from engine.training.recipe import Recipe, alphas
from engine.training.remarks import many
from engine.training.selection import DevSet

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def fit(
    model: SentenceTransformer,
    recipe: Recipe,
    examples: Examples,
    dev: DevSet | None,
    best: Best,
    *,
    seed: int,
    report: Report,
    should_stop: ShouldStop,
    vectors: Mapping[str, np.ndarray],
) -> np.ndarray:
    """Train W on the base's vectors.

    Args:
        vectors: text -> unit document vector [d] of the base, for every document of the rows and
            the dev set.

    Returns:
        W [d, d] float32 as `best` chose it: a text's new vector is W @ v, normalised. Of a run that
        is stopped after a dev score, what was best by then; `best.cancelled` says so.

    Raises:
        Cancelled: stopped before there was anything to keep.
        RankbenchError: the loss is not finite.
    """
    torch.manual_seed(seed)
    encoder = SentenceEncoder(model)
    queries, query_rows = _queries(encoder, examples)
    documents, document_rows = _documents(examples, vectors)
    rows = batch_rows(examples)
    first = plan(rows, recipe["batch_size"], seed)
    limit = recipe["max_steps"] or math.inf
    steps = int(min(limit, len(first) * recipe["epochs"]))
    eye = torch.eye(queries.shape[1])
    weight = eye.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([weight], lr=recipe["lr"])
    judge = _Judge(dev, best, encoder, vectors, recipe, report)
    # Ranking the whole catalog costs more than an epoch: five looks are enough.
    every = max(1, recipe["epochs"] // 5)
    patience, better, patient = int(recipe.get("patience", 0)), 0, True
    step = 0
    began = time.monotonic()
    for epoch in range(1, recipe["epochs"] + 1):
        batches = fit_length(
            plan(rows, recipe["batch_size"], seed + 1000 * (epoch - 1)), len(first)
        )
        total = 0.0
        for batch in batches:
            if should_stop():
                return _best_so_far(best, step)
            loss = _loss(
                weight,
                queries[query_rows[batch]],
                documents[document_rows[batch]],
                recipe["scale"],
            )
            loss = loss + recipe["identity"] * len(eye) * torch.mean((weight - eye) ** 2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
            step += 1
            if step >= limit:
                break
        if not math.isfinite(total):
            raise diverged()
        seconds = time.monotonic() - began
        report(
            {
                "event": "progress",
                "phase": "training",
                "step": step,
                "steps": steps,
                "epoch": epoch,
                "loss": round(total / len(batches), 5),
                "eta_s": round(seconds / step * max(0, steps - step), 1),
            }
        )
        last = step >= limit or epoch == recipe["epochs"]
        if last or epoch % every == 0:
            if judge.score(epoch, weight.detach().numpy(), step, steps):
                better = epoch
            patient = dev is None or not 0 < patience <= epoch - better
        if not patient:
            epochs = many(epoch - better, "epoch", "epochs")
            message = f"No better dev score for {epochs}: this run ends here."
            report({"event": "log", "message": message})
        if last or not patient:
            break
    alpha = float(recipe["alpha"])

    def own() -> np.ndarray:
        return _mix(weight.detach().numpy(), alpha)

    if best.chosen is None:
        best.offer(Candidate(epoch, alpha), own)
    if patient:  # else the last epoch is what was found wanting
        best.settle(alpha, float(recipe["margin"]), own)
    return best.weights


def _best_so_far(best: Best, step: int) -> np.ndarray:
    """What a stopped run keeps.

    Raises:
        Cancelled: nothing, no epoch was scored.
    """
    if best.chosen is None:
        raise Cancelled(f"Cancelled after step {step}; no encoder was kept.")
    best.cancelled = step
    return best.weights


def attach(model: SentenceTransformer, weight: np.ndarray) -> SentenceTransformer:
    """The model with W [out, d] behind it: its modules, a Dense without bias or activation,
    Normalize.

    A closing Normalize of the base goes: W is linear, so normalising once at the end gives the
    same direction. With W the identity the vectors are the base's (to rounding).
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize

    modules = list(model.children())
    while modules and isinstance(modules[-1], Normalize):
        modules.pop()
    dense = Dense(
        int(weight.shape[1]),
        int(weight.shape[0]),
        bias=False,
        activation_function=torch.nn.Identity(),
        init_weight=torch.from_numpy(np.ascontiguousarray(weight, np.float32)).clone(),
    )
    return SentenceTransformer(
        modules=[*modules, dense, Normalize()],
        device=str(model.device),
        prompts=dict(model.prompts),
        default_prompt_name=model.default_prompt_name,
        similarity_fn_name=model.similarity_fn_name,
    )


def apply(weight: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Unit vectors [n, d] of the adapted encoder from the base's [n, d]."""
    return _unit(vectors @ weight.T)


class _Judge:
    """Scores each epoch's interpolations on dev and keeps the best."""

    def __init__(
        self,
        dev: DevSet | None,
        best: Best,
        encoder: SentenceEncoder,
        vectors: Mapping[str, np.ndarray],
        recipe: Recipe,
        report: Report,
    ) -> None:
        self.best = best
        self._dev = dev
        self._alphas = alphas(recipe)
        self._report = report
        if dev is not None:
            self._queries = encoder.encode_queries(dev.queries)
            self._documents = np.stack([vectors[text] for text in dev.texts])
            best.base = dev.score_vectors(_unit(self._queries), _unit(self._documents))
            report({"event": "log", "message": dev.told(best.base)})

    def score(self, epoch: int, weight: np.ndarray, step: int, steps: int) -> bool:
        """Whether one of them is better than all before."""
        rising = False
        if self._dev is None:
            return rising
        # W acts linearly, so each interpolation is a sum of two matrices made once.
        queries, documents = self._queries @ weight.T, self._documents @ weight.T
        for alpha in self._alphas:
            mixed = _mix(weight, alpha)
            scores = self._dev.score_vectors(
                _unit((1 - alpha) * self._queries + alpha * queries),
                _unit((1 - alpha) * self._documents + alpha * documents),
            )
            candidate = Candidate(epoch, alpha, scores)
            better = self.best.offer(candidate, lambda kept=mixed: kept)
            rising |= better
            self._report(
                {
                    "event": "progress",
                    "phase": "dev",
                    "step": step,
                    "steps": steps,
                    "epoch": epoch,
                    "alpha": alpha,
                    "measure": self._dev.measure,
                    "queries": len(self._dev.ids),
                    "score": written(candidate.score),
                    "best": better,
                }
            )
        return rising


def _queries(encoder: SentenceEncoder, examples: Examples) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors [u, d] of the distinct queries, and each example's row in them [n]."""
    unique = list(dict.fromkeys(row.query for row in examples.rows))
    place = {text: i for i, text in enumerate(unique)}
    rows = torch.tensor([place[row.query] for row in examples.rows])
    return torch.from_numpy(encoder.encode_queries(unique)), rows


def _documents(
    examples: Examples, vectors: Mapping[str, np.ndarray]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors [u, d] of the distinct documents, and each example's rows in them [n, 1 + k]."""
    unique = list(dict.fromkeys(text for row in examples.rows for text in row.documents()))
    place = {text: i for i, text in enumerate(unique)}
    matrix = torch.from_numpy(np.stack([vectors[text] for text in unique]).astype(np.float32))
    return matrix, torch.tensor([[place[t] for t in row.documents()] for row in examples.rows])


def _loss(
    weight: torch.Tensor, queries: torch.Tensor, documents: torch.Tensor, scale: float
) -> torch.Tensor:
    """InfoNCE; queries [b, d], documents [b, 1 + negatives, d], positives first."""
    left = torch.nn.functional.normalize(queries @ weight.T, dim=1)
    right = torch.nn.functional.normalize(documents @ weight.T, dim=2)
    batch, each, size = right.shape
    scores = left @ right.reshape(batch * each, size).T * scale
    return torch.nn.functional.cross_entropy(scores, torch.arange(batch) * each)


def _unit(vectors: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(norms, 1e-12)).astype(np.float32)


def _mix(weight: np.ndarray, alpha: float) -> np.ndarray:
    eye = np.eye(len(weight), dtype=np.float32)
    return ((1 - alpha) * eye + alpha * weight).astype(np.float32)


def needed_texts(examples: Examples, dev: DevSet | None) -> Sequence[str]:
    """Every document text whose vector `fit` reads, once."""
    texts = [text for row in examples.rows for text in row.documents()]
    return list(dict.fromkeys([*texts, *(dev.texts if dev else ())]))
