"""Numbers as a reader of a report sees them."""

from __future__ import annotations

import math

from engine.evaluation.intervals import Delta
from engine.evaluation.traffic import Weighted

DIGITS = 4


def number(value: float | None, digits: int = DIGITS) -> str:
    """A measure in fixed digits with a true minus sign; a dash where it is undefined."""
    if value is None or not math.isfinite(value):
        return "—"
    return _minus(f"{value:.{digits}f}")


def signed(value: float | None, digits: int = DIGITS) -> str:
    """A difference with its sign; `±0.0000` where the digits shown are all zero."""
    if value is None or not math.isfinite(value):
        return "—"
    shown = f"{value:+.{digits}f}"
    return _minus(shown) if float(shown) else f"±{abs(float(shown)):.{digits}f}"


def p_value(p: float | None) -> str:
    """A p value to three digits; never a zero that it is not."""
    return "< 0.001" if p is not None and p < 0.001 else number(p, 3)


def interval(delta: Delta | Weighted) -> str:
    """`−0.0021 to +0.0170`; "too few" below `FEWEST` queries, a dash without one."""
    if delta.low is None or delta.high is None:
        return "too few" if delta.n else "—"
    return f"{signed(delta.low)} to {signed(delta.high)}"


def edge(value: float) -> str:
    """The end of a histogram's bar: `−.31`, `+.06`, `+.005`, `0`."""
    whole, _, decimals = f"{abs(value):.3f}".partition(".")
    shown = f"{whole.lstrip('0')}.{decimals[:2]}{decimals[2].strip('0')}"
    return ("−" if value < 0 else "+") + shown if float(shown) else "0"


def count(value: int, noun: str, plural: str = "") -> str:
    """`1 query`, `2,013 products`."""
    return f"{value:,} {noun if value == 1 else plural or noun + 's'}"


def share(part: int, whole: int) -> str:
    """`28 %`; a dash of nothing."""
    return f"{100 * part / whole:.0f} %" if whole else "—"


def _minus(text: str) -> str:
    return text.replace("-", "−") if float(text) else text.lstrip("-")
