"""Cosines of queries with single fields of their products, kept pair by pair for each encoder.

The mean over the Exact pairs is the published figure (query and title, query and description); the
margin to the Irrelevant pairs stands beside it, because a collapsing encoder raises the mean while
its rankings get worse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from engine.catalog.normalise import clean_query
from engine.encoders.load import Encoder
from engine.evaluation.intervals import Delta, paired_delta
from engine.measures.cosine import field_cosine, pair_cosines

GRADES = ("E", "I")
NAMES = ("title_cosine", "title_margin", "description_cosine", "description_margin")
_SIGNS = {"cosine": {"E": 1.0}, "margin": {"E": 1.0, "I": -1.0}}
_WIDEST = 2.0
Fields = Mapping[str, Mapping[str, str]]
"""Field ("title", "description") -> product id -> its text; empty ones may be left out."""


class Judged(Protocol):
    """A query with the grades of its products: a `JudgedQuery`, a `QueryRow`."""

    @property
    def query_id(self) -> str: ...
    @property
    def query(self) -> str: ...
    @property
    def grades(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class Pair:
    """One judged pair and one field of its product.

    Attributes:
        grade: "E" or "I".
        cosine: of the query and the field, -1 to 1.
    """

    query_id: str
    product_id: str
    field: str
    grade: str
    cosine: float


def cosine_pairs(
    encoder: Encoder,
    queries: Sequence[Judged],
    fields: Fields,
    encode: Callable[[Encoder, Sequence[str]], np.ndarray],
) -> list[Pair]:
    """The cosine of every Exact and Irrelevant pair of `queries` whose field has text.

    Args:
        encode: documents to vectors [n, dim].
    """
    wanted = [
        (query, product, field, grade)
        for field, texts in fields.items()
        for query in queries
        for product, grade in sorted(query.grades.items())
        if grade in GRADES and texts.get(product)
    ]
    if not wanted:
        return []
    place = {query.query_id: row for row, query in enumerate(queries)}
    left = np.asarray(encoder.encode_queries([clean_query(query.query) for query in queries]))
    texts = list(dict.fromkeys(fields[field][product] for _, product, field, _ in wanted))
    rows = {text: row for row, text in enumerate(texts)}
    right = encode(encoder, texts)
    cosines = pair_cosines(
        left[[place[query.query_id] for query, *_ in wanted]],
        right[[rows[fields[field][product]] for _, product, field, _ in wanted]],
    )
    return [
        Pair(query.query_id, product, field, grade, float(cosine))
        for (query, product, field, grade), cosine in zip(wanted, cosines, strict=True)
    ]


def mean_pairs(runs: Sequence[Sequence[Pair]]) -> list[Pair]:
    """Each pair once, with its mean cosine over the runs that hold it."""
    found: dict[tuple[str, str, str, str], list[float]] = {}
    for pair in (pair for run in runs for pair in run):
        key = (pair.query_id, pair.product_id, pair.field, pair.grade)
        found.setdefault(key, []).append(pair.cosine)
    return [Pair(*key, float(np.mean(values))) for key, values in found.items()]


def cosine_means(pairs: Sequence[Pair]) -> dict[str, float | None]:
    """`NAMES` -> mean over the Exact pairs, or that minus the mean over the Irrelevant ones."""
    found: dict[str, float | None] = {}
    for name in NAMES:
        field, _, what = name.partition("_")
        mine = [pair for pair in pairs if pair.field == field]
        one = field_cosine([pair.cosine for pair in mine], [pair.grade for pair in mine])
        found[name] = one.cosine if what == "cosine" else one.margin
    return found


def cosine_delta(name: str, base: Sequence[Pair], tuned: Sequence[Pair]) -> Delta | None:
    """The difference of `cosine_means(...)[name]`, with its interval over queries.

    Queries are what one would draw anew, and both the sum over a query's pairs and their number
    vary with it: the mean is a ratio. So the interval is of its linearisation (Woodruff, JASA
    66(334), 1971): of how far each query's sum is from the mean difference times its pairs. Of 500
    simulated sets of 60 queries with 1 to 39 pairs it holds a true .2 in 94.6 %. The p value is of
    the same linearised values: whole contributions would hide a lost margin behind a shift of all
    cosines, which queries with many pairs have most of.

    Args:
        base, tuned: the same pairs by two encoders.

    Returns:
        None where a mean is undefined. The counts of the result mean nothing: what a query adds to
        a mean over pairs is no improvement or harm of its ranking.
    """
    if cosine_means(base)[name] is None:
        return None
    field, _, what = name.partition("_")
    signs = _SIGNS[what]
    mine = [pair.query_id for pair in base if pair.field == field and pair.grade in signs]
    places = {query: row for row, query in enumerate(dict.fromkeys(mine))}
    mean, residuals = 0.0, np.zeros(len(places))
    for grade, sign in signs.items():
        before, pairs = _sums(base, field, grade, places)
        after, _ = _sums(tuned, field, grade, places)
        sums, total = after - before, pairs.sum()
        mean += sign * sums.sum() / total
        residuals += sign * len(places) / total * (sums - sums.sum() / total * pairs)
    return paired_delta(np.zeros_like(residuals), residuals + mean, bound=_WIDEST)


def _sums(
    pairs: Sequence[Pair], field: str, grade: str, places: Mapping[str, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The sum of the cosines of each query's pairs, and how many they are, [queries] each."""
    mine = [pair for pair in pairs if pair.field == field and pair.grade == grade]
    rows = np.array([places[pair.query_id] for pair in mine], int)
    values = np.array([pair.cosine for pair in mine])
    size = len(places)
    return np.bincount(rows, values, size), np.bincount(rows, minlength=size)
