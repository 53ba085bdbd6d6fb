"""A ranking: product ids with scores, best first."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a side answers: ids best first and their scores; equal scores stand by product id.

    `missing` is how many of them, the last ones, the side did not find: nobody ranked these.
    """

    product_ids: tuple[str, ...]
    scores: tuple[float, ...]
    missing: int = 0

    def ranks(self) -> dict[str, int]:
        """Product id -> its rank, from 1."""
        return {product: rank for rank, product in enumerate(self.product_ids, 1)}
