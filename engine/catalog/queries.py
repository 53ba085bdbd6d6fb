"""A judged query: the unit of every evaluation, split and training set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """One query with its judgments.

    Attributes:
        query_id: unique in its query set.
        query: the text a person types.
        split: "train", "dev", "test", or "" while unassigned.
        grades: product id -> "E", "S", "C" or "I".
        columns: further columns of the query file (stratum, weight, ...), as text.
    """

    query_id: str
    query: str
    split: str = ""
    grades: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)

    def positives(self) -> list[str]:
        """The ids of the Exact products, in the judgments' order."""
        return [product for product, grade in self.grades.items() if grade == "E"]
