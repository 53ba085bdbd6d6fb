"""Recipes run on the tiny encoder in a few steps an epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.catalog.queries import JudgedQuery
from engine.encoders.load import load_encoder
from engine.training.recipe import Recipe, load_recipe
from engine.training.rows import Products
from engine.training.synthetic import ScoredList
from engine.training.train import TrainResult, train

Queries = list[JudgedQuery]
QUICK = ["lr=1e-3", "epochs=2", "dev_products=60", "max_per_query=2", "batch_size=4"]
TRAIN = 12
"""Queries: a few steps an epoch."""


class Runs:
    """Runs recipes into a directory."""

    def __init__(self, base: Path, texts: dict[str, str], queries: Queries, out: Path) -> None:
        self.base, self.texts, self.queries, self.out = base, texts, queries, out
        self.events: list[dict[str, Any]] = []

    def recipe(self, name: str, *settings: str) -> Recipe:
        """The recipe with quick settings, as far as it has them, and these."""
        found = load_recipe(name)
        quick = [text for text in QUICK if text.partition("=")[0] in found.parameters]
        return found.with_set([*quick, *settings])

    def __call__(
        self, recipe: str | Recipe, out: str, *settings: str, **options: Any
    ) -> TrainResult:
        found = recipe if isinstance(recipe, Recipe) else self.recipe(recipe, *settings)
        if found.loss == "distill":
            options["lists"] = self.lists(int(found["documents"]))
        return train(
            found,
            self.base,
            [query for query in self.queries if query.split == "train"][:TRAIN],
            [query for query in self.queries if query.split == "dev"],
            self.texts,
            self.out / out,
            device="cpu",
            report=self.events.append,
            products=Products(descriptions={p: f"{t} in full" for p, t in self.texts.items()}),
            **options,
        )

    def trained(self) -> int:
        """The last training step that was told."""
        return max((e["step"] for e in self.events if e.get("phase") == "training"), default=0)

    def lists(self, size: int) -> list[ScoredList]:
        """Queries of a log; a product's score is the words that it shares with the query."""
        found = []
        for number, text in enumerate(list(self.texts.values())[:12]):
            words = set(text.split()[:3])
            some = list(self.texts.items())[number : number + size]
            scores = tuple(float(len(words & set(t.split()))) for _, t in some)
            found.append((" ".join(sorted(words)), tuple(p for p, _ in some), scores))
        return found

    def vectors(self, out: str) -> np.ndarray:
        texts = list(self.texts.values())[:40]
        return load_encoder(self.out / out, "cpu").encode_documents(texts)


@pytest.fixture
def runs(
    tiny_encoder_dir: Path, tiny_texts: dict[str, str], tiny_queries: Queries, tmp_path: Path
) -> Runs:
    return Runs(tiny_encoder_dir, tiny_texts, tiny_queries, tmp_path)
