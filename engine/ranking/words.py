"""The words of a text, and the text without each of them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

MOST_WORDS = 16
"""How many words of a text are left out in turn: its first ones."""

_TOKEN = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Shortened:
    """A text without one word; `rest` is "" where no other word is left."""

    word: str
    rest: str


def words_of(text: str) -> list[tuple[int, int]]:
    """Start and end of each word.

    A word is what stands between white space and holds a letter, a digit or a pictograph:
    punctuation goes with the word it touches, text written without spaces (Chinese, Japanese) is
    one word, and a lone `-` or `|` is none.
    """
    return [match.span() for match in _TOKEN.finditer(text) if _is_word(match[0])]


def leave_one_out(text: str, most: int = MOST_WORDS) -> list[Shortened]:
    """`text` without each of its first `most` words in turn, in the order of the words."""
    spans = words_of(text)
    return [
        Shortened(
            text[start:end],
            f"{text[:start].rstrip()} {text[end:].lstrip()}".strip() if len(spans) > 1 else "",
        )
        for start, end in spans[:most]
    ]


def _is_word(token: str) -> bool:
    return any(unicodedata.category(c)[0] in "LN" or unicodedata.category(c) == "So" for c in token)
