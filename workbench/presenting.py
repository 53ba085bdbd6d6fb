"""What is presented: the list of queries, where one is in it, and what both sides answer.

The list is a text file that people may edit as well. Until there is one, the evaluation's best wins
and worst harms are presented, as many of the one as of the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textual.message import Message

from engine.catalog.normalise import clean_query
from engine.errors import RankbenchError
from engine.ranking.comparison import Comparison
from engine.workspace import Workspace
from workbench.concluding import Concluded, conclusion_of
from workbench.messages import Done, EvaluationKey, TaskFailed, Trouble
from workbench.read_only import writes
from workbench.searching import ROWS, ComparerLike, SearchThread, trouble_of
from workbench.text import count

FILE_NAME = "present.txt"
STEPS = 4
"""Pages a query: itself, the left side, the right side, the numbers."""


class ListRead(Message):
    """The list's lines as they are on the disk, None where there is none, or trouble."""

    def __init__(
        self, edits: int, lines: Sequence[str] | None, trouble: Trouble | None = None
    ) -> None:
        super().__init__()
        self.edits = edits
        self.lines = lines
        self.trouble = trouble


class ListKept(Message):
    """An edit of the list is on the disk, with what to say of it; or the trouble that it is not."""

    def __init__(self, edits: int, says: str, trouble: Trouble | None = None) -> None:
        super().__init__()
        self.edits = edits
        self.says = says
        self.trouble = trouble


class Presented(Message):
    """Both sides' answers to a query of the list, or trouble."""

    def __init__(
        self,
        key: EvaluationKey,
        query: str,
        comparison: Comparison | None,
        trouble: Trouble | None = None,
    ) -> None:
        super().__init__()
        self.key = key
        self.query = query
        self.comparison = comparison
        self.trouble = trouble


