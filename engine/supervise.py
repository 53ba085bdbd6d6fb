"""Start, find, follow and cancel job processes. Standard library only, safe inside the app.

A job is `python -m engine.jobs <job dir>` in a session of its own: closing the app does not stop
it, and opening the app again finds it by its directory. What a job is doing is read from files it
appends to; whether it lives is asked of the operating system, by pid and start time, since a pid
alone may belong to another program by now.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import RankbenchError
from engine.workspace import Workspace, unwritable

ENDED = ("done", "failed", "cancelled")
_STARTING_S = 15.0
"""How long a job may be without a pid file before it counts as died."""
_TAIL_BYTES = 64 * 1024

_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True, slots=True)
class Job:
    """One job as its files and the operating system show it now.

    Attributes:
        state: queued, running, done, failed, cancelled, or died (no process, no last word).
        step, steps: of the training; 0 where unknown. eta_s: seconds left, None where unknown.
        encoder: the encoder it made, or makes if it was given a name.
        created, started, ended: unix seconds; None where it has not happened.
        error: what a failed job said, one line.
        phase: "loading", "training", "dev", "saving", "indexing" or "".
        loss: of the last training step that told one; None where it does not run.
    """

    id: str
    kind: str
    state: str
    path: Path
    params: Mapping[str, Any]
    created: float
    step: int = 0
    steps: int = 0
    eta_s: float | None = None
    encoder: str | None = None
    started: float | None = None
    ended: float | None = None
    error: str | None = None
    phase: str = ""
    loss: float | None = None
    pid: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The `jobs` contract."""
        keys = ("id", "kind", "state", "step", "steps", "eta_s", "encoder")
        found = {key: getattr(self, key) for key in keys}
        return {**found, "started": self.started, "ended": self.ended, "error": self.error}

    @property
    def over(self) -> bool:
        return self.state in (*ENDED, "died")


def start(
    ws: Workspace, kind: str, params: Mapping[str, Any], *, threads: int | None = None
) -> Job:
    """Start a job process and return at once; it queues itself behind a running one.

    Args:
        kind: "train" or "index".
        params: JSON values for that kind.
        threads: of the numeric libraries; by default one fewer than there are cores, so that the
            person typing keeps one.

    Raises:
        RankbenchError: the workspace cannot be written, or no process can be started.
    """
    try:
        directory = _new_directory(ws.jobs_dir)
        job = {
            "id": directory.name,
            "kind": kind,
            "workspace": str(ws.root),
            "params": dict(params),
            "created": time.time(),
        }
        _write_json(directory / "job.json", job)
        (directory / "events.jsonl").touch()
        process = _spawn(directory, threads)
    except OSError as error:
        raise unwritable(ws.jobs_dir, error) from None
    _children[process.pid] = process
    write_pid(directory, process.pid)
    return read_job(directory)


def find(ws: Workspace) -> list[Job]:
    """Every job of the workspace, newest first. A directory that is no job is passed over."""
    if not ws.jobs_dir.is_dir():
        return []
    found = []
    for path in sorted(ws.jobs_dir.iterdir(), reverse=True):
        if (path / "job.json").is_file():
            try:
                found.append(read_job(path))
            except (OSError, ValueError, KeyError, TypeError):
                continue
    return found


def get(ws: Workspace, job_id: str) -> Job:
    """The job of that id (leading zeros may be left out).

    Raises:
        RankbenchError: there is none.
    """
    for job in find(ws):
        if job_id in (job.id, job.id.lstrip("0")):
            return job
    raise RankbenchError(f"There is no job {job_id!r}.", "See `rankbench jobs`.")


def read_job(path: Path) -> Job:
    """The job in that directory, as it stands.

    Raises:
        OSError, ValueError, KeyError: `job.json` is missing or no job's.
    """
    data = json.loads((path / "job.json").read_text(encoding="utf-8"))
    # Life is asked before the events are read: a job that ends in between is then seen as ended.
    pid, alive = _life(path, float(data["created"]))
    events = _events_seen(path / "events.jsonl")
    last = next((e for e in reversed(events) if e.get("event") in ENDED), None)
    begun = next((e for e in events if e.get("event") == "started"), None)
    progress = next((e for e in reversed(events) if e.get("event") == "progress"), {})
    if last is not None:
        state = str(last["event"])
    elif not alive:
        state = "died"
    else:
        state = "running" if begun else "queued"
    params = data.get("params", {})
    ended = last.get("t") if last else None
    if state == "died":
        ended = events[-1].get("t") if events else data["created"]
    error = last.get("message") if last and state == "failed" else None
    if state == "died":
        error = f"The process ended without a word; see {path / 'log'}."
    return Job(
        id=str(data["id"]),
        kind=str(data["kind"]),
        state=state,
        path=path,
        params=params,
        created=float(data["created"]),
        step=int(progress.get("step") or 0),
        steps=int(progress.get("steps") or 0),
        eta_s=progress.get("eta_s") if state == "running" else None,
        encoder=(last or {}).get("encoder") or params.get("name") or None,
        started=begun.get("t") if begun else None,
        ended=ended,
        error=error,
        phase=str(progress.get("phase", "")) if state == "running" else "",
        loss=progress.get("loss") if state == "running" else None,
        pid=pid if alive else None,
    )


