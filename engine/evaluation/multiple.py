"""Several p values of one question: Holm's correction."""

from __future__ import annotations

from collections.abc import Sequence


def holm(values: Sequence[float]) -> list[float]:
    """Adjusted p values in the order given: below .05 where the null is refused at 5 % over all.

    Holm 1979, Scandinavian Journal of Statistics 6. The smallest of m is multiplied by m, the next
    by m - 1 and so on; none is smaller than one before it, none above 1.

    Args:
        values: p values from 0 to 1.
    """
    order = sorted(range(len(values)), key=lambda place: values[place])
    found = [0.0] * len(values)
    least = 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, (len(values) - rank) * values[place]))
        found[place] = least
    return found
