"""A number as people write it in a file."""

from __future__ import annotations

import math
import re

_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


def read_number(value: str) -> float | None:
    """The finite number in `value`, which may have a decimal comma or a typographic minus; else
    None."""
    text = value.strip().replace("\u2212", "-")
    if _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
