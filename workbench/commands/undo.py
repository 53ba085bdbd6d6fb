"""`rankbench undo`: the last act taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.errors import RankbenchError
from engine.workspace import Workspace
from workbench.commands.options import json_option, with_workspace
from workbench.commands.output import count, cut, emit_json, safe
from workbench.commands.verdicts import line, titles, to_json

if TYPE_CHECKING:
    from engine.records.verdicts import Act, Verdict

_SHOWN = 10


@click.command("undo")
@json_option
@with_workspace
def command(workspace: Workspace, as_json: bool) -> None:
    """Take back what you did last: a verdict, an imported file of them, a separation.

    Nothing is deleted: an undo is one more record, and `rankbench redo` takes it back.
    """
    turn(workspace, "undo", as_json)


def turn(workspace: Workspace, action: str, as_json: bool) -> None:
    """Undo or redo, and say what was taken back or holds again."""
    from engine.records.judge import judge_name
    from engine.records.verdicts import Verdicts

    author = judge_name(workspace.settings)
    with Verdicts(workspace.records_path) as verdicts:
        act = verdicts.undo(author) if action == "undo" else verdicts.redo(author)
        standing = verdicts.standing() if act is not None else []
    if act is None:
        raise RankbenchError(
            f"{safe(author)} has nothing to {action}.",
            "`rankbench flags --history` shows every record and whose it is.",
        )
    if as_json:
        emit_json(
            {
                "action": action,
                "separated": act.separated or None,
                "verdicts": [to_json(verdict) for verdict in act.verdicts],
            }
        )
        return
    _show(workspace, act, author, action == "undo", standing)


def _show(
    workspace: Workspace, act: Act, author: str, undone: bool, standing: list[Verdict]
) -> None:
    what = "taken back" if undone else "again"
    if act.separated:
        said = "shares verdicts with its other spellings" if undone else "stands alone"
        click.echo(f"{what}: the separation; {cut(act.separated, 60)} {said} again")
    now = {(v.judge, v.query, v.product_id): v for v in standing}
    shown = act.verdicts[:_SHOWN]
    names = titles(workspace, [verdict.product_id for verdict in shown])
    for verdict in shown:
        left = now.get((verdict.judge, verdict.query, verdict.product_id))
        stands = f"; {left.grade} stands again" if undone and left is not None else ""
        # You may have kept it for somebody else: `rankbench flag --judge`, an imported file.
        whose = f" (by {cut(verdict.judge, 20)})" if verdict.judge != author else ""
        click.echo(f"{what}: {line(verdict, names.get(verdict.product_id, ''))}{whose}{stands}")
    if len(act.verdicts) > _SHOWN:
        over = count(len({verdict.query for verdict in act.verdicts}), "query", "queries")
        click.echo(f"{what}: {len(act.verdicts) - _SHOWN:,} more of the same act, over {over}")
