"""Which judged queries another query nearly repeats, by the rules that link queries to a split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from engine.catalog.normalise import query_tokens
from engine.catalog.queries import JudgedQuery
from engine.catalog.splits import (
    ANY_PRODUCTS,
    EXACT_PRODUCTS,
    JACCARD,
    SHARED_PRODUCTS,
    TEXTS,
    link,
)

SPLITS = ("test", "dev", "train")
_COUNTED = {ANY_PRODUCTS: "ESCI", EXACT_PRODUCTS: "E", TEXTS: ""}


@dataclass(frozen=True, slots=True)
class Near:
    """A judged query that another one nearly repeats; `by`: "words" or "products"."""

    query_id: str
    query: str
    split: str
    by: str


class NearQueries:
    """Finds the judged queries that would share a split with another query.

    What `engine.catalog.splits.link` links: nearly the same words, or three judged products in
    common where the set is not so densely judged that products say nothing.
    """

    def __init__(self, queries: Sequence[JudgedQuery]) -> None:
        self._queries = queries
        self._words = [query_tokens(query.query) for query in queries]
        self._by_word = _places(self._words)
        self._by_product = _places(query.grades for query in queries)

    def find(self, query: JudgedQuery, splits: Collection[str] = SPLITS) -> tuple[Near, ...]:
        """Those of `splits` but itself, held-out ones first; `query` may be known or not."""
        by = dict.fromkeys(self._by_products(query.grades, splits), "products")
        by |= dict.fromkeys(self._by_words(query.query), "words")
        found = [
            Near(other.query_id, other.query, other.split, by[number])
            for number in sorted(by)
            if (other := self._queries[number]).query_id != query.query_id and other.split in splits
        ]
        return tuple(sorted(found, key=lambda near: SPLITS.index(near.split)))

    def _by_words(self, text: str) -> list[int]:
        words = query_tokens(text)
        common = Counter(number for word in words for number in self._by_word.get(word, ()))
        return [
            number
            for number, count in common.items()
            # As in the splits: a rounding error at exactly .8 must not decide.
            if count >= JACCARD * (len(words) + len(self._words[number]) - count) - 1e-9
        ]

    def _by_products(self, grades: Mapping[str, str], splits: Collection[str]) -> list[int]:
        shared = Counter(
            number
            for product in grades
            for number in self._by_product.get(product, ())
            if self._queries[number].split in splits
        )
        many = [number for number, count in shared.items() if count >= SHARED_PRODUCTS]
        if not many or self._counted == _COUNTED[ANY_PRODUCTS]:
            return many
        return [
            number
            for number in many
            if sum(
                grade in self._counted and grades.get(product, "-") in self._counted
                for product, grade in self._queries[number].grades.items()
            )
            >= SHARED_PRODUCTS
        ]

    @cached_property
    def _counted(self) -> str:
        """The grades whose products link. Asked late: it links the whole set."""
        return _COUNTED[link(self._queries).rule]


def _places(rows: Iterable[Iterable[str]]) -> dict[str, list[int]]:
    """Item -> the numbers of the rows that hold it."""
    found: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        for item in row:
            found.setdefault(item, []).append(number)
    return found
