"""`rankbench runs`: past evaluations, what they rest on, and what changed between them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from engine.errors import RankbenchError
from engine.measures import PRIMARY
from engine.workspace import Workspace
from workbench.commands.hints import hint
from workbench.commands.options import json_option, with_workspace
from workbench.commands.output import (
    count,
    cut,
    emit_json,
    ends,
    facts,
    narrowed,
    number,
    p_value,
    safe,
    say,
    table,
)

if TYPE_CHECKING:
    from engine.evaluation.history import PastRun

SHOWN = 20


@click.command("runs")
@click.argument("numbers", nargs=-1, type=int, metavar="[N [M]]")
@click.option("--candidate", metavar="SIDE", help="Only runs with this candidate.")
@click.option("--set", "query_set", metavar="NAME", help="Only runs over this query set.")
@click.option(
    "--all",
    "every",
    is_flag=True,
    help=f"Each of them, not the last {SHOWN} with equal ones as one.",
)
@json_option
@with_workspace
def command(
    workspace: Workspace,
    numbers: tuple[int, ...],
    candidate: str | None,
    query_set: str | None,
    every: bool,
    as_json: bool,
) -> None:
    """List past evaluations, the newest last: eval, gate and report keep theirs.

    `since` is the difference to the last run that asked the same question, where both rest on the
    same inputs; otherwise what changed is named. New weights or rankings under the same name are
    told beside it. `×4` beside a run's number: the same command with the same inputs and result
    four times in a row, the newest of which is named. `n` is how many queries of how many, where
    a side had seen the others; `other's` is the score of the side it is against. A narrow terminal
    does without the interval and more. With N, one run in full; with N and M, both side by side.
    """
    from engine.evaluation.history import past_runs

    if len(numbers) > 2:
        raise click.UsageError("Name one run, or two to compare.")
    runs, damaged = past_runs(workspace)
    if numbers:
        chosen = [_find(runs, wanted) for wanted in numbers]
        _one_or_two(chosen, as_json)
        return
    shown = [
        run
        for run in runs
        if (candidate is None or run.candidate == candidate)
        and (query_set is None or run.query_set == query_set)
    ]
    if as_json:
        emit_json([_to_json(runs, run) for run in (shown if every else shown[-SHOWN:])])
        return
    if not shown:
        say("No evaluation is kept yet. `rankbench eval` makes one.")
        return
    series = [[run] for run in shown] if every else _together(shown)
    series, older = (series, []) if every else (series[-SHOWN:], series[:-SHOWN])
    show(runs, series)
    if damaged:
        say(f"{count(damaged, 'line')} of the history cannot be read and {_are(damaged)} left out.")
    if older:
        hint(f"{sum(map(len, older)):,} older ones: `rankbench runs --all`.")


def _together(runs: Sequence[PastRun]) -> list[list[PastRun]]:
    """Runs in a row that are the same command with the same inputs and result."""
    found: list[list[PastRun]] = []
    for run in runs:
        if found and found[-1][-1].same_as(run):
            found[-1].append(run)
        else:
            found.append([run])
    return found


def show(runs: Sequence[PastRun], series: Sequence[Sequence[PastRun]]) -> None:
    """Print a line for each series of equal runs: its newest, and what changed before its first."""
    rows = []
    for same in series:
        run = same[-1]
        delta = run.delta.get(PRIMARY, {})
        rows.append(
            [
                f"{run.number} ×{len(same)}" if len(same) > 1 else str(run.number),
                run.command,
                _when(run),
                cut(run.candidate, 24),
                cut(run.baseline, 24),
                _queries(run),
                _n(run),
                number(run.means["baseline"].get(PRIMARY)),
                number(run.means["candidate"].get(PRIMARY)),
                number(_value(delta, "mean"), sign=True),
                ends(_value(delta, "low"), _value(delta, "high"), run.n),
                _since(runs, same[0]),
            ]
        )
    heads = ["run", "by", "when", "candidate", "against", "queries", "n"]
    heads += ["other's", PRIMARY, "delta", _INTERVAL, "since"]
    table(*narrowed(heads, rows, 6, _LEAST_TOLD))


_INTERVAL = "95 % interval"
_LEAST_TOLD = (_INTERVAL, "when", "against", "queries")
"""What a terminal that is too narrow does without, in this order."""


def _n(run: PastRun) -> str:
    """`30`, or `30/120` where queries of the set were left out."""
    return f"{run.n}/{run.asked}" if run.left_out else str(run.n)


def _one_or_two(chosen: Sequence[PastRun], as_json: bool) -> None:
    from engine.evaluation.history import changed

    first, last = chosen[0], chosen[-1]
    if as_json:
        found = [run.to_json() for run in chosen]
        both = {"runs": found, "changed": list(changed(first, last))}
        emit_json(found[0] if len(found) == 1 else both)
        return
    for run in chosen:
        _about(run)
    if len(chosen) == 2:
        click.echo(_compared(first, last))
        click.echo()
    names = [f"run {run.number}" for run in chosen]
    rows = []
    for measure in first.means["candidate"]:
        values = [run.means["candidate"].get(measure) for run in chosen]
        deltas = [_value(run.delta.get(measure, {}), "mean") for run in chosen]
        if any(value is not None for value in values):
            cells = [
                [number(value), number(delta, sign=True), _random(run, measure)]
                for run, value, delta in zip(chosen, values, deltas, strict=True)
            ]
            rows.append([measure, *(cell for each in cells for cell in each)])
    headers = [text for name in names for text in (name, "delta", "random")]
    table(["candidate's mean", *headers], rows)


def _compared(first: PastRun, last: PastRun) -> str:
    """Whether the two compare, and which sides they compare."""
    from engine.evaluation.history import changed_inputs, changed_sides

    inputs, sides = changed_inputs(first, last), changed_sides(first, last)
    differing = ", ".join(sides)
    if inputs:
        told = f"They do not compare: {', '.join(inputs)} changed."
        return f"{told} Different too: {differing}." if sides else told
    told = "They rest on the same inputs"
    return f"{told}; what differs: {differing}." if sides else f"{told}."


def _about(run: PastRun) -> None:
    lines = [
        (f"run {run.number}", f"{run.command}, {_when(run)}"),
        ("candidate", safe(run.candidate)),
        ("against", safe(run.baseline)),
        ("queries", f"{_queries(run)}, n {run.n}{_seen(run)}"),
        ("no positive grade", f"{run.excluded} left out"),
        ("candidates", run.candidates),
    ]
    delta = run.delta.get(PRIMARY, {})
    p = delta.get("p")
    span = ends(_value(delta, "low"), _value(delta, "high"), run.n)
    text = f"{number(_value(delta, 'mean'), sign=True)} ({span})"
    counts = f"{delta.get('improved')}/{delta.get('unchanged')}/{delta.get('harmed')}"
    lines.append((f"{PRIMARY} delta", f"{text}, p {p_value(p)}, +/=/- {counts}"))
    lines += [(name, safe(value)) for name, value in run.inputs.items()]
    facts(lines)
    click.echo()


def _since(runs: Sequence[PastRun], run: PastRun) -> str:
    """The change of the candidate's mean since the same question, or what else changed."""
    from engine.evaluation.history import changed_inputs, changed_sides, previous

    before = previous(runs, run)
    if before is None:
        return "first"
    if differing := changed_inputs(before, run):
        return f"{', '.join(differing)} changed"
    values = [one.means["candidate"].get(PRIMARY) for one in (before, run)]
    if None in values:
        return "—"
    moved = number(values[1] - values[0], sign=True)
    return ", new ".join([moved, *map(_short, changed_sides(before, run))])


