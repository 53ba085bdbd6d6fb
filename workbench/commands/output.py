"""What commands print: data on stdout, talk on stderr, hostile text made harmless."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
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
    """A measure in fixed digits; an em dash where it is undefined."""
    if value is None or not math.isfinite(value):
        return "—"
    return f"{value:{'+' if sign else ''}.{digits}f}"


def interval(low: float | None, high: float | None) -> str:
    """The ends of an interval of a difference; an em dash where there is none."""
    if low is None or high is None:
        return "—"
    return f"{number(low, sign=True)} to {number(high, sign=True)}"


def p_value(p: float | None) -> str:
    """A p value to three digits; never a zero that it is not."""
    return "<.001" if p is not None and p < 0.001 else number(p, 3)


def note_small(deltas: Iterable[Delta]) -> None:
    """Say where intervals over few queries should be read with care."""
    sizes = sorted({delta.n for delta in deltas if delta.rough})
    if not sizes:
        return
    few = f"n = {sizes[0]}" if len(sizes) == 1 else f"n from {sizes[0]} to {sizes[-1]}"
    say(
        f"With {few} an interval is wide and approximate; close to 0 it and p, which are made "
        "differently, may disagree."
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


def facts(rows: Sequence[tuple[str, str]]) -> None:
    """Print aligned `name  value` lines."""
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        click.echo(f"{name.ljust(width)}  {value}".rstrip())


@contextmanager
def progress_bar(
    what: str, unit: str = "rows", quiet: bool = False
) -> Iterator[Callable[[int, int], None]]:
    """A bar with rate and time left on stderr; hands out `report(done, total)`.

    Without a terminal, or `quiet`, nothing is drawn.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} " + unit, markup=False),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=1, rate="")

        def report(done: int, total: int) -> None:
            speed = bar.tasks[0].speed
            bar.update(
                task,
                completed=done,
                total=max(total, 1),
                rate=f"{speed:,.0f}/s" if speed else "",
            )

        yield report
