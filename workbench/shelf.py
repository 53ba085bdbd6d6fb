"""The encoders on disk, and the work on them: looked up, timed, exported, removed.

No method waits: each piece of work has a thread of its own and ends in a message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.message import Message

from engine.errors import RankbenchError
from engine.workspace import Workspace, open_workspace
from workbench import messages
from workbench.cancelling import beside
from workbench.read_only import writes
from workbench.searching import trouble_of
from workbench.text import count

if TYPE_CHECKING:
    from engine.encoders.latency import Latency
    from engine.encoders.registry import EncoderInfo
    from engine.state import Build

NO_ENCODER = "There is no trained encoder to show: F5 trains one."


@dataclass(frozen=True, slots=True)
class EncoderRow:
    """One encoder as it lies on disk, and the build that answers for it (None: not indexed)."""

    info: EncoderInfo
    build: Build | None

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def parents(self) -> tuple[str, ...]:
        """What it descends from, nearest first."""
        return self.info.card.parents if self.info.card else ()

    @property
    def recipe(self) -> Mapping[str, Any]:
        return (self.info.card and self.info.card.recipe) or {}

    @property
    def made_by(self) -> str:
        """The recipe's name, or how it was made smaller."""
        return self.info.card.made_by if self.info.card else ""

    @property
    def scores(self) -> Mapping[str, Any]:
        return self.info.card.scores if self.info.card else {}

    @property
    def verdict(self) -> Mapping[str, Any]:
        return self.info.card.verdict if self.info.card else {}

    @property
    def made(self) -> tuple[str, str]:
        """What tells it from another that later has its name."""
        return self.name, self.info.card.created if self.info.card else ""


