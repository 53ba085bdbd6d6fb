"""Which judged query another text nearly repeats."""

from __future__ import annotations

from collections.abc import Sequence

from engine.catalog.normalise import query_tokens
from engine.catalog.queries import JudgedQuery
from engine.catalog.splits import JACCARD

_ORDER = ("test", "dev", "train")


class NearQueries:
    """Finds the split of a judged query that says nearly the same as another text."""

    def __init__(self, queries: Sequence[JudgedQuery]) -> None:
        self._words = [(query_tokens(query.query), query.split) for query in queries]
        self._by_word: dict[str, list[int]] = {}
        for number, (words, _) in enumerate(self._words):
            for word in words:
                self._by_word.setdefault(word, []).append(number)

    def split(self, text: str) -> str:
        """The split of a query with nearly the same words, a held-out one first; "" for none."""
        words = query_tokens(text)
        common: dict[int, int] = {}
        for word in words:
            for number in self._by_word.get(word, ()):
                common[number] = common.get(number, 0) + 1
        near = {
            self._words[number][1]
            for number, count in common.items()
            if count >= JACCARD * (len(words) + len(self._words[number][0]) - count)
        }
        return next((split for split in _ORDER if split in near), "")
