"""`rankbench eval --every`: every side against every query set, one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.measures import PRIMARY
from engine.workspace import Workspace
from workbench.commands.evaluate import say_judgments
from workbench.commands.output import (
    cut,
    emit_json,
    interval,
    note_fragile,
    note_small,
    number,
    p_value,
    progress_bar,
    safe,
    say,
    table,
)

if TYPE_CHECKING:
    from engine.evaluation.board import Cell


def show_board(
    workspace: Workspace, baseline: str, candidate: str | None, judgments: str, as_json: bool
) -> None:
    """Measure and print it; with a candidate, that side alone. `judgments` is as in `eval`."""
    from engine.evaluation.board import board
    from engine.ranking.comparer import Comparer

    comparer = Comparer(workspace)
    try:
        with progress_bar("Evaluating", "queries") as report:
            cells = board(
                comparer,
                baseline,
                (candidate,) if candidate else (),
                lambda side, done, total: report(done, total),
                verdicts=judgments == "all",
            )
    finally:
        comparer.close()
    if as_json:
        emit_json([cell.to_json() for cell in cells])
        return
    if not cells:
        say("There is no other side to compare. `rankbench train` makes one.")
        return
    click.echo(f"catalog {PRIMARY} against {cut(baseline, 40)}, unseen queries of each set")
    headers = ["side", "set", "n", "seen", cut(baseline, 16), "side's", "delta", "95 % interval"]
    headers += ["p", f"+/=/- at {workspace.settings.unchanged:g}", "random"]
    table([*headers, ""], _rows(cells), left=2)
    note_fragile(cell.delta for cell in cells)
    say("seen: queries left out, since a training of this side or of the baseline knew them.")
    say_judgments(judgments, ())
    note_small(cell.delta for cell in cells)


def _rows(cells: list[Cell]) -> list[list[str]]:
    rows, last = [], ""
    for cell in cells:
        delta = cell.delta
        rows.append(
            [
                "" if cell.side == last else cut(cell.side, 24),
                safe(cell.query_set),
                str(cell.n),
                str(cell.seen),
                number(cell.baseline),
                number(cell.candidate),
                number(delta.mean, sign=True),
                interval(delta),
                p_value(delta.p),
                f"{delta.improved}/{delta.unchanged}/{delta.harmed}" if cell.n else "",
                number(cell.floor),
                "fragile" if delta.fragile else "",
            ]
        )
        last = cell.side
    return rows
