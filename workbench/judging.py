"""From the key to the mark: what a person says goes to the recorder and comes back as marks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.message import Message

from engine.ranking.comparison import Comparison, Hit, SideResult
from engine.records.verdicts import Verdict
from engine.workspace import Workspace
from workbench.marks import Marks
from workbench.messages import Recorded, Standing
from workbench.recording import Recorder

if TYPE_CHECKING:
    from engine.evaluation.holes import Hole, Holes

_TITLE = 40


class Judging:
    """The recorder, the marks that no answer holds yet, and how many verdicts stand."""

    def __init__(self, workspace: Workspace, post: Callable[[Message], object]) -> None:
        self.recorder = Recorder(workspace, post)
        self.marks = Marks()
        self.standing = 0
        self.last = 0
        self.own = False
        """Whether something was said here since the last count."""
        self._warned = ""
        """The held-out query of which it was told last that it trains nothing."""
        self._counts = 0

    def give(
        self,
        comparison: Comparison,
        side: SideResult,
        hit: Hit,
        grade: str,
        *,
        bad: bool = False,
    ) -> None:
        """Have a verdict on a hit of `side` written down."""
        self.recorder.keep(replace(_seen(comparison, side, hit), grade=grade, bad=bad))

    def note(self, comparison: Comparison, side: SideResult, hit: Hit, text: str) -> None:
        """Have a note added to what the person said of a hit of `side`."""
        self.recorder.annotate(replace(_seen(comparison, side, hit), note=text))

    def fill(self, holes: Holes, hole: Hole, grade: str) -> None:
        """Have a grade of a hole written down, as seen on the side that ranks it higher."""
        place, rank = hole.place
        side = (holes.baseline, holes.candidate)[place]
        verdict = Verdict(
            query=hole.query,
            product_id=hole.product_id,
            grade=grade,
            side=side.encoder,
            rank=rank,
            encoder=side.fingerprint,
        )
        self.recorder.keep(verdict)

    def held_out(self, message: Recorded, comparison: Comparison | None) -> str:
        """What the first of a row of verdicts on a dev or test query is told with; else ""."""
        if message.action != "keep" or comparison is None:
            return ""
        if comparison.split in (None, "", "train"):
            return ""
        query = message.verdicts[0].query
        if query == self._warned or query != comparison.query:
            return ""
        self._warned = query
        return (
            f"A {comparison.split} query: this counts as a judgment, and trains nothing unless v "
            "on F5 takes such queries too."
        )

    def whose(self, message: Recorded) -> str:
        """` Said by bob.` where an undo or a redo was of another judge's word; else ""."""
        others = {verdict.judge for verdict in message.verdicts} - {self.recorder.judge}
        if message.action == "keep" or not others:
            return ""
        return f" Said by {', '.join(sorted(others))}."

    def count(self, message: Standing) -> bool:
        """Take the count; whether anybody has said anything since the last one."""
        moved = message.last != self.last
        self.standing, self.last = message.count, message.last
        self._counts += 1
        return moved

    def others_spoke(self) -> bool:
        """Whether the newest count is of what another process has said, since the app opened."""
        own, self.own = self.own, False
        return self._counts > 1 and not own


def _seen(comparison: Comparison, side: SideResult, hit: Hit) -> Verdict:
    """A verdict without its grade: on what, and where it was seen."""
    return Verdict(
        query=comparison.query,
        product_id=hit.product_id,
        grade="",
        side=side.encoder,
        rank=hit.rank,
        encoder=side.fingerprint,
    )


def news(message: Recorded, comparison: Comparison | None) -> str:
    """The notice for what was recorded; "" for a plain verdict: its mark says it."""
    if message.action == "separate":
        return f"“{message.separated}” keeps its verdicts to itself now; u takes that back."
    if message.action == "keep":
        return "Note kept." if message.verdicts and message.verdicts[0].note else ""
    if message.separated:
        again = message.action == "undo"
        rest = "shares verdicts again" if again else "keeps its verdicts to itself again"
        return f"“{message.separated}” {rest}."
    if not message.verdicts:
        return f"Nothing to {message.action}."
    done = "Taken back" if message.action == "undo" else "Given again"
    if len(message.verdicts) > 1:
        return f"{done}: {len(message.verdicts):,} verdicts."
    gone, left = message.verdicts[0], message.left
    what, rest = _said(gone), ""
    if left is not None:
        # A note is a verdict of its own: without it the mark stays as it is.
        note = gone.note and _said(left) == what
        what, rest = ("the note", f"; {what} stays") if note else (what, f"; {_said(left)} again")
    return f"{done}: {what} on {_described(gone, comparison)}{rest}."


def _said(verdict: Verdict) -> str:
    return "bad" if verdict.bad else verdict.grade


def _described(verdict: Verdict, comparison: Comparison | None) -> str:
    here = comparison is not None and comparison.query == verdict.query
    hits = (*comparison.baseline.hits, *comparison.candidate.hits) if comparison else ()
    titles = (hit.title for hit in hits if hit.product_id == verdict.product_id)
    title = next(titles, "") or verdict.product_id
    title = title if len(title) <= _TITLE else f"{title[:_TITLE]}…"
    return title if here else f"{title} for “{verdict.query}”"
