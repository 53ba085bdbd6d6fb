"""The rules of a gate: one comparison with the baseline each, read from text.

    <measure>[.low|.high] <op> base [+|- <number>]
    harmed|improved <op> <percent>%

`<op>` is >=, >, <= or <. `base` is the baseline side's mean of the measure over the same queries.
A measure alone is the candidate's mean. A mean passes on noise, so `.low` and `.high` take its
place where a rule should be sure: they are `base` plus the low and the high end of the delta's 95 %
interval. `ndcg@10.low >= base - 0.01` holds where a loss of more than .01 is ruled out. `harmed`
and `improved` are the shares of queries whose delta of the primary measure passes the threshold.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from engine.errors import UsageError
from engine.measures import DEFINITIONS, LARGEST_DELTA, PRIMARY

GRAMMAR = (
    "a rule is `<measure>[.low|.high] >= base [+|- <number>]` or `harmed|improved <= <percent>%`, "
    "with >=, >, <= or <"
)
OPS = (">=", ">", "<=", "<")
SHARES = ("harmed", "improved")
ENDS = ("low", "high")
_ROUNDING = 1e-12
_TOKEN = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)|(?P<word>[a-z_][\w@.]*)|(?P<op>[<>=!]+)|\S",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One parsed rule.

    Attributes:
        text: as it was written, with single spaces.
        measure: a name of `DEFINITIONS`; the primary one for a share.
        part: "mean", or the end "low" or "high" of the delta's interval; "harmed" or "improved".
        op: one of `OPS`.
        number: what is added to the baseline's mean, -1 to 1; of a share the percent, 0 to 100.
    """

    text: str
    measure: str
    part: str
    op: str
    number: float

    @property
    def is_share(self) -> bool:
        return self.part in SHARES

    def holds(self, value: float) -> bool:
        """Whether `value <op> number`; values apart by rounding alone are equal."""
        above = value - self.number
        if self.op in (">=", "<="):
            return above >= -_ROUNDING if self.op == ">=" else above <= _ROUNDING
        return above > _ROUNDING if self.op == ">" else above < -_ROUNDING


def parse_rule(text: str, where: str = "") -> Rule:
    """Read one rule.

    Args:
        where: the file and line it stands in, for the message.

    Raises:
        UsageError: it does not parse; says at which column, and what is allowed there.
    """
    return _Reading(text, where).rule()


def parse_rules(texts: Sequence[str], lines: Sequence[tuple[str, str]] = ()) -> tuple[Rule, ...]:
    """All of them, those of a file after the others.

    Args:
        lines: (file and line, rule) of each.

    Raises:
        UsageError: one does not parse.
    """
    rules = [parse_rule(text) for text in texts]
    rules += [parse_rule(text, where) for where, text in lines]
    return tuple(rules)


def check_candidates(rules: Sequence[Rule], candidates: str) -> None:
    """Refuse a measure that is undefined over this candidate set.

    Raises:
        UsageError: NDCG at full depth, which needs the judged products alone, over the catalog.
    """
    for rule in rules:
        item = DEFINITIONS[rule.measure]
        if candidates == "catalog" and item.family == "ndcg" and item.depth is None:
            raise UsageError(
                f"The rule {rule.text!r} has no value over the catalog: {rule.measure} ranks the "
                "judged products alone.",
                f"Write {PRIMARY}, or add --candidates judged.",
            )


class _Reading:
    """One pass over the tokens of a rule."""

    def __init__(self, text: str, where: str) -> None:
        self.text, self.where = text, where
        self.tokens = list(_TOKEN.finditer(text))
        self.place = 0

    def rule(self) -> Rule:
        measure, part = self._left()
        op = self._take("op", "a comparison", OPS, OPS)
        if part in SHARES:
            number = self._percent(part)
        else:
            self._take("word", "the word base", ("base",), ("base",))
            number = self._margin()
        if self.place < len(self.tokens):
            self._fail("the end of the rule", ("nothing more",))
        return Rule(" ".join(self.text.split()), measure, part, op, number)

    def _left(self) -> tuple[str, str]:
        known = (*DEFINITIONS, *SHARES)
        names = [*known, *(f"{name}.{end}" for name in DEFINITIONS for end in ENDS)]
        allowed = (*known, "or a measure with .low or .high")
        name = self._take("word", "a measure", names, allowed)
        if name in SHARES:
            return PRIMARY, name
        measure, _, end = name.rpartition(".")
        return (measure, end) if end in ENDS else (name, "mean")

    def _margin(self) -> float:
        if self.place == len(self.tokens):
            return 0.0
        sign = self._take("", "a sign", ("+", "-"), ("+", "-", "the end of the rule"))
        at = self.place
        number = float(self._take("number", "a number", (), ("a number such as 0.01",)))
        if number > LARGEST_DELTA:
            self.place = at
            allowed = "a number from 0 to 1, measures lie between these: 0.05 is five points"
            self._fail("a number up to 1", (allowed,))
        return -number if sign == "-" else number

    def _percent(self, part: str) -> float:
        at = self.place
        number = float(self._take("number", "a percentage", (), (f"such as 20% after {part}",)))
        if number > 100:
            self.place = at
            self._fail("a percentage up to 100", ("0% to 100%",))
        self._take("", "the sign %", ("%",), ("%",))
        return number

    def _take(self, kind: str, wanted: str, among: Sequence[str], allowed: Sequence[str]) -> str:
        """The next token's text, of this kind ("" for signs) and one of `among` if given."""
        found = self.tokens[self.place] if self.place < len(self.tokens) else None
        text = found[0].lower() if found else ""
        if found is None or (found.lastgroup or "") != kind or (among and text not in among):
            self._fail(wanted, allowed)
        self.place += 1
        return text

    def _fail(self, wanted: str, allowed: Sequence[str]) -> NoReturn:
        before = self.tokens[self.place - 1][0] if self.place else ""
        behind = f" after {before!r}" if before else ""
        if self.place < len(self.tokens):
            found = self.tokens[self.place]
            fault = f"at column {found.start() + 1}, {found[0]!r}{behind} is not {wanted}"
        else:
            column = len(self.text.rstrip()) + 1
            fault = f"it ends at column {column}{behind}, where {wanted} should stand"
        shown = self.text if len(self.text) <= 100 else self.text[:99] + "…"
        place = f" ({self.where})" if self.where else ""
        raise UsageError(
            f"The rule {shown!r}{place} does not parse: {fault}.",
            f"Allowed there: {', '.join(allowed)}. In all, {GRAMMAR}.",
        )
