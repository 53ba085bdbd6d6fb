"""One job of a workspace runs, the others wait: a lock file the worker holds while it works.

The operating system frees the lock when its holder dies, however it dies.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engine import supervise
from engine.workspace import Workspace

LOCK = ".running.lock"


@contextmanager
def place(
    ws: Workspace,
    job_id: str,
    waiting: Callable[[], None],
    should_stop: Callable[[], bool],
    poll: float = 0.5,
) -> Iterator[bool]:
    """Wait for the turn, oldest job first; yields False where the job was cancelled in the queue.

    Args:
        waiting: called once, if there is a wait.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(ws.jobs_dir / LOCK)
    told = False
    while True:
        if should_stop():
            yield False
            return
        if not _older_waiting(ws, job_id):
            try:
                lock.acquire(timeout=0)
                break
            except Timeout:
                pass
        if not told:
            waiting()
            told = True
        time.sleep(poll)
    try:
        yield True
    finally:
        lock.release()


def _older_waiting(ws: Workspace, job_id: str) -> bool:
    return any(job.state == "queued" and job.id < job_id for job in supervise.find(ws))


def lock_path(ws: Workspace) -> Path:
    """Where the lock lies, for a test to hold it."""
    return ws.jobs_dir / LOCK
