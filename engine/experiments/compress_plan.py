"""What is to be done to an encoder to make it smaller or faster."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.encoders.light import read_stack
from engine.errors import RankbenchError, UsageError
from engine.experiments.distil import STEPS, kept_layers, layer_count

METHODS = {
    "int8": "queries in 8-bit integers by onnxruntime; the float32 weights stay beside",
    "pca": "fewer dimensions: the directions that carry most of the catalog's vectors",
    "truncate": "fewer dimensions: the first ones",
    "layers": "fewer layers, distilled to the parent's vectors of the catalog",
}
DEFAULT = "int8"
_DIM = 256


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done to an encoder; int8 last, after layers and dimensions.

    Attributes:
        method: of `METHODS`.
        dim: dimensions left, None for all; by the first directions of a PCA, or for "truncate"
            the first of the vector.
        layers: layers left, None for all; steps: optimiser steps of their distillation.
    """

    method: str = DEFAULT
    dim: int | None = None
    layers: int | None = None
    steps: int = STEPS
    seed: int = 0

    def filled(self, directory: Path) -> Plan:
        """The plan with a method's own defaults, checked against the encoder in `directory`.

        Raises:
            UsageError: an unknown method, or more dimensions or layers than there are.
            RankbenchError: the architecture does not allow it.
        """
        if self.method not in METHODS:
            raise UsageError(
                f"There is no method {self.method!r}.", f"Choose one of {', '.join(METHODS)}."
            )
        dim, layers = self.dim, self.layers
        if self.method in ("pca", "truncate") and dim is None:
            dim = _DIM
        if self.method == "layers" or layers is not None:
            count = layer_count(directory)
            layers = max(1, round(count * 2 / 3)) if layers is None else layers
            kept_layers(layers, count)
        if self.method == "int8":
            _check_bert(directory)
        return replace(self, dim=dim, layers=layers)

    def name(self) -> str:
        """`int8`, `int8-256d`, `int8-4l-256d`, `pca-128d`."""
        parts = [self.method]
        if self.layers is not None:
            parts.append(f"{self.layers}l")
        if self.dim is not None:
            parts.append(f"{self.dim}d")
        return "-".join(parts)

    def to_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"method": self.method, "dim": self.dim, "layers": self.layers}
        return told | ({"steps": self.steps, "seed": self.seed} if self.layers else {})


def _check_bert(directory: Path) -> None:
    try:
        read_stack(directory)
    except (OSError, KeyError, ValueError, TypeError):
        raise RankbenchError(
            f"{directory} cannot be made int8: its architecture is not a plain BERT.",
            "`--method pca` or `--method layers` may do.",
        ) from None
