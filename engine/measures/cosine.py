"""Cosine of query and field, and why it never stands alone.

The mean cosine over Exact pairs rises whenever an encoder moves all its vectors together; the
margin to the Irrelevant pairs falls then, so both are reported side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from engine.errors import RankbenchError


@dataclass(frozen=True, slots=True)
class FieldCosine:
    """Cosines of queries with one field (title, description) over judged pairs.

    Attributes:
        cosine: mean over the Exact pairs, -1 to 1; None without one.
        irrelevant: mean over the Irrelevant pairs; None without one.
        exact_pairs, irrelevant_pairs: how many pairs each mean is over.
    """

    cosine: float | None
    irrelevant: float | None
    exact_pairs: int
    irrelevant_pairs: int

    @property
    def margin(self) -> float | None:
        """Exact minus Irrelevant, -2 to 2; None where either is missing."""
        if self.cosine is None or self.irrelevant is None:
            return None
        return self.cosine - self.irrelevant


def pair_cosines(queries: ArrayLike, fields: ArrayLike) -> np.ndarray:
    """Cosine of each row of `queries` [n, dim] with the same row of `fields` [n, dim], [n].

    Raises:
        RankbenchError: the shapes differ, or a vector is zero or not finite.
    """
    left, right = np.asarray(queries, np.float64), np.asarray(fields, np.float64)
    if left.ndim != 2 or left.shape != right.shape:
        raise RankbenchError(
            f"Query vectors {left.shape} and field vectors {right.shape} do not pair up.",
            "Give one row of the same dimension for each pair.",
        )
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    if norms.size and not (norms.min() > 0 and norms.max() < np.inf):
        raise RankbenchError(
            "A vector is zero or not finite.", "Leave out empty fields, and encode the rest again."
        )
    return np.clip(np.einsum("ij,ij->i", left, right) / norms, -1.0, 1.0)


def field_cosine(cosines: ArrayLike, grades: Sequence[str]) -> FieldCosine:
    """Mean cosine over the Exact pairs and over the Irrelevant ones.

    Args:
        cosines: [n] of each pair, as `pair_cosines` gives them; pairs with an empty field left out.
        grades: [n] the grade of each pair, "E", "S", "C" or "I".

    Raises:
        RankbenchError: the lengths differ.
    """
    values = np.asarray(cosines, np.float64)
    if len(grades) != len(values):
        raise RankbenchError(
            f"{len(values)} pairs have {len(grades)} grades.", "Give one grade for each pair."
        )
    letters = np.asarray(grades, dtype=object)
    exact, irrelevant = values[letters == "E"], values[letters == "I"]
    return FieldCosine(
        cosine=float(exact.mean()) if len(exact) else None,
        irrelevant=float(irrelevant.mean()) if len(irrelevant) else None,
        exact_pairs=len(exact),
        irrelevant_pairs=len(irrelevant),
    )
