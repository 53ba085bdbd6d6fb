"""Text as a terminal can bear it: nothing that moves the cursor, cut by cells, numbers aligned."""

from __future__ import annotations

import re
import unicodedata

from rich.cells import cell_len, set_cell_size

# Terminal escapes are dropped whole: without their first byte the rest would show as `[31m`.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-_]|\x9b[0-?]*[ -/]*[@-~]"
)
_SPACES = re.compile(r"\s+")
# Cf holds bidirectional overrides and joiners, Cs lone surrogates that no terminal can encode.
_DROPPED = frozenset({"Cc", "Cf", "Cs", "Co"})
_MARKS_IN_A_ROW = 3


def printable(text: str) -> str:
    """One line of `text` that a terminal shows as it is.

    Escape sequences, control and format characters (bidirectional overrides, joiners, lone
    surrogates, private use) go, every run of white space becomes one space, and no character
    carries more than three combining marks.
    """
    if text.isascii() and text.isprintable():
        return text
    spaced = _SPACES.sub(" ", _ESCAPES.sub("", text))  # before tabs and newlines go as Cc
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


def fit(text: str, width: int) -> str:
    """`text` in exactly `width` cells: cut with an ellipsis, or padded with spaces."""
    if width <= 0:
        return ""
    if text.isascii():
        length = len(text)
        if length <= width:
            return text + " " * (width - length)
        return text[: width - 1] + "…"
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(set_cell_size(text, width - 1).rstrip() + "…", width)


def measure(value: float | None, digits: int = 3) -> str:
    """A number in [0, 1] as `.812`, one as `1.00`, None as a dash; always `digits + 1` cells."""
    if value is None:
        return "–".rjust(digits + 1)
    shown = f"{value:.{digits}f}"
    if shown.startswith("0."):
        return shown[1:]
    if shown.startswith("-0."):
        return "-" + shown[2:]
    return shown[: digits + 1]


def change(value: float | None, digits: int = 3) -> str:
    """A signed difference: `+.081`, `-.004`, `±.000`; None as a dash."""
    if value is None:
        return "–".rjust(digits + 2)
    shown = measure(abs(value), digits)
    if not any(digit in "123456789" for digit in shown):
        return "±" + shown
    return ("+" if value > 0 else "-") + shown


def score(value: float) -> str:
    """A score in five cells at most, whatever its scale."""
    if abs(value) < 1:
        return measure(value)
    if abs(value) < 10:
        return f"{value:.2f}"
    return f"{value:.1f}"[:5].rstrip(".") if abs(value) < 1000 else f"{value:.0f}"[:5]


def count(value: int, noun: str, plural: str = "") -> str:
    """`1 query`, `2,013 products`."""
    return f"{value:,} {noun if value == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """Time left, in words short enough for a status line."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
