"""`rankbench separate`: a query that shares no verdicts with its other spellings."""

from __future__ import annotations

import click

from engine.workspace import Workspace
from workbench.commands.hints import hint
from workbench.commands.options import with_workspace
from workbench.commands.output import cut


@click.command("separate")
@click.argument("query", nargs=-1, required=True)
@with_workspace
def command(workspace: Workspace, query: tuple[str, ...]) -> None:
    """Let QUERY, as it is spelt, share no judgments with its equivalents (case, space, plural).

    It keeps the judgments and verdicts on its own spelling and neither takes nor gives others.
    """
    from engine.catalog.normalise import clean_query
    from engine.records import Judged, Verdicts
    from engine.records.judge import judge_name

    text = clean_query(" ".join(query))
    with Verdicts(workspace.records_path) as verdicts:
        if text in verdicts.separated():
            click.echo(f"{cut(text, 60)} stands alone already; nothing was changed")
            return
        judged = Judged(workspace.records_path)
        shared = judged.shared_from(text) if text else ()
        judged.close()
        verdicts.separate(text, judge_name(workspace.settings))
    partners = ", ".join(cut(spelling, 40) for spelling in shared[:5])
    click.echo(f"{cut(text, 60)} stands alone now" + (f", without {partners}" if shared else ""))
    hint("`rankbench undo` takes it back.")
