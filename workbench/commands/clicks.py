"""What `rankbench import clicks` does: grades from a click log, in a file of their own."""

from __future__ import annotations

import shlex
from pathlib import Path

from engine.workspace import Workspace
from workbench.commands.hints import hint
from workbench.commands.output import count, emit_json, facts, safe, say

_METHODS = {
    "pbm": "position-based model",
    "coec": "clicks over expected clicks (no products link all positions)",
}
_SHOWN = 10


def judge(workspace: Workspace, file: Path, as_json: bool) -> None:
    """Write the grades that the clicks of `file` give, and say how they came about."""
    from engine.formats.clicks import say_dropped
    from engine.training.click_judgments import STEPS, judge_by_clicks

    found = judge_by_clicks(workspace, file)
    if as_json:
        emit_json(found.to_json())
        return
    curve = [f"{at} {share:.2f}" for at, share in list(found.examination.items())[:_SHOWN]]
    more = len(found.examination) - _SHOWN
    grades = {grade: f"from {least:.0%} of the query's best" for least, grade in STEPS[:-1]}
    over = count(found.queries, "query", "queries")
    facts(
        [
            ("shown", f"{count(found.shown, 'impression')}, {found.clicks:,} clicked"),
            ("model", _METHODS[found.method]),
            ("examined", "  ".join(curve) + (f"  and {more} more" if more > 0 else "")),
            *(("left out", safe(line)) for line in say_dropped(found.dropped)),
            *(("note", safe(note)) for note in found.notes),
            ("judgments", f"{found.judgments:,} over {over}"),
            *(
                (f"grade {grade}", f"{many:,}  {grades.get(grade, 'below')}")
                for grade, many in found.grades.items()
            ),
            ("file", safe(str(found.path))),
        ]
    )
    say("The judgments here are as they were: these come from clicks, and stay apart.")
    path = shlex.quote(str(found.path))
    hint(f"`rankbench import judgments {path}` adds them; the newest word on a pair counts then.")
