"""Work with background jobs that may take seconds, each on a thread of its own."""

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
        cancel(job_id)

    beside(run, "cancel", post)


def beside(
    work: Callable[[], Message | None], name: str, post: Callable[[Message], object]
) -> None:
    """Run `work` on a daemon thread and post the message it returns, or its trouble by `name`."""

    def run() -> None:
        try:
            message = work()
        except Exception as error:
            message = TaskFailed(trouble_of(error), name)
        if message is not None:
            post(message)

    threading.Thread(target=run, name=name, daemon=True).start()