_Edit = tuple[tuple[str, ...] | None, int]
"""The list, and the place in it."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """The list as it is on the disk, the place in it, and what it was before each edit."""

    lines: tuple[str, ...] | None = None
    at: int = 0
    earlier: tuple[_Edit, ...] = ()


class Presenter:
    """The list and the place in it; both outlive the screen. No method waits.

    Args:
        path: of another list than the workspace's own; the app then opens on it.
    """

    def __init__(
        self,
        workspace: Workspace,
        searcher: SearchThread,
        post: Callable[[Message], object],
        path: Path | None = None,
    ) -> None:
        self._workspace = workspace
        self._searcher = searcher
        self._post = post
        self.path = path or workspace.root / FILE_NAME
        self.from_the_start = path is not None
        self.lines: tuple[str, ...] | None = None
        """The file's lines; None while there is no file, and the proposal is presented."""
        self.trouble: Trouble | None = None
        """Why the file cannot be read; it is not written over then."""
        self.proposed: tuple[str, ...] = ()
        self.at = 0
        """Which query, from 0; as many as there are is the last page."""
        self.step = 0
        self.clock = True
        self.begun: float | None = None
        self._earlier: list[_Edit] = []
        self._edits = 0
        self._kept = _Kept()
        self._key: EvaluationKey | None = None
        self._answers: dict[str, Presented | None] = {}

    # The list

    @property
    def queries(self) -> tuple[str, ...]:
        return self.proposed if self.lines is None else queries_in(self.lines)

    @property
    def query(self) -> str:
        """The query the page is of, "" on the last page."""
        return self.queries[self.at] if self.at < len(self.queries) else ""

    def read(self) -> None:
        """Read the list anew; `ListRead` follows."""
        edits, path = self._edits, self.path

        def task(_: ComparerLike) -> Message:
            from engine.formats.query_list import read_lines

            try:
                return ListRead(edits, read_lines(path) if path.exists() else None)
            except RankbenchError as error:
                return ListRead(edits, None, trouble_of(error))

        self._searcher.ask(task)

    def take(self, message: ListRead) -> str:
        """Take the list as it was read, unless it was edited meanwhile; returns what is wrong."""
        if message.edits != self._edits:
            return ""
        told, self.trouble = self.trouble, message.trouble
        self.lines = None if message.lines is None else tuple(message.lines)
        self._stay()
        self._kept = self._now()
        if self.trouble is None or told == self.trouble:
            return ""
        return f"{self.trouble.what} {self.trouble.todo}"

    def propose(self, queries: Sequence[str]) -> None:
        self.proposed = tuple(queries)
        self._stay()

    @writes
    def add(self, query: str) -> None:
        """Put a query at the end of the list."""
        text = clean_query(query)
        if not text or text.startswith("#"):
            self._post(Done("An empty query, or one that begins with #, cannot be listed."))
        elif text in self.queries:
            self._post(Done(f"“{text}” is in the presentation already."))
        else:
            number = count(len(self.queries) + 1, "query", "queries")
            self._change([*self._text(), text], f"“{text}” is in the presentation: {number}.")

    @writes
    def take_out(self) -> None:
        """Take the query of the page out of the list."""
        if query := self.query:
            lines = self._text()
            del lines[_rows(lines)[self.at]]
            self._change(lines, f"“{query}” is out of the presentation; u puts it back.")

    @writes
    def move(self, by: int) -> None:
        """Let the query of the page change places with the one before (-1) or after it (1)."""
        to = self.at + by
        if not self.query or not 0 <= to < len(self.queries):
            return
        lines = self._text()
        rows = _rows(lines)
        here, there = rows[self.at], rows[to]
        lines[here], lines[there] = lines[there], lines[here]
        place = f"{to + 1} of {len(self.queries)}"
        self._change(lines, f"“{self.query}” is {place} now; u takes that back.", at=to)

    @writes
    def propose_again(self) -> None:
        """Present the wins and harms of the sides as they are now instead of the list."""
        if self.proposed:
            self._change(self._proposal(), "The list is the best wins and worst harms; u undoes.")
        else:
            self._post(Done("No wins and harms are known: no unseen query was judged."))

    @writes
    def undo(self) -> None:
        """Take back the last change of the list."""
        if not self._earlier:
            self._post(Done("Nothing to undo in the list."))
            return
        self.lines, self.at = self._earlier.pop()
        self._keep("The list is as it was.")

    def _text(self) -> list[str]:
        return self._proposal() if self.lines is None else list(self.lines)

    def _proposal(self) -> list[str]:
        if not self.proposed:
            return []
        sides = f"{self._key.candidate} against {self._key.baseline}" if self._key else ""
        return [f"# The best wins and worst harms of {sides}, in turn.", *self.proposed]

    def _change(self, lines: list[str], says: str, at: int | None = None) -> None:
        if self.trouble is not None:
            self._post(TaskFailed(self.trouble))
            return
        self._earlier.append((self.lines, self.at))
        self.lines = tuple(lines)
        self.at = self.at if at is None else at
        self._keep(says)

    def _keep(self, says: str) -> None:
        """Have the list written; `ListKept` follows."""
        self._edits += 1
        self._stay()
        edits, now, path = self._edits, self._now(), self.path

        def task(_: ComparerLike) -> Message:
            from engine.formats.writing import write_lines

            try:
                if now.lines is None:
                    path.unlink(missing_ok=True)
                else:
                    write_lines(path, (f"{line}\n" for line in now.lines))
            except (RankbenchError, OSError) as error:
                return ListKept(edits, "", trouble_of(error))
            # Here, not with the message: the next edit may fail before that is heard.
            self._kept = now
            return ListKept(edits, says)

        self._searcher.ask(task)

    def heard(self, message: ListKept) -> None:
        """Say what became of an edit; what could not be kept is taken back, as the disk has it."""
        if message.trouble is None:
            self._post(Done(message.says))
            return
        if message.edits == self._edits:
            self.lines, self.at = self._kept.lines, self._kept.at
            self._earlier = list(self._kept.earlier)
            self._stay()
        self._post(TaskFailed(message.trouble))

    def _now(self) -> _Kept:
        return _Kept(self.lines, self.at, tuple(self._earlier))

    def _stay(self) -> None:
        self.at = min(self.at, len(self.queries))
        if not self.query:
            self.step = 0

    # The place

    def forward(self) -> None:
        if self.query and self.step < STEPS - 1:
            self.step += 1
        elif self.query:
            self.at, self.step = self.at + 1, 0

    def back(self) -> None:
        if self.step:
            self.step -= 1
        elif self.at:
            self.at, self.step = self.at - 1, STEPS - 1

    def go_to(self, at: int) -> None:
        """Go to the first page of a query."""
        self.at, self.step = max(0, min(at, len(self.queries))), 0

    def begin(self, *, again: bool = False) -> None:
        """Let the clock run, from zero if it does not yet or `again`."""
        if self.begun is None or again:
            self.begun = time.monotonic()

    @property
    def elapsed(self) -> int:
        """Whole seconds since the presentation began."""
        return 0 if self.begun is None else int(time.monotonic() - self.begun)

    # The answers

    def answer(self, key: EvaluationKey) -> Presented | None:
        """The answer to the query of the page; it and the next one's are asked for if need be."""
        if key != self._key:
            self._key, self._answers = key, {}
        for query in self.queries[self.at : self.at + 2]:
            if query not in self._answers:
                self._answers[query] = None
                self._ask(key, query)
        return self._answers.get(self.query)

    def answered(self, message: Presented) -> None:
        if message.key == self._key:
            self._answers[message.query] = message

    def _ask(self, key: EvaluationKey, query: str) -> None:
        def task(comparer: ComparerLike) -> Message:
            try:
                found = comparer.compare(query, key.baseline, key.candidate, k=ROWS)
                return Presented(key, query, found)
            except Exception as error:
                return Presented(key, query, None, trouble_of(error))

        # A room waits for this; the evaluation, which may take minutes, is for the last page.
        self._searcher.ask(task, soon=True)

    def conclude(self, key: EvaluationKey, result: Mapping[str, Any], unchanged: float) -> None:
        """Work out what an evaluation comes to; `Concluded` follows."""

        def task(_: ComparerLike) -> Message:
            try:
                return Concluded(key, conclusion_of(result, unchanged))
            except Exception as error:
                return Concluded(key, None, trouble_of(error))

        self._searcher.ask(task)


def queries_in(lines: Sequence[str]) -> tuple[str, ...]:
    """The queries of a list's lines."""
    from engine.formats.query_list import query_of

    return tuple(query for line in lines if (query := query_of(line)))


def _rows(lines: Sequence[str]) -> list[int]:
    """Which lines of a list hold its queries."""
    return [row for row, line in enumerate(lines) if queries_in([line])]
