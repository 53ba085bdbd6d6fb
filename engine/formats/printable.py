"""Text that is shown and nothing more: no escapes, no controls, no marks that turn a line."""

from __future__ import annotations

import re
import unicodedata

from engine.catalog.normalise import ESCAPES

_SPACES = re.compile(r"\s+")
# Cf holds bidirectional overrides and joiners, Cs lone surrogates that no terminal can encode.
_DROPPED = frozenset({"Cc", "Cf", "Cs", "Co"})
_MARKS_IN_A_ROW = 3


def printable(text: str) -> str:
    """One line of `text` that a terminal or a page shows as it is.

    Escape sequences, control and format characters (bidirectional overrides, joiners, lone
    surrogates, private use) go, every run of white space becomes one space, and no character
    carries more than three combining marks.
    """
    if text.isascii() and text.isprintable():
        return text
    spaced = _SPACES.sub(" ", ESCAPES.sub("", text))  # before tabs and newlines go as Cc
    kept: list[str] = []
    marks = 0
    for character in spaced:
        category = unicodedata.category(character)
        if category in _DROPPED:
            continue
        if "\ufe00" <= character <= "\ufe0f":
            # Variation selectors: terminals do not agree on the width of what they choose.
            continue
        marks = marks + 1 if category == "Mn" else 0
        if marks <= _MARKS_IN_A_ROW:
            kept.append(character)
    return " ".join("".join(kept).split())