def follow(
    job: Job, *, poll: float = 0.2, stop: Callable[[], bool] = lambda: False
) -> Iterator[dict[str, Any]]:
    """Every event of the job from its first, waiting for more until it has ended.

    A job whose process is gone without a last word ends with `{"event": "died"}`. Blocking: for a
    thread of its own.
    """
    with (job.path / "events.jsonl").open("rb") as file:
        rest = b""
        while not stop():
            over = read_job(job.path).over
            rest += file.read()
            *lines, rest = rest.split(b"\n")
            for line in lines:
                event = _parse(line)
                if event is not None:
                    yield event
                    if event.get("event") in ENDED:
                        return
            if over:
                yield {"t": time.time(), "event": "died", "message": f"see {job.path / 'log'}"}
                return
            time.sleep(poll)


def request_cancel(job: Job) -> None:
    """Ask the job to stop at its next step; returns at once."""
    try:
        (job.path / "cancel").touch()
    except OSError as error:
        raise unwritable(job.path, error) from None


def cancel(job: Job, grace: float = 10.0) -> Job:
    """Stop the job: by its cancel file, after `grace` seconds by SIGTERM, at last by SIGKILL.

    Blocks until it has ended; returns it as it then is.
    """
    if job.over:
        return job
    request_cancel(job)
    for number in (None, signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        if number is not None:
            _signal(job, number)
        limit = time.monotonic() + grace
        while time.monotonic() < limit:
            now = read_job(job.path)
            if now.over:
                return now
            time.sleep(0.05)
    return read_job(job.path)


def write_pid(directory: Path, pid: int) -> None:
    """Record the process of a job with its start time."""
    _write_json(directory / "pid", {"pid": pid, "start_time": start_time(pid)})


def start_time(pid: int) -> str:
    """What tells a process from a later one with its pid; "" where it does not exist.

    Clock ticks since boot and the boot's id on Linux, so a clock that jumps changes nothing; what
    `ps` says elsewhere.
    """
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            # The name, in parentheses, may itself hold spaces and parentheses.
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            if fields[0] in ("Z", "X"):
                return ""
            return f"{fields[19]}@{_boot_id()}"
        except (OSError, IndexError):
            return ""
    return _start_by_ps(pid)


def _start_by_ps(pid: int) -> str:
    """The same as `ps` tells it, in words that no person's language or time zone changes."""
    try:
        answer = subprocess.run(
            ["ps", "-o", "state=,lstart=", "-p", str(pid)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C", "TZ": "UTC0"},
            timeout=10,
            check=False,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
    return "" if not answer or answer.startswith("Z") else answer.partition(" ")[2].strip()


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _new_directory(jobs: Path) -> Path:
    jobs.mkdir(parents=True, exist_ok=True)
    while True:
        taken = [int(path.name) for path in jobs.iterdir() if path.name.isdigit()]
        path = jobs / f"{max(taken, default=0) + 1:04d}"
        try:
            # Two starters may count the same jobs; only one can make the directory.
            path.mkdir()
        except FileExistsError:
            continue
        return path


def _spawn(directory: Path, threads: int | None) -> subprocess.Popen[bytes]:
    count = threads or max(1, available_cores() - 1)
    source = str(Path(__file__).resolve().parent.parent)
    paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(count),
        "MKL_NUM_THREADS": str(count),
        # Threads that wait by spinning would take the core from the person typing.
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
    }
    with (directory / "log").open("ab") as log:
        # Explicit descriptors: inside a Textual app sys.stderr has none. -P keeps the directory a
        # person stands in (which may hold a `datasets/`) off the import path.
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "engine.jobs", str(directory)],
            stdin=subprocess.DEVNULL,
            stdout=log.fileno(),
            stderr=log.fileno(),
            start_new_session=True,
            close_fds=True,
            env=environment,
        )


def available_cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _life(path: Path, created: float) -> tuple[int | None, bool]:
    """The recorded pid, and whether that very process lives."""
    try:
        record = json.loads((path / "pid").read_text(encoding="utf-8"))
        pid, began = int(record["pid"]), str(record["start_time"])
    except (OSError, ValueError, KeyError, TypeError):
        # Between its directory and its pid a job is being started, for a moment.
        return None, 0 <= time.time() - created < _STARTING_S
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        # Reaped: a dead child of ours would stay a zombie, and look alive to some.
        del _children[pid]
    return pid, bool(began) and start_time(pid) == began


def _signal(job: Job, number: int) -> None:
    now = read_job(job.path)
    if now.pid is None:
        return
    try:
        os.kill(now.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _events_seen(path: Path) -> list[dict[str, Any]]:
    """The first lines and the last ones: `started` is among the first, the state among the last."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            if size <= 2 * _TAIL_BYTES:
                text = file.read()
            else:
                text = file.read(_TAIL_BYTES)
                file.seek(size - _TAIL_BYTES)
                text = text.rpartition(b"\n")[0] + b"\n" + file.read().partition(b"\n")[2]
    except OSError:
        return []
    return [event for line in text.split(b"\n") if (event := _parse(line)) is not None]


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        # An empty line, or one that a kill cut short.
        return None
    return event if isinstance(event, dict) else None


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    beside.write_text(json.dumps(value, indent=1), encoding="utf-8")
    os.replace(beside, path)
