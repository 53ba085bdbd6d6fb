"""The library's losses on pairs with targets, and on triplets."""

from __future__ import annotations

from sentence_transformers.sentence_transformer.losses import (
    CoSENTLoss,
    CosineSimilarityLoss,
    TripletDistanceMetric,
    TripletLoss,
)

from engine.training.batches import shuffled
from engine.training.examples import Examples
from engine.training.objective import Objective
from engine.training.recipe import Recipe


def cosine(examples: Examples, recipe: Recipe) -> Objective:
    """Mean squared error between a pair's cosine and its target."""
    return Objective(examples, shuffled(examples), CosineSimilarityLoss, _targets(examples))


def cosent(examples: Examples, recipe: Recipe) -> Objective:
    """CoSENT (Su 2022): of two pairs in a batch the one with the higher target should have the
    higher cosine, whatever the targets' distance."""
    scale = float(recipe["scale"])
    return Objective(
        examples,
        shuffled(examples),
        lambda model: CoSENTLoss(model, scale=scale),
        _targets(examples),
    )


def triplet(examples: Examples, recipe: Recipe) -> Objective:
    """max(0, d(query, positive) - d(query, negative) + margin), d = 1 - cosine.

    Schroff et al. 2015, FaceNet; Reimers and Gurevych 2019 for sentences.
    """
    margin = float(recipe["loss_margin"])
    return Objective(
        examples,
        shuffled(examples),
        lambda model: TripletLoss(
            model, distance_metric=TripletDistanceMetric.COSINE, triplet_margin=margin
        ),
    )


def _targets(examples: Examples) -> list[float]:
    return [row.targets[0] for row in examples.rows]
