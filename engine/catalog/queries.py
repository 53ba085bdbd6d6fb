"""A judged query, the unit of every evaluation, split and training set, and how it got here."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

WEIGHT = "weight"
"""The column of the query file that holds a query's traffic."""
_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+(\.\d*)?")


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """One query with its judgments.

    Attributes:
        query_id: unique in its query set.
        query: the text a person types.
        split: "train", "dev", "test", or "" while unassigned.
        grades: product id -> "E", "S", "C" or "I".
        columns: further columns of the query file (stratum, weight, ...), as text.
        imported: whether a judgment file holds it; otherwise only verdicts know it, and it is in
            no evaluation.
        targets: product id -> target from 0 to 1, where its file gave scores or an order.
        sources: product id -> the name of its judgment file.
        file_weights: product id -> the weight of that file, where it is not 1.
    """

    query_id: str
    query: str
    split: str = ""
    grades: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    imported: bool = True
    targets: Mapping[str, float] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    file_weights: Mapping[str, float] = field(default_factory=dict)

    def positives(self) -> list[str]:
        """The ids of the Exact products, in the judgments' order."""
        return [product for product, grade in self.grades.items() if grade == "E"]

    @property
    def weight(self) -> float | None:
        """As `weight_of` its columns."""
        return weight_of(self.columns)


def weight_of(columns: Mapping[str, str]) -> float | None:
    """A query's traffic from its `weight` column, from 0; None where that holds no such number.

    A comma counts only between thousands: `1,250` is 1250, `3,5` is no number, never 35.
    """
    text = columns.get(WEIGHT, "").strip()
    try:
        weight = float(text.replace(",", "") if _THOUSANDS.fullmatch(text) else text)
    except ValueError:
        return None
    return weight if 0 <= weight < math.inf else None


def judgments_hash(queries: Iterable[JudgedQuery]) -> str:
    """16 hex digits of the SHA-256 over the sorted (query text, product, grade) rows.

    Which ids a file gave its queries, and their order, say nothing about the judgments.
    """
    digest = hashlib.sha256()
    for row in sorted((q.query, p, grade) for q in queries for p, grade in q.grades.items()):
        text = json.dumps(row, ensure_ascii=False)
        digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Added:
    """What adding a judgment file to the records did.

    Attributes:
        number: the import's.
        joined: the file's query id -> the known id of the same text that it was added to.
        renamed: the file's query id -> a fresh id, because its own has another text here.
    """

    number: int
    joined: Mapping[str, str] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assigned:
    """How many queries got a split, and by what they were linked (`engine.catalog.splits.link`);
    "" where all had one."""

    queries: int
    linked_by: str = ""
