"""How far judges agree: the pairs they dispute, and Cohen's kappa for every two of them.

Kappa is unweighted, over the grades E, S, C and I of the pairs that both judged (Cohen, 1960), by
scikit-learn. The imported judgments are one more judge.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from engine.records.listing import ListedQuery

IMPORTED = "imported judgments"


@dataclass(frozen=True, slots=True)
class Dispute:
    """A result that judges disagree on; `grades` is judge -> grade."""

    query: str
    product_id: str
    grades: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        return {
            "query": self.query,
            "product_id": self.product_id,
            "grades": dict(self.grades),
        }


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two judges over the pairs that both judged.

    Attributes:
        n: how many pairs.
        same: how many of them got one grade.
        kappa: -1 to 1, 0 by chance; None where both gave one and the same grade throughout, for
            then chance alone explains all of it.
    """

    judges: tuple[str, str]
    n: int
    same: int
    kappa: float | None

    def to_json(self) -> dict[str, Any]:
        return {
            "judges": list(self.judges),
            "n": self.n,
            "same": self.same,
            "kappa": self.kappa,
        }


def disputes(listed: Sequence[ListedQuery]) -> list[Dispute]:
    """The pairs on which judges, or a judge and an import, disagree; by query and product.

    Args:
        listed: what `engine.records.listing.list_verdicts` gave.
    """
    found = [
        Dispute(query, product, grades)
        for (query, product), grades in _by_pair(listed).items()
        if len(set(grades.values())) > 1
    ]
    return sorted(found, key=lambda dispute: (dispute.query, dispute.product_id))


def agreements(listed: Sequence[ListedQuery]) -> list[Agreement]:
    """Every two judges with a pair in common, the most pairs first."""
    pairs = list(_by_pair(listed).values())
    judges = sorted({judge for grades in pairs for judge in grades})
    found = []
    for first, second in combinations(judges, 2):
        both = [(g[first], g[second]) for g in pairs if first in g and second in g]
        if both:
            left, right = zip(*both, strict=True)
            same = sum(a == b for a, b in both)
            found.append(Agreement((first, second), len(both), same, _kappa(left, right)))
    return sorted(found, key=lambda agreement: (-agreement.n, agreement.judges))


def _kappa(left: Sequence[str], right: Sequence[str]) -> float | None:
    if len({*left, *right}) == 1:
        return None
    from sklearn.metrics import cohen_kappa_score

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kappa = float(cohen_kappa_score(list(left), list(right)))
    return kappa if math.isfinite(kappa) else None


def _by_pair(listed: Sequence[ListedQuery]) -> dict[tuple[str, str], dict[str, str]]:
    """(query text, product) -> judge -> grade, of the pairs that a person judged."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for query in listed:
        for row in query.verdicts:
            if not row.counts:
                continue
            grades = found.setdefault((query.query, row.verdict.product_id), {})
            grades[row.verdict.judge] = row.verdict.grade
            if row.imported:
                grades[IMPORTED] = row.imported
    return found
