"""The thread that looks at what other processes do: background jobs, encoders come and gone."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

from engine.workspace import Workspace
from workbench.messages import EncodersChanged, JobsChanged, JobView
from workbench.searching import trouble_of

if TYPE_CHECKING:
    from engine.supervise import Job

POLL_S = 0.5
BASE = "base"

FindJobs = Callable[[], Sequence[JobView]]


class Watcher:
    """Looks every half second at what other processes do.

    It posts `JobsChanged` when the answer of `find` differs, and `EncodersChanged` when something
    came into or went out of `encoders_dir`.
    """

    def __init__(
        self, find: FindJobs, encoders_dir: Path, post: Callable[[Message], object]
    ) -> None:
        self._find = find
        self._encoders_dir = encoders_dir
        self._post = post
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        last: JobsChanged | None = None
        entries = self._entries()
        while not self._stop.is_set():
            try:
                now = JobsChanged(self._find())
            except Exception as error:
                now = JobsChanged((), trouble_of(error))
            if last is None or (now.jobs, now.trouble) != (last.jobs, last.trouble):
                self._post(now)
                last = now
            if (found := self._entries()) != entries:
                entries = found
                self._post(EncodersChanged())
            self._stop.wait(POLL_S)

    def _entries(self) -> frozenset[str]:
        # One that is being written or deleted has a name with a dot.
        with suppress(OSError):
            return frozenset(n for n in os.listdir(self._encoders_dir) if not n.startswith("."))
        return frozenset()


def jobs_of(workspace: Workspace) -> FindJobs:
    """Read the jobs of `workspace`, oldest first; one that has ended only once per start."""
    over: dict[str, tuple[int, JobView]] = {}

    def find() -> list[JobView]:
        if not workspace.jobs_dir.is_dir():
            return []
        from engine import supervise

        views = []
        for path in sorted(workspace.jobs_dir.iterdir()):
            try:
                # Written anew when the job is resumed.
                started = (path / "job.json").stat().st_mtime_ns
                known = over.get(path.name)
                if known is None or known[0] != started:
                    known = started, _view(supervise.read_job(path))
            except (OSError, ValueError, KeyError, TypeError):
                continue
            # Not "died": a job whose process is gone may be taken up again.
            if known[1].state in supervise.ENDED:
                over[path.name] = known
            views.append(_with_presence(known[1], workspace.encoders_dir))
        return views

    return find


def _with_presence(job: JobView, encoders_dir: Path) -> JobView:
    # The base may lie in its package.
    if job.state != "done" or job.encoder == BASE or (encoders_dir / job.encoder).is_dir():
        return job
    return replace(job, removed=True)


def _view(job: Job) -> JobView:
    # An encoder that is being trained may have no name yet: its recipe stands for it.
    params = job.params
    name = job.encoder or params.get("encoder") or params.get("recipe") or ""
    return JobView(
        id=job.id,
        kind=job.kind,
        state=job.state,
        encoder=str(name),
        step=job.step,
        steps=job.steps,
        loss=job.loss,
        eta_s=job.eta_s,
        phase=job.phase,
        error=job.error or "",
        score=job.score,
        said=job.said,
        ended=job.ended,
        queries=job.queries,
    )
