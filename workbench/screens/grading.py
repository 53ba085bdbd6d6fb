"""The keys that judge: what the cursor points at becomes a verdict."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual.screen import Screen

from engine.ranking.comparison import Comparison
from workbench.read_only import writes
from workbench.widgets.ranking_list import RankingList

if TYPE_CHECKING:
    from workbench.app import RankbenchApp

SEEN_S = 0.3
"""A key this soon after the row under the cursor changed was meant for the row before."""
_TITLE = 60


class Grading(Screen[None]):
    """What Compare does with a verdict.

    Attributes:
        comparison: what is shown; None while nothing is.
        active: the list with the cursor.
        shared_from: other spellings whose verdicts hold here.
        _taken: when an answer last put another product under the cursor (monotonic).
    """

    app: RankbenchApp
    comparison: Comparison | None
    active: RankingList
    shared_from: tuple[str, ...]
    _taken: float

    def action_lists(self) -> None:
        raise NotImplementedError

    def action_grade(self, grade: str) -> None:
        """Grade the hit under the cursor."""
        self._judge(grade)

    def action_flag(self) -> None:
        """Mark the hit under the cursor as a bad result."""
        self._judge("I", bad=True)

    def _judge(self, grade: str, *, bad: bool = False) -> None:
        comparison, side, hit = self.comparison, self.active.side, self.active.hit
        if self._points_at_a_hit() and comparison and side and hit:
            self.app.judging.give(comparison, side, hit, grade, bad=bad)

    def _points_at_a_hit(self) -> bool:
        """Whether a row is marked that the person has seen there.

        From the query line the palette must not grade unseen; nor may a key that was meant for the
        product that an answer has just taken from under the cursor.
        """
        if self.active.has_focus and time.monotonic() - self._taken < SEEN_S:
            self.app.say("The row changed as you pressed: look, and press again.")
            return False
        if not self.active.has_focus and self.active.hit is not None:
            self.action_lists()
            self.app.say("Choose the result first: the cursor is in the list now.")
            return False
        return self.active.hit is not None

    @writes
    def action_note(self) -> None:
        """Ask for a note on the verdict under the cursor; it is a verdict of its own."""
        from workbench.screens.line import LineScreen

        if not self._points_at_a_hit():
            return
        # As it is at the key: another answer may come while the person types.
        comparison, side, hit = self.comparison, self.active.side, self.active.hit
        if not (comparison and side and hit and hit.verdict):
            self.app.say("Grade the result first: a note goes with a verdict.")
            return

        def noted(note: str | None) -> None:
            if note:
                self.app.judging.note(comparison, side, hit, note)

        # Not on which grade: the row shows the majority's, and the note goes with the person's own.
        head = f"Note on {hit.title[:_TITLE]}"
        self.app.push_screen(LineScreen(head, "Why?"), noted)

    def action_undo(self) -> None:
        self.app.judging.recorder.undo()

    def action_redo(self) -> None:
        self.app.judging.recorder.redo()

    def action_separate(self) -> None:
        """Refuse the verdicts of other spellings of this query, and keep its own from them."""
        if self.comparison is not None and self.shared_from:
            self.app.judging.recorder.separate(self.comparison.query)
