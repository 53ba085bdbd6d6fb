"""What commands print: data on stdout, talk on stderr, hostile text made harmless."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import click

if TYPE_CHECKING:
    from rich.progress import Progress

    from engine.evaluation.intervals import Delta


def emit_json(value: Any) -> None:
    """Print one JSON value on stdout; NaN and infinities become null."""
    click.echo(json.dumps(_plain(value), indent=2, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if hasattr(value, "item"):  # a numpy scalar
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


def say(text: str = "") -> None:
    """Talk: one line on stderr."""
    click.echo(text, err=True)


def safe(text: str) -> str:
    """`text` on one line, without what a terminal would obey (escapes, controls, bidi marks)."""
    from workbench.text import printable

    return printable(text)


def cut(text: str, width: int) -> str:
    """`safe` text of at most `width` terminal cells, with an ellipsis where it was cut."""
    from workbench.text import fit

    return fit(safe(text), width).rstrip()


def count(value: int, noun: str, plural: str = "") -> str:
    """`1 query`, `2,013 products`."""
    from workbench.text import count as counted

    return counted(value, noun, plural)


def number(value: float | None, digits: int = 4, sign: bool = False) -> str:
    """A measure in fixed digits; an em dash where it is undefined.

    What rounds to zero has no minus; a difference (`sign`) that does has ±.
    """
    if value is None or not math.isfinite(value):
        return "—"
    if not round(value, digits):
        return f"{'±' if sign else ''}{0:.{digits}f}"
    return f"{value:{'+' if sign else ''}.{digits}f}"


class Estimate(Protocol):
    """A mean difference: a `Delta`, a `Weighted`."""

    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...
    @property
    def n(self) -> int: ...


def interval(found: Estimate | None) -> str:
    """The ends of the interval of a difference; "too few" queries, or an em dash where none."""
    return ends(found.low, found.high, found.n) if found is not None else "—"


def ends(low: float | None, high: float | None, n: int, digits: int = 4) -> str:
    """As `interval`, of the numbers of a kept evaluation; no end is a zero that it is not."""
    if low is None or high is None:
        return "too few" if n else "—"
    return f"{_end(low, digits)} to {_end(high, digits)}"


def _end(value: float, digits: int) -> str:
    if value and not round(value, digits):
        return f"{value:+.{digits + 1}f}"  # its sign is the word on whether 0 is inside
    return number(value, digits, sign=True)


def p_value(p: float | None) -> str:
    """A p value to three digits; never a zero that it is not."""
    return "<.001" if p is not None and p < 0.001 else number(p, 3)


def note_small(deltas: Iterable[Delta]) -> None:
    """Say where intervals over few queries should be read with care."""
    every = list(deltas)
    if scarce := [delta for delta in every if delta.scarce]:
        say(
            f"too few for an interval: with {_sizes(scarce)} there is none, and no p; both begin "
            f"at {scarce[0].FEWEST} queries."
        )
    if rough := [delta for delta in every if delta.rough]:
        say(
            f"With {_sizes(rough)} an interval is wide and approximate; close to 0 it and p, which "
            "are made differently, may disagree."
        )


def _sizes(deltas: Sequence[Delta]) -> str:
    """`n = 7`, `n from 7 to 12`."""
    sizes = sorted({delta.n for delta in deltas})
    return f"n = {sizes[0]}" if len(sizes) == 1 else f"n from {sizes[0]} to {sizes[-1]}"


def note_fragile(deltas: Iterable[Delta]) -> None:
    """Say what fragile means where one of `deltas` is."""
    if any(delta.fragile for delta in deltas):
        say(
            "fragile: the interval excludes 0, but one query more could cancel the difference, or "
            "a few large ones stand against it. Judge more queries."
        )


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> None:
    """Print aligned columns; the first `left` columns to the left, the others to the right."""
    from rich.cells import cell_len

    lines = [list(headers), *[list(row) for row in rows]]
    widths = [max(cell_len(line[at]) for line in lines) for at in range(len(headers))]
    for line in lines:
        cells = []
        for at, (text, width) in enumerate(zip(line, widths, strict=True)):
            gap = " " * (width - cell_len(text))
            cells.append(text + gap if at < left else gap + text)
        click.echo("  ".join(cells).rstrip())


def narrowed(
    headers: Sequence[str], rows: Sequence[Sequence[str]], left: int, least_told: Sequence[str]
) -> tuple[list[str], list[list[str]], int]:
    """What `table` takes, without as many columns of `least_told` as a terminal has no room for.

    What goes to a file or a pipe keeps all of them.
    """
    from rich.cells import cell_len

    heads, lines = list(headers), [list(row) for row in rows]
    if not sys.stdout.isatty():
        return heads, lines, left
    room = shutil.get_terminal_size((80, 24)).columns
    for name in least_told:
        widths = [max(map(cell_len, column)) for column in zip(heads, *lines, strict=True)]
        if sum(widths) + 2 * (len(widths) - 1) <= room:
            break
        at = heads.index(name)
        left -= at < left
        del heads[at]
        for line in lines:
            del line[at]
    return heads, lines, left


def facts(rows: Sequence[tuple[str, str]]) -> None:
    """Print aligned `name  value` lines."""
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        click.echo(f"{name.ljust(width)}  {value}".rstrip())


class Silence:
    """What `progress_bar` hands out where nothing is drawn."""

    def __init__(self, quiet: bool = True) -> None:
        self._quiet = quiet

    def __call__(self, done: int, total: int) -> None:
        pass

    def stage(self, what: str, unit: str) -> None:
        """Say what begins, in a line."""
        if not self._quiet:
            say(f"{what} …")


class Bar:
    """A bar that is being drawn. `bar(done, total)` moves it."""

    def __init__(self, drawn: Progress, what: str, unit: str) -> None:
        self._drawn = drawn
        self._task = drawn.add_task(what, total=1, rate="", unit=unit)
        self._moved = False

    def __call__(self, done: int, total: int) -> None:
        self._moved = True
        speed = self._drawn.tasks[-1].speed
        rate = f"{speed:,.0f}/s" if speed else ""
        self._drawn.update(self._task, completed=done, total=max(total, 1), rate=rate)

    def stage(self, what: str, unit: str) -> None:
        """Begin another bar below for the next part of the work; one that never moved is it."""
        if not self._moved:
            self._drawn.update(self._task, description=what, unit=unit)
            return
        self._task = self._drawn.add_task(what, total=1, rate="", unit=unit)
        self._moved = False


@contextmanager
def progress_bar(what: str, unit: str = "rows", quiet: bool = False) -> Iterator[Bar | Silence]:
    """A bar with rate and time left on stderr; hands out `report(done, total)`.

    Without a terminal, or `quiet`, nothing is drawn.
    """
    if quiet or not sys.stderr.isatty():
        yield Silence(quiet)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} {task.fields[unit]}", markup=False),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        yield Bar(bar, what, unit)
