"""Read by every Python started with this directory on its path; does something in workers only.

RANKBENCH_FAULT_LOG=FILE notes each file operation in the job's workspace, RANKBENCH_FAULT_KILL=N
kills the process just before the Nth of them, RANKBENCH_FAULT_DISK=BYTES makes every file that
grows past so many bytes fail as on a full disk.
"""

from __future__ import annotations

import os
import signal
import sys

_OPERATIONS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def _watch(root: str, log: str, kill: int) -> None:
    seen = 0

    def hook(event: str, arguments: tuple) -> None:
        nonlocal seen
        if event not in _OPERATIONS or root not in str(arguments[0]):
            return
        if event == "open" and not arguments[2] & _WRITING:
            return
        seen += 1
        if seen == kill:
            os.kill(os.getpid(), signal.SIGKILL)
        if log:
            with os.fdopen(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "a") as file:
                file.write(f"{event} {arguments[0]}\n")

    sys.addaudithook(hook)


def _fill_disk(limit: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


if "engine.jobs" in sys.orig_argv:
    log, kill = os.environ.get("RANKBENCH_FAULT_LOG", ""), os.environ.get("RANKBENCH_FAULT_KILL")
    if log or kill:
        # .../<workspace>/jobs/<id>
        _watch(os.path.dirname(os.path.dirname(sys.orig_argv[-1])), log, int(kill or 0))
    if disk := os.environ.get("RANKBENCH_FAULT_DISK"):
        _fill_disk(int(disk))
