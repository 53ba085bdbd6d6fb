"""The thread that writes down what a person says of a result.

It owns a connection of its own, so that a verdict waits for no search, no evaluation and no opening
of the catalog. What it posts is on the disk.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.message import Message

from engine.errors import RankbenchError
from engine.workspace import Workspace
from workbench.messages import Recorded, RecordingFailed, Standing
from workbench.read_only import writes
from workbench.searching import trouble_of

if TYPE_CHECKING:
    from engine.records import Verdict, Verdicts
    from engine.records import verdicts as records

# Leaving waits as long as the database does for another process, and then a little.
_LEAVING_S = 11.0
_IDLE_S = 2.0

Act = Callable[["Verdicts", str], Message | None]


class Recorder:
    """Owns the verdicts. Every method may be called from the event loop; only `stop` waits."""

    def __init__(self, workspace: Workspace, post: Callable[[Message], object]) -> None:
        self._workspace = workspace
        self._post = post
        self._condition = threading.Condition()
        self._acts: deque[Act] = deque()
        self._stopping = False
        self._unwritten = 0
        """Acts of a person that are neither on the disk nor told to have failed."""
        self._verdicts: Verdicts | None = None
        self._judge = ""
        self._counted = -1
        # A daemon: a file held by another process must not keep the app from ending.
        self._thread = threading.Thread(target=self._run, name="record", daemon=True)

    def start(self) -> None:
        self.look()
        self._thread.start()

    @writes
    def keep(self, verdict: Verdict) -> None:
        """Append a verdict; `Recorded` follows once it is committed, or `RecordingFailed`."""
        said = replace(verdict, given=time.time())
        self._say(lambda verdicts, judge: _kept(verdicts, judge, said))

    @writes
    def annotate(self, verdict: Verdict) -> None:
        """Append `verdict`, which has a note, with the grade that the judge gave the result.

        `Recorded` or `RecordingFailed` follows, this also where the judge has said nothing of it.
        """
        said = replace(verdict, given=time.time())

        def act(verdicts: Verdicts, judge: str) -> Message:
            from engine.records import own_word

            standing, alone = verdicts.standing(), verdicts.separated()
            own = own_word(standing, alone, said.query, said.product_id, judge)
            if own is None:
                raise RankbenchError(
                    "Others have graded this result, you have not.",
                    "Grade it first: a note goes with your own verdict.",
                )
            return _kept(verdicts, judge, replace(said, grade=own.grade, bad=own.bad))

        self._say(act)

    @writes
    def undo(self) -> None:
        """Take back the judge's newest act."""

        def act(verdicts: Verdicts, judge: str) -> Message:
            undone = verdicts.undo(judge)
            return _turned("undo", undone, _left(verdicts, undone))

        self._say(act)

    @writes
    def redo(self) -> None:
        """Give again what was taken back last."""
        self._say(lambda verdicts, judge: _turned("redo", verdicts.redo(judge)))

    @writes
    def separate(self, query: str) -> None:
        """Let `query` share no verdicts with its other spellings."""

        def act(verdicts: Verdicts, judge: str) -> Message:
            verdicts.separate(query, judge)
            return Recorded("separate", separated=query)

        self._say(act)

    def look(self) -> None:
        """Count what stands, if anybody has said anything since; `Standing` follows."""
        self._ask(_nothing)

    @property
    def judge(self) -> str:
        """Who says what is recorded here; "" before the first record."""
        return self._judge

    def stop(self, wait: float = _LEAVING_S) -> int:
        """Write what was said and end; returns how much of it could not be written.

        Waits at most `wait` seconds, and only while something is to be written.
        """
        with self._condition:
            self._stopping = True
            pending = self._unwritten > 0
            self._condition.notify()
        if self._thread.is_alive():
            self._thread.join(wait if pending else min(wait, _IDLE_S))
        return self._unwritten

    def _say(self, act: Act) -> None:
        with self._condition:
            self._unwritten += 1
        self._ask(act)

    def _ask(self, act: Act) -> None:
        with self._condition:
            self._acts.append(act)
            self._condition.notify()

    def _run(self) -> None:
        while True:
            with self._condition:
                while not (self._acts or self._stopping):
                    self._condition.wait()
                if not self._acts:
                    break
                act = self._acts.popleft()
            if not self._do(act) and self._stopping:
                # What kept this from the disk keeps the rest, and somebody waits to leave.
                break
        if self._verdicts is not None:
            self._verdicts.close()

    def _do(self, act: Act) -> bool:
        """Do `act`, post what came of it, and count; False where a word is not on the disk."""
        said = act is not _nothing
        try:
            verdicts = self._open()
            message = act(verdicts, self._judge)
        except Exception as error:
            # A file that will not open is the search thread's to tell, until something was said.
            if said and not self._stopping:
                self._settle()
                self._post(RecordingFailed(trouble_of(error)))
            return not said
        if said:
            self._settle()
        if message is not None:
            self._post(message)
        if not self._acts:
            # What was said stands, whether it can be counted now or at the next look.
            with suppress(Exception):
                self._count(verdicts)
        return True

    def _settle(self) -> None:
        with self._condition:
            self._unwritten -= 1

    def _open(self) -> Verdicts:
        # Tried again at each act: what kept it from opening may be gone.
        if self._verdicts is None:
            from engine.records import Verdicts
            from engine.records.judge import judge_name

            ws = self._workspace
            self._judge = judge_name(ws.settings, ws.judge)
            self._verdicts = Verdicts(ws.records_path, read_only=ws.read_only)
        return self._verdicts

    def _count(self, verdicts: Verdicts) -> None:
        last = verdicts.last_number()
        if last != self._counted:
            standing = len(verdicts.standing())
            self._counted = last
            self._post(Standing(standing, last))


def _nothing(verdicts: Verdicts, judge: str) -> None:
    """Say nothing: what follows every act, the count, is all that is wanted."""


def _kept(verdicts: Verdicts, judge: str, said: Verdict) -> Recorded:
    number = verdicts.add([said], judge)
    return Recorded("keep", (replace(said, judge=judge, number=number),))


def _turned(action: str, act: records.Act | None, left: Verdict | None = None) -> Recorded:
    return Recorded(action) if act is None else Recorded(action, act.verdicts, act.separated, left)


def _left(verdicts: Verdicts, act: records.Act | None) -> Verdict | None:
    """What stands in the place of a single verdict that was taken back, by any shared spelling."""
    if act is None or len(act.verdicts) != 1:
        return None
    from engine.records.merged import place_of

    alone = verdicts.separated()

    def place(verdict: Verdict) -> tuple[str, str, str]:
        return verdict.judge, verdict.product_id, place_of(verdict.query, alone)

    gone = place(act.verdicts[0])
    same = [verdict for verdict in verdicts.standing() if place(verdict) == gone]
    return same[-1] if same else None