class Shelf:
    """What the app knows of the encoders on disk, and its hand on them."""

    def __init__(self, workspace: Workspace, post: Callable[[Message], object]) -> None:
        self._workspace = workspace
        self._post = post
        self._looks = 0
        self.rows: tuple[EncoderRow, ...] = ()
        self.defaults = ("", "")
        self.measuring = ""
        """The encoder that is being timed: one at a time, or each would slow the other."""
        self.times: dict[tuple[str, str], Latency] = {}

    def look(self) -> None:
        """Read the encoders anew; `EncodersKnown` follows, unless another look comes first."""
        self._looks += 1
        number = self._looks

        def work() -> Message | None:
            try:
                known = messages.EncodersKnown(
                    _rows(self._workspace), _defaults(self._workspace.root)
                )
            except Exception as error:
                known = messages.EncodersKnown((), trouble=trouble_of(error))
            return known if number == self._looks else None

        beside(work, "encoders", self._post)

    def trace(self, name: str) -> None:
        """Check an encoder's lineage, which reads all weights; `LineageKnown` follows."""

        def work() -> Message:
            from engine.encoders.lineage import lineage

            try:
                return messages.LineageKnown(name, lineage(self._workspace, name))
            except RankbenchError:
                # Gone or unreadable by now: the next look says so.
                return messages.LineageKnown(name, ())

        beside(work, "lineage", self._post)

    def measure(self, name: str) -> None:
        """Time one query on an encoder; `LatencyKnown` follows."""
        self.measuring = name

        def work() -> Message:
            try:
                from engine.encoders.latency import query_latency
                from engine.encoders.registry import resolve

                path = resolve(self._workspace, name).path
                return messages.LatencyKnown(name, query_latency(path))
            except Exception as error:
                return messages.LatencyKnown(name, None, trouble_of(error))

        beside(work, "latency", self._post)

    def measured(self, message: messages.LatencyKnown) -> None:
        """Take a latency in."""
        self.measuring = ""
        for row in self.rows:
            if row.name == message.name and message.latency is not None:
                self.times[row.made] = message.latency

    @writes
    def remove(self, name: str) -> None:
        """Delete an encoder and its builds; `EncoderRemoved` follows, or `TaskFailed`."""

        def work() -> Message:
            from engine.index.build import remove_encoder

            remove_encoder(self._workspace, name)
            return messages.EncoderRemoved(name)

        beside(work, "remove", self._post)

    @writes
    def export(self, name: str, target: str) -> None:
        """Copy an encoder's directory out; `Done` follows, or `TaskFailed`."""

        def work() -> Message:
            from engine.encoders.export import export_encoder

            path = export_encoder(self._workspace, name, _path(target))
            return messages.Done(f"{name} is in {path}.")

        beside(work, "export", self._post)

    @writes
    def export_vectors(self, name: str, target: str) -> None:
        """Write an encoder's vectors as Parquet; `Done` follows, or `TaskFailed`."""

        def work() -> Message:
            from engine.index.export import export_vectors

            path = _path(target)
            done = export_vectors(self._workspace, name, path)
            told = f"{count(done.rows, 'vector')} of {name} are in {path}."
            return messages.Done(" ".join((told, *done.notes)))

        beside(work, "export", self._post)

    def put(self, place: str, name: str) -> None:
        """See that an encoder can answer and put it on a side.

        `PutOn` follows, or `NotIndexed`.
        """

        def work() -> Message:
            rows = _rows(self._workspace)
            if _lacks_index(name, rows):
                return messages.NotIndexed(place, name)
            words = _hindrance(name, rows)
            return messages.PutOn(place, "" if words else name, words)

        beside(work, "put", self._post)

    @writes
    def index(self, name: str, side: str) -> None:
        """Start a job that indexes an encoder for a side; `Done` follows, or `TaskFailed`."""

        def work() -> Message:
            from engine import supervise

            job = supervise.start(self._workspace, "index", {"encoder": name})
            does = f"job {job.id} indexes it now, then it goes on the {side}."
            return messages.Done(f"{name} is not indexed yet: {does}")

        beside(work, "index", self._post)

    def put_newest(self, newest: str) -> None:
        """Put `newest` on the right, or what is the newest now.

        `PutOn` follows, or `NotIndexed`.
        """

        def work() -> Message:
            rows = _rows(self._workspace)
            if _lacks_index(newest, rows):
                return messages.NotIndexed("candidate", newest)
            words = _hindrance(newest, rows) if newest else ""
            if newest and not words:
                return messages.PutOn("candidate", newest)
            able = [row.name for row in rows if row.info.tuned and not _hindrance(row.name, rows)]
            return messages.PutOn("candidate", able[-1] if able else "", words, NO_ENCODER)

        beside(work, "put", self._post)

    def read_run(self, name: str, *, ended: bool = False) -> None:
        """Read the verdict on a run; `RunKnown` follows, or `TaskFailed`."""

        def work() -> Message:
            from engine.encoders.registry import resolve

            try:
                card = resolve(self._workspace, name).card
            except RankbenchError:
                if not ended:
                    raise
                card = None
            return messages.RunKnown(name, card.verdict if card else {}, ended=ended)

        beside(work, "run", self._post)


def _rows(workspace: Workspace) -> list[EncoderRow]:
    from engine.encoders.registry import list_encoders
    from engine.state import State

    state = State(workspace.state_path, read_only=workspace.read_only)
    try:
        return [
            EncoderRow(info, state.active_build(info.name)) for info in list_encoders(workspace)
        ]
    finally:
        state.close()


def _defaults(root: Path) -> tuple[str, str]:
    settings = open_workspace(root).settings
    return settings.baseline, settings.candidate


def _hindrance(name: str, rows: list[EncoderRow]) -> str:
    """Why an encoder cannot answer; "" where it can."""
    row = next((row for row in rows if row.name == name), None)
    if row is None:
        return f"{name} is not in this workspace any more."
    if row.info.fault:
        return row.info.fault
    return "" if row.build else f"{name} is not indexed."


def _lacks_index(name: str, rows: list[EncoderRow]) -> bool:
    """Whether an index is all that keeps an encoder from answering."""
    return any(row.name == name and row.build is None and not row.info.fault for row in rows)


def _path(typed: str) -> Path:
    path = Path(typed).expanduser().absolute()
    if path.exists():
        raise RankbenchError(f"{path} exists already.", "Name another path.")
    return path
