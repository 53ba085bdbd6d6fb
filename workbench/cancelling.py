"""Ending a background job on a thread of its own: it may take a job's step, or many seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable

from textual.message import Message

from engine.workspace import Workspace
from workbench.messages import TaskFailed
from workbench.searching import trouble_of

CancelJob = Callable[[str], object]
"""Ends the job of that id; blocks until it has ended."""


def canceller_of(workspace: Workspace) -> CancelJob:
    """Cancel jobs of `workspace`, as `rankbench jobs ID --cancel` does."""

    def cancel(job_id: str) -> object:
        from engine import supervise

        return supervise.cancel(supervise.get(workspace, job_id))

    return cancel


def cancel_beside(cancel: CancelJob, job_id: str, post: Callable[[Message], object]) -> None:
    """Run `cancel` on a daemon thread; that the job has ended is the job watcher's to tell."""

    def run() -> None:
        try:
            cancel(job_id)
        except Exception as error:
            post(TaskFailed(trouble_of(error)))

    threading.Thread(target=run, name="cancel", daemon=True).start()