def _short(what: str) -> str:
    """`the candidate's weights` as `weights`, `the baseline's` as `baseline weights`."""
    return what.removeprefix("the ").removeprefix("candidate's ").replace("'s ", " ")


def _to_json(runs: Sequence[PastRun], run: PastRun) -> dict[str, Any]:
    from engine.evaluation.history import changed, previous

    before = previous(runs, run)
    return {
        **run.to_json(),
        "previous": before.number if before else None,
        "changed": list(changed(before, run)) if before else [],
    }


def _find(runs: Sequence[PastRun], wanted: int) -> PastRun:
    for run in runs:
        if run.number == wanted:
            return run
    raise RankbenchError(f"There is no run {wanted}.", "`rankbench runs` lists them.")


def _when(run: PastRun) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(run.made))


def _queries(run: PastRun) -> str:
    name = f"{safe(run.query_set)}, " if run.query_set else ""
    judged = ", judged only" if run.candidates == "judged" else ""
    imported = ", imported judgments" if run.judgments == "imported" else ""
    return f"{name}{run.split}{judged}{imported}"


def _seen(run: PastRun) -> str:
    """How many queries of the set were left out, and which sides have seen them."""
    if not run.left_out:
        return ""
    by = " or ".join(map(safe, run.seen_by))
    return f" of {run.asked}: {run.left_out} left out, seen by {by}"


def _random(run: PastRun, measure: str) -> str:
    """What a random ranking scores, of the measures that have it; lines of old lack it."""
    return number(run.floor[measure]) if measure in run.floor else ""


def _value(delta: Mapping[str, Any], key: str) -> float | None:
    value = delta.get(key)
    return None if value is None else float(value)


def _are(n: int) -> str:
    return "is" if n == 1 else "are"
