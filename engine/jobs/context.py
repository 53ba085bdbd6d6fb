"""What a kind of work gets: its workspace, its parameters, and how to speak and to stop."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import RankbenchError
from engine.workspace import Workspace

_TERMINATED = threading.Event()


class Stopped(BaseException):
    """SIGTERM arrived. A BaseException, so that no library's handler swallows it.

    Python only prints what a destructor raises: one that arrives there is gone, and the work stops
    where it next asks.
    """


class Events:
    """Appends to `events.jsonl`: one write a line, so that a reader never sees two mixed.

    A word that a full disk refuses is lost and stops nothing: the work is worth more.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cut = False

    def emit(self, event: str, **values: Any) -> None:
        line = json.dumps({"t": round(time.time(), 3), "event": event, **values}) + "\n"
        data = (b"\n" if self._cut else b"") + line.encode()
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                self._cut = os.write(descriptor, data) < len(data)
            finally:
                os.close(descriptor)
        except OSError:
            self._cut = True


PUBLISHED = "published.json"  # in the job's directory: name and birth of what it made


@dataclass(frozen=True, slots=True)
class Context:
    """One job at work.

    Attributes:
        directory: `jobs/<id>`; work: `jobs/<id>/work`, where half-made things lie.
    """

    ws: Workspace
    id: str
    directory: Path
    params: Mapping[str, Any]
    events: Events

    @property
    def work(self) -> Path:
        return self.directory / "work"

    def report(self, event: Mapping[str, Any]) -> None:
        """Write an event a room below gave: a dict with `event` and whatever else."""
        values = dict(event)
        self.events.emit(str(values.pop("event", "log")), **values)

    def should_stop(self) -> bool:
        return _TERMINATED.is_set() or (self.directory / "cancel").exists()

    def note_published(self, name: str, created: str) -> None:
        """Keep what is about to appear, for a resume: before the rename, or a kill comes between.

        A disk that refuses stops nothing.
        """
        word = json.dumps({"name": name, "created": created})
        with suppress(OSError):
            (self.directory / PUBLISHED).write_text(word, encoding="utf-8")

    def published(self) -> tuple[str, str]:
        """What an earlier start of this job was about to publish: name and `created`, or ""."""
        try:
            found = json.loads((self.directory / PUBLISHED).read_text(encoding="utf-8"))
            return str(found["name"]), str(found["created"])
        except (OSError, ValueError, KeyError, TypeError):
            return "", ""

    def text(self, key: str, default: str = "") -> str:
        """The parameter `key` as text.

        Raises:
            RankbenchError: it is something else.
        """
        value = self.params.get(key, default)
        if value is None:
            return default
        if not isinstance(value, str):
            raise RankbenchError(f"The job's {key} is not a text: {value!r}.")
        return value


def stop_on_sigterm() -> None:
    """Turn SIGTERM into `Stopped` in the main thread."""

    def handler(number: int, frame: object) -> None:
        _TERMINATED.set()
        # A second one would interrupt the clearing up.
        ignore_sigterm()
        raise Stopped

    signal.signal(signal.SIGTERM, handler)


def ignore_sigterm() -> None:
    """For the end of a job, which takes a moment and must not be cut short."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
