"""`rankbench runs`: past evaluations, what they rest on, and what changed between them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from engine.errors import RankbenchError
from engine.workspace import Workspace
from workbench.commands.options import json_option, with_workspace
from workbench.commands.output import (
    count,
    cut,
    emit_json,
    facts,
    number,
    p_value,
    safe,
    say,
    table,
)

if TYPE_CHECKING:
    from engine.evaluation.history import PastRun

PRIMARY = "ndcg@10"
SHOWN = 20


@click.command("runs")
@click.argument("numbers", nargs=-1, type=int, metavar="[N [M]]")
@click.option("--candidate", metavar="SIDE", help="Only runs with this candidate.")
@click.option("--set", "query_set", metavar="NAME", help="Only runs over this query set.")
@click.option("--all", "every", is_flag=True, help=f"All of them, not the last {SHOWN}.")
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
    same inputs; otherwise what changed is named. With N, one run in full; with N and M, both side
    by side.
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
    shown = shown if every else shown[-SHOWN:]
    if as_json:
        emit_json([_to_json(runs, run) for run in shown])
        return
    if not shown:
        say("No evaluation is kept yet. `rankbench eval` makes one.")
        return
    show(runs, shown)
    if damaged:
        say(f"{count(damaged, 'line')} of the history cannot be read and {_are(damaged)} left out.")
    if len(shown) < len(runs) and not every and candidate is None and query_set is None:
        say(f"{len(runs) - len(shown):,} older ones: `rankbench runs --all`.")


def show(runs: Sequence[PastRun], shown: Sequence[PastRun]) -> None:
    """Print a line a run."""
    headers = ["run", "when", "candidate", "against", "queries", "n", f"{PRIMARY}"]
    headers += ["delta", "95 % interval", "since"]
    rows = []
    for run in shown:
        delta = run.delta.get(PRIMARY, {})
        rows.append(
            [
                str(run.number),
                _when(run),
                cut(run.candidate, 24),
                cut(run.baseline, 24),
                _queries(run),
                str(run.n),
                number(run.means["candidate"].get(PRIMARY)),
                number(_value(delta, "mean"), sign=True),
                _interval(delta),
                _since(runs, run),
            ]
        )
    table(headers, rows, left=5)


def _one_or_two(chosen: Sequence[PastRun], as_json: bool) -> None:
    from engine.evaluation.history import changed

    first, last = chosen[0], chosen[-1]
    differing = list(changed(first, last))
    if as_json:
        found = [run.to_json() for run in chosen]
        emit_json(found[0] if len(found) == 1 else {"runs": found, "changed": differing})
        return
    for run in chosen:
        _about(run)
    names = [f"run {run.number}" for run in chosen]
    rows = []
    for measure in first.means["candidate"]:
        values = [run.means["candidate"].get(measure) for run in chosen]
        deltas = [_value(run.delta.get(measure, {}), "mean") for run in chosen]
        if any(value is not None for value in values):
            cells = [
                [number(value), number(delta, sign=True)]
                for value, delta in zip(values, deltas, strict=True)
            ]
            rows.append([measure, *(cell for pair in cells for cell in pair)])
    headers = [text for name in names for text in (name, "delta")]
    table(["candidate's mean", *headers], rows)
    if len(chosen) == 2:
        click.echo()
        if differing:
            click.echo(f"They do not compare: {', '.join(map(safe, differing))} changed.")
        else:
            click.echo("They rest on the same inputs.")


def _about(run: PastRun) -> None:
    lines = [
        (f"run {run.number}", f"{run.command}, {_when(run)}"),
        ("candidate", safe(run.candidate)),
        ("against", safe(run.baseline)),
        ("queries", f"{_queries(run)}, n {run.n}, {run.excluded} left out"),
        ("candidates", run.candidates),
    ]
    delta = run.delta.get(PRIMARY, {})
    p = delta.get("p")
    text = f"{number(_value(delta, 'mean'), sign=True)} ({_interval(delta)})"
    counts = f"{delta.get('improved')}/{delta.get('unchanged')}/{delta.get('harmed')}"
    lines.append((f"{PRIMARY} delta", f"{text}, p {p_value(p)}, +/=/- {counts}"))
    lines += [(name, safe(value)) for name, value in run.inputs.items()]
    facts(lines)
    click.echo()


def _since(runs: Sequence[PastRun], run: PastRun) -> str:
    """The change of the candidate's mean since the same question, or what else changed."""
    from engine.evaluation.history import changed, previous

    before = previous(runs, run)
    if before is None:
        return "first"
    differing = [what for what in changed(before, run) if not what.endswith("weights")]
    if differing:
        return f"{', '.join(differing)} changed"
    values = [one.means["candidate"].get(PRIMARY) for one in (before, run)]
    if None in values:
        return "—"
    return number(values[1] - values[0], sign=True)


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
    return f"{name}{run.split}{judged}"


def _interval(delta: Mapping[str, Any]) -> str:
    low, high = _value(delta, "low"), _value(delta, "high")
    return "—" if low is None else f"{number(low, sign=True)} to {number(high, sign=True)}"


def _value(delta: Mapping[str, Any], key: str) -> float | None:
    value = delta.get(key)
    return None if value is None else float(value)


def _are(n: int) -> str:
    return "is" if n == 1 else "are"
