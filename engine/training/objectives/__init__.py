"""One loss a file; `OBJECTIVES` names those that take rows and a recipe alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.training.examples import Examples
from engine.training.objective import Objective
from engine.training.objectives.contrastive import contrastive
from engine.training.objectives.infonce import infonce
from engine.training.objectives.listwise import distill, listwise
from engine.training.objectives.pairs import cosent, cosine, triplet
from engine.training.recipe import Recipe

OBJECTIVES: Mapping[str, Callable[[Examples, Recipe], Objective]] = {
    "infonce": infonce,
    "contrastive": contrastive,
    "cosine": cosine,
    "cosent": cosent,
    "triplet": triplet,
    "listwise": listwise,
    "distill": distill,
}
