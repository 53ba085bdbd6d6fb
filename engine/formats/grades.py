"""Any scale of relevance into the four grades E, S, C, I (Exact, Substitute, Complement,
Irrelevant), with the mapping kept so that it can be shown.

- *letters*: the letters or the words, any case; WANDS' Partial is S.
- *0-N* and *1-N* (any `low-high`): by the fraction of the way from low to high: from .9 E, from .5
  S, above 0 C, 0 I. So 0-3 is I C S E, 0-4 is I C S S E, 0-10 and 0-100 are E from 90 %, S from
  half. Guessed by the smallest of 1, 2, 3, 4, 5, 10, 100 that holds every value; 1-5 where the
  top is 5 and no 0 occurs. Negative grades of TREC qrels (junk) count as 0.
- *gains*: 1, .1, .01, 0, or 100, 10, 1, 0, where only these occur: the ESCI gains themselves.
- *continuous*: anything else in numbers, by the place between the file's smallest and largest
  value: from .75 E, from .5 S, from .25 C, below I.
- *order*: no grades at all: of each query's products in their order, the first third is E, the
  second S, the last C, rounded up.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine.catalog.numbers import read_number
from engine.errors import RankbenchError, UsageError

WORDS = {
    "E": "E", "S": "S", "C": "C", "I": "I",
    "EXACT": "E", "SUBSTITUTE": "S", "COMPLEMENT": "C", "IRRELEVANT": "I",
    "PARTIAL": "S", "COMPLEMENTARY": "C",
}  # fmt: skip
# Raw grades, in lower case, that say nothing: an open judgment is no judgment of 0.
MISSING = ("", "nan", "null", "none", "na", "n/a")
ACCEPTED = (
    "E/S/C/I, Exact/Substitute/Complement/Irrelevant, Exact/Partial/Irrelevant, or numbers "
    "(0-3, 0-4, 1-5, 0-10, 0-100, gains, continuous)"
)
SCALES = ("letters", "0-3", "0-4", "1-5", "0-10", "0-100", "gains", "continuous", "order")
_TOPS = (1, 2, 3, 4, 5, 10, 100)
_SCALE_GAINS = ({1.0: "E", 0.1: "S", 0.01: "C", 0.0: "I"}, {100: "E", 10: "S", 1: "C", 0: "I"})
_STEPS = ((0.9, "E"), (0.5, "S"), (1e-12, "C"), (0.0, "I"))
_CONTINUOUS = ((0.75, "E"), (0.5, "S"), (0.25, "C"), (0.0, "I"))


@dataclass(frozen=True, slots=True)
class GradeMap:
    """How raw values became grades.

    Attributes:
        scale: the scale's name.
        grades: every raw value of the file -> its grade.
        mapping: the same to show: raw value or range -> grade, best first.
    """

    scale: str
    grades: dict[str, str]
    mapping: dict[str, str]


def check_scale(scale: str | None) -> None:
    """Raise a UsageError where `scale` is no scale's name."""
    if scale is not None and scale not in SCALES and not re.fullmatch(r"\d+-\d+", scale):
        raise UsageError(f"There is no scale {scale!r}.", f"Choose one of: {', '.join(SCALES)}.")


def map_grades(values: Iterable[str], scale: str | None = None) -> GradeMap:
    """Map raw grades; `scale` overrides the guess.

    Args:
        values: raw grades, none of them missing; repeats are fine.
        scale: one of `SCALES` but "order", any `low-high`, or None.

    Raises:
        RankbenchError: values that the scale does not know, naming them and those accepted.
        UsageError: no such scale.
    """
    check_scale(scale)
    distinct = sorted(set(values))
    numbers = {value: read_number(value) for value in distinct}
    if scale is None:
        scale = _guess(distinct, numbers)
    if scale == "letters":
        grades = {value: WORDS.get(value.strip().upper(), "") for value in distinct}
        _refuse([value for value, grade in grades.items() if not grade], ACCEPTED)
        return _exact_map("letters", grades)
    _refuse([value for value, number in numbers.items() if number is None], "numbers")
    parsed = {value: number for value, number in numbers.items() if number is not None}
    if scale == "gains":
        return _gains(parsed)
    if scale == "continuous":
        return _continuous(parsed)
    return _steps(scale, parsed)


