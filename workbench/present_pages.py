"""The pages of Present as lines of pieces: one fact each."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.renderables.digits import Digits

from engine.measures import LARGEST_DELTA, PRIMARY
from engine.ranking.comparison import Comparison, Hit, SideResult
from workbench.concluding import Conclusion
from workbench.screens.product import GRADES
from workbench.text import change, count, fit, interval, measure, printable
from workbench.widgets.painted import Piece
from workbench.widgets.ranking_list import movement

TOP = 5
JUDGED = 10
_AROUND = 8
"""Lines of a list page that are no hits."""
_MOST_APART = 2
_GRADE = 11
# Of equal to the threshold in spite of a rounding error.
_ROUNDING = 1e-12
Lines = list[list[Piece]]


def query_page(query: str, width: int) -> Lines:
    """The query, as large as a terminal writes: letters apart where there is room."""
    text = printable(query)
    apart = "   ".join(" ".join(word) for word in text.split())
    # Only letters that stand alone: a mark, or half of an emoji, must stay with its letter.
    wide = text.isascii() and len(apart) <= width
    shown = [apart] if wide else textwrap.wrap(text, width) or [""]
    longest = min(width, max(cell_len(line) for line in shown))
    rule: list[Piece] = [("rule", "━" * longest)]
    return [rule, [], *([("strong", line)] for line in shown), [], rule]


def list_page(comparison: Comparison, place: str, width: int, height: int) -> Lines:
    """One side's first five; on the right (`candidate`) with what moved."""
    right = place == "candidate"
    side = comparison.candidate if right else comparison.baseline
    other = comparison.baseline if right else comparison.candidate
    apart = max(0, min((height - _AROUND) // TOP - 1, _MOST_APART))
    told = f": its first {TOP}" + (f", and where {printable(other.encoder)} had them" * right)
    lines: Lines = [
        [("faint", printable(comparison.query))],
        [],
        [("strong", printable(side.encoder)), ("plain", told)],
    ]
    if not side.hits:
        said = "has no answer to this query" if side.unanswered else "found nothing"
        return [*lines, [], [("warn", f"{printable(side.encoder)} {said}.")]]
    for row in range(TOP):
        lines += [[]] * (apart if row else max(1, apart))
        lines.append(_hit(side.hits[row], right, width) if row < len(side.hits) else [])
    return [*lines, [], *(_legend(side, other) if right else ([], []))]


def _hit(hit: Hit, moved: bool, width: int) -> list[Piece]:
    ink, mark = movement(hit) if moved else ("plain", "")
    grade = GRADES[hit.grade] if hit.grade else "not judged"
    title = printable(hit.title) or f"({printable(hit.product_id)})"
    return [
        ("strong", f"{hit.rank}  "),
        (ink, f"{mark:<6}"),
        ("strong", fit(title, width - 10 - _GRADE)),
        ("plain" if hit.grade else "faint", f" {grade:>{_GRADE}}"),
    ]


def _legend(side: SideResult, other: SideResult) -> Lines:
    here = {hit.product_id for hit in side.hits[:TOP]}
    gone = sum(hit.product_id not in here for hit in other.hits[:TOP])
    name = printable(other.encoder)
    are = "is" if gone == 1 else "are"
    return [
        [("plain", f"{gone} of the first {TOP} of {name} {are} not among these.")],
        [("faint", "▲ higher here   ▼ lower   = the same   new: not found there")],
    ]


def numbers_page(comparison: Comparison, unchanged: float, width: int) -> Lines:
    """NDCG@10 of the query on both sides, and what it rests on."""
    left, right = (printable(s.encoder) for s in (comparison.baseline, comparison.candidate))
    before, after = (
        side.measures.get(PRIMARY) for side in (comparison.baseline, comparison.candidate)
    )
    lines: Lines = [[("faint", printable(comparison.query))], []]
    if before is None or after is None:
        why = "Nobody has judged this query" if not comparison.judged else "It has no good product"
        return [*lines, *wrapped("plain", f"{why}: there is no number to show.", width)]
    delta = after - before
    ink, word = _verdict(delta, unchanged)
    lines += _side_by_side(big(measure(before).strip()), big(measure(after).strip()), ink)
    lines.append([])
    lines += wrapped(
        "strong",
        f"NDCG@10 {measure(before).strip()} with {left}, {measure(after).strip()} with {right}"
        f" on this query: {word}.",
        width,
    )
    lines.append([])
    lines += wrapped("plain", _judged(comparison, left, right), width)
    for name, side in ((left, comparison.baseline), (right, comparison.candidate)):
        if side.seen:
            said = f"{name} was trained or chosen on this query: its number here proves little."
            lines += wrapped("warn", said, width)
    return lines


def _verdict(delta: float, unchanged: float) -> tuple[str, str]:
    """The ink and the words of a difference."""
    if abs(delta) <= unchanged + _ROUNDING:
        return "plain", f"unchanged (within {_short(unchanged)})"
    size = measure(abs(delta)).strip()
    return ("gain", f"better by {size}") if delta > 0 else ("loss", f"worse by {size}")


def _judged(comparison: Comparison, left: str, right: str) -> str:
    parts = []
    for name, side in ((left, comparison.baseline), (right, comparison.candidate)):
        hits = side.hits[:JUDGED]
        parts.append(f"{sum(hit.grade is not None for hit in hits)} of {len(hits)} hits of {name}")
    return f"Judged: {parts[0]}, {parts[1]}."


def whole_page(
    found: Conclusion | None,
    names: tuple[str, str],
    shop: str,
    unchanged: float,
    width: int,
    *,
    extremes: bool = False,
) -> Lines:
    """What all judged queries that neither side has seen say (all, where there are no others).

    `extremes` says that those shown are the ends of it.
    """
    left, right = (printable(name) for name in names)
    if found is None:
        return [[("faint", "Both sides are answering every judged query.")]]
    every = "All judged queries" if found.seen else "All unseen judged queries"
    head: Lines = [[("faint", f"{every}, not only those shown")], []]
    delta = found.delta
    if delta is None or delta.mean is None:
        return [[("plain", "No query is judged here: there is no number to show.")]]
    queries = count(delta.n, "judged query", "judged queries")
    side = "a side" if found.seen else "neither side"
    kind = f"that {side} was trained or chosen on"
    of = f" of {printable(shop)}" if shop else ""
    before, after = (measure(mean).strip() for mean in found.means)
    lines = [*head, *([("strong", line)] for line in big(change(delta.mean))), []]
    said = f"Mean NDCG@10 over {queries}{of} {kind}: {before} with {left}, {after} with {right}."
    lines += [*wrapped("strong", said, width), []]
    lines += [*wrapped("plain", _interval(delta), width), []]
    lines.append(
        [
            ("gain", f"{delta.improved:,} improved"),
            ("plain", f", {delta.unchanged:,} unchanged (within {_short(unchanged)}), "),
            ("loss", f"{delta.harmed:,} harmed"),
        ]
    )
    chosen = "the best wins and worst harms of these" if extremes else "chosen by hand"
    lines += [
        [],
        *wrapped("faint", f"The queries shown are {chosen}: they are not typical.", width),
    ]
    if found.seen:
        lines += wrapped(
            "warn", "A side was trained or chosen on these: this proves little.", width
        )
    if found.excluded:
        without = count(found.excluded, "query", "queries")
        lines += wrapped("faint", f"{without} without a good product left out.", width)
    return lines


def _interval(delta: Any) -> str:
    """The interval and what it allows to say, no more."""
    if delta.low is None or delta.high is None:
        return f"n {delta.n}: too few queries for an interval."
    ends = f"95 % interval of the change {interval(delta.low, delta.high)}, n {delta.n}"
    if delta.low <= 0 <= delta.high:
        says = "zero is within it, so no difference is shown"
    elif delta.barely:
        says = "it all but touches zero, so a difference is hardly shown"
    else:
        says = "all of it is above zero" if delta.low > 0 else "all of it is below zero"
    rough = " With so few queries it is rough." if delta.rough else ""
    return f"{ends}: {says}.{rough}{_too_few(delta)}"


def _too_few(delta: Any) -> str:
    """What so many queries could have shown, where that is more than they did."""
    if not delta.too_few:
        return ""
    least = measure(min(delta.visible, LARGEST_DELTA)).strip()
    return (
        f" {delta.n:,} queries are too few to tell: they show a true change of {least} four times "
        "in five, a smaller one less often."
    )


def big(text: str) -> list[str]:
    """A number in digits three lines high."""
    segments = Digits(text).render(Style(bold=True))
    return ["".join(s.text for s in line) for line in Segment.split_lines(segments)]


def _side_by_side(left: Sequence[str], right: Sequence[str], ink: str) -> Lines:
    arrows = ("      ", "  →   ", "      ")
    rows = zip(left, arrows, right, strict=True)
    return [[("plain", a), ("faint", arrow), (ink, b)] for a, arrow, b in rows]


def wrapped(ink: str, text: str, width: int) -> Lines:
    """A text as lines that fit."""
    return [[(ink, line)] for line in textwrap.wrap(text, max(8, width))]


def _short(value: float) -> str:
    return f"{value:g}".removeprefix("0")
