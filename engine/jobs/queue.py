"""One job of a workspace runs, the others wait: a lock file the worker holds while it works.

The operating system frees the lock when its holder dies, however it dies. A job also waits for
whoever else writes the workspace: what it has made must not be lost to that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine import supervise
from engine.errors import RankbenchError
from engine.jobs.context import Context
from engine.training.outcome import check_stop
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


def wait_for_writer(context: Context, poll: float = 0.5) -> None:
    """Return once nobody else writes the workspace, however long that takes.

    Where nobody does, a cancel is left to the caller: what is finished is then put in its place.

    Raises:
        Cancelled: the person asked for it while another writes.
        RankbenchError: the workspace cannot be written.
    """
    told = False
    while True:
        try:
            with context.ws.writer_lock():
                return
        except RankbenchError as error:
            if not is_busy(error):
                raise
        check_stop(context.should_stop)
        if not told:
            context.events.emit("log", message="Waiting for another writer of this workspace.")
            told = True
        time.sleep(poll)


def is_busy(error: RankbenchError) -> bool:
    """Whether the error says that another process holds a lock, and nothing worse."""
    from filelock import Timeout

    return isinstance(error.__context__, Timeout)