def map_order(count: int) -> list[str]:
    """Grades of a query's `count` products in their order: thirds, rounded up."""
    third = math.ceil(count / 3)
    return ["E" if row < third else "S" if row < 2 * third else "C" for row in range(count)]


ORDER_MAPPING = {"first third": "E", "second third": "S", "last third": "C"}


def _guess(distinct: Sequence[str], numbers: dict[str, float | None]) -> str:
    found = {number for number in numbers.values() if number is not None}
    wordless = [value for value in distinct if numbers[value] is None]
    if wordless:
        # In a mix, the smaller part is what is wrong.
        if len(wordless) <= len(distinct) / 2 and found:
            _refuse(wordless, "numbers, as the rest of the column")
        return "letters"
    if _as_gains(found):
        return "gains"
    top = max(found, default=0)
    if all(number.is_integer() and number >= -10 for number in found) and top <= _TOPS[-1]:
        if top == 5 and min(found) >= 1:
            return "1-5"
        return f"0-{next(limit for limit in _TOPS if top <= limit)}"
    return "continuous"


def _as_gains(found: set[float]) -> bool:
    small, large = (set(table) for table in _SCALE_GAINS)
    return (found <= small and bool(found & {0.1, 0.01})) or (
        found <= large and 100 in found and bool(found & {10, 1})
    )


def _gains(parsed: dict[str, float]) -> GradeMap:
    table = _SCALE_GAINS[1 if max(parsed.values(), default=0) > 1 else 0]
    _refuse([value for value, number in parsed.items() if number not in table],
            ", ".join(f"{number:g}" for number in table))  # fmt: skip
    return _exact_map("gains", {value: table[number] for value, number in parsed.items()})


def _steps(scale: str, parsed: dict[str, float]) -> GradeMap:
    low, high = (int(part) for part in scale.split("-"))
    if low >= high:
        raise UsageError(f"The scale {scale} is empty.", "Write the lower end first: 0-4.")
    clamped = {value: low if low == 0 > number else number for value, number in parsed.items()}
    outside = [value for value, number in clamped.items() if not low <= number <= high]
    _refuse(outside, f"numbers from {low} to {high}")
    grades = {
        value: _step((number - low) / (high - low), _STEPS) for value, number in clamped.items()
    }
    if len(grades) <= 12:
        return _exact_map(scale, grades, parsed)
    width = high - low
    mapping = {
        f"{low + 0.9 * width:g} to {high}": "E",
        f"{low + 0.5 * width:g} to {low + 0.9 * width:g}": "S",
        f"above {low} to {low + 0.5 * width:g}": "C",
        f"{low}": "I",
    }
    return GradeMap(scale, grades, mapping)


def _continuous(parsed: dict[str, float]) -> GradeMap:
    low, high = min(parsed.values(), default=0.0), max(parsed.values(), default=0.0)
    width = high - low
    if width == 0:
        return _exact_map("continuous", {value: "E" if low > 0 else "I" for value in parsed})
    grades = {value: _step((number - low) / width, _CONTINUOUS) for value, number in parsed.items()}
    edges = [low + share * width for share in (0.75, 0.5, 0.25)]
    mapping = {
        f"{edges[0]:.4g} to {high:.4g}": "E",
        f"{edges[1]:.4g} to {edges[0]:.4g}": "S",
        f"{edges[2]:.4g} to {edges[1]:.4g}": "C",
        f"{low:.4g} to {edges[2]:.4g}": "I",
    }
    return GradeMap("continuous", grades, mapping)


def _step(fraction: float, steps: Sequence[tuple[float, str]]) -> str:
    # 9 of 10 must reach .9 whatever the division rounds to.
    return next(grade for least, grade in steps if fraction >= least - 1e-9 * (least > 1e-9))


def _exact_map(
    scale: str, grades: dict[str, str], numbers: dict[str, float] | None = None
) -> GradeMap:
    places = {grade: place for place, grade in enumerate("ESCI")}
    shown = sorted(
        grades.items(), key=lambda pair: (places[pair[1]], -(numbers or {}).get(pair[0], 0.0))
    )
    return GradeMap(scale, grades, dict(shown))


def _refuse(unknown: Sequence[str], accepted: str) -> None:
    if not unknown:
        return
    named = ", ".join(repr(value[:40]) for value in unknown[:8])
    more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
    raise RankbenchError(
        f"Unknown grades: {named}{more}.",
        f"Accepted here: {accepted}. `--scale` names the scale where the guess is wrong.",
    )
