"""Start, find, follow, resume and cancel job processes. Standard library only, safe in the app.

A job is `python -m engine.jobs <job dir>` in a session of its own: closing the app does not stop
it, and opening the app again finds it by its directory. What a job is doing is read from files it
appends to; whether it lives is asked of the operating system, by pid and start time, since a pid
alone may belong to another program by now.
"""

from engine.supervise.control import cancel, discard, request_cancel, resume, start
from engine.supervise.job import ENDED, Job, events, find, follow, get, read_job
from engine.supervise.process import available_cores, start_time, write_pid

__all__ = [
    "ENDED", "Job", "available_cores", "cancel", "discard", "events", "find", "follow", "get",
    "read_job", "request_cancel", "resume", "start", "start_time", "write_pid",
]  # fmt: skip
