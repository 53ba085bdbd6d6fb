"""`rankbench eval --by`: the primary measure for each value of a query column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from engine.measures import PRIMARY
from workbench.commands.evaluate import delta_cells, names_of
from workbench.commands.output import count, number, safe, say, table

if TYPE_CHECKING:
    from engine.evaluation.frame import Evaluation, Group

_ABSENT_SHOWN = 20


def show_groups(column: str, groups: Mapping[str, Group], result: Evaluation) -> None:
    """Print a row for each value, also for one whose queries are all left out; or the only one."""
    from engine.evaluation.breakdowns import in_order

    absent = {
        value: n for value, n in result.outside.get(column, {}).items() if value not in groups
    }
    absent.pop("", None)
    if len(groups) == 1 and not absent:
        (value,) = groups
        say(_one_value(column, value, result))
        return
    shown = dict(list(absent.items())[:_ABSENT_SHOWN])
    weighted = any(group.weighted for group in groups.values())
    rows = [
        _row(value, groups[value], weighted)
        if value in groups
        else _absent_row(value, shown[value], weighted, result.split)
        for value in in_order([*groups, *shown])
    ]
    click.echo()
    headers = [f"{PRIMARY} by {safe(column)}", *names_of(result), "delta"]
    headers += ["95 % interval", "p", f"+/=/- at {result.unchanged:g}", "n", "random"]
    table([*headers, "weighted delta"] if weighted else headers, rows)
    if more := len(absent) - len(shown):
        say(f"and {count(more, 'value')} of {safe(column)} more without a query here.")
    if absent:
        why = "one of the sides was trained or chosen on each of them"
        if result.split != "unseen":
            why = f"they are not in {result.split}"
        say(f"Where all queries of a value are left out, {why}; `--split all` takes every query.")


def _row(value: str, group: Group, weighted: bool) -> list[str]:
    before, after = group.baseline[PRIMARY], group.candidate[PRIMARY]
    cells = delta_cells(group.delta[PRIMARY])
    row = [safe(value) or "—", number(before), number(after), *cells]
    row.append(number(group.floor.get(PRIMARY)))
    means = group.weighted.get(PRIMARY)
    return [*row, number(means.delta if means else None, sign=True)] if weighted else row


def _absent_row(value: str, n: int, weighted: bool, split: str) -> list[str]:
    """The row of a value none of whose `n` queries is measured: it says so in the interval."""
    why = f"all {n:,} seen" if split == "unseen" else f"all {n:,} left out"
    return [safe(value), "—", "—", "—", why, "—", "—", "0", "—", *(["—"] if weighted else [])]


def _one_value(column: str, value: str, result: Evaluation) -> str:
    told = (
        f"All {result.queries} queries have one value of {safe(column)} ({safe(value) or 'none'})"
        if result.queries != 1
        else f"The one query has the value {safe(value) or 'none'} of {safe(column)}"
    )
    of = "theirs" if result.queries != 1 else "of that"
    widen = "; `--split all` takes every query" if result.split != "all" else ""
    return f"{told}: the table above is {of}{widen}."
