"""Text as a terminal can bear it: nothing that moves the cursor, cut by cells, numbers aligned."""

from __future__ import annotations

import re

from rich.cells import cell_len, set_cell_size

from engine.formats.printable import printable

_SIGNED_ZERO = re.compile(r"([+±-])0(?=\.\d)")

__all__ = [
    "change",
    "count",
    "duration",
    "end_of_interval",
    "fit",
    "interval",
    "measure",
    "printable",
    "score",
]


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


def end_of_interval(value: float | None, digits: int = 3) -> str:
    """An end of an interval; one that only rounds to zero gets a digit more: `+.0003`.

    Where that is zero too its sign stays: `+.0000` is above it.
    """
    shown = change(value, digits)
    if value and shown.startswith("±"):
        return ("+" if value > 0 else "-") + measure(abs(value), digits + 1)
    return shown


def interval(low: float | None, high: float | None) -> str:
    """`+.003 to +.045`; that the queries were too few for one where there is none."""
    if low is None or high is None:
        return "too few for an interval"
    return f"{end_of_interval(low)} to {end_of_interval(high)}"


def short_measures(text: str) -> str:
    """A sentence with signed measures, `+0.155`, as the screens write them: `+.155`."""
    return _SIGNED_ZERO.sub(r"\1", text)


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
