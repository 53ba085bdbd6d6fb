"""The process of a job: started apart, found by pid and start time, signalled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STARTING_S = 15.0
"""How long a job may be without a pid file before it counts as died."""

_children: dict[int, subprocess.Popen[bytes]] = {}


def spawn(directory: Path, threads: int | None) -> None:
    """Start the worker of the job in `directory` and record its pid.

    Raises:
        OSError: no process can be started.
    """
    process = _spawn(directory, threads)
    _children[process.pid] = process
    write_pid(directory, process.pid)


def write_pid(directory: Path, pid: int) -> None:
    """Record the process of a job with its start time."""
    write_json(directory / "pid", {"pid": pid, "start_time": start_time(pid)})


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


def _spawn(directory: Path, threads: int | None) -> subprocess.Popen[bytes]:
    count = threads or max(1, available_cores() - 1)
    source = str(Path(__file__).resolve().parents[2])
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


def life(path: Path, begun: float) -> tuple[int | None, bool]:
    """The recorded pid, and whether that very process lives.

    Args:
        begun: when the job was last asked to start, Unix seconds.
    """
    try:
        record = json.loads((path / "pid").read_text(encoding="utf-8"))
        pid, began = int(record["pid"]), str(record["start_time"])
    except (OSError, ValueError, KeyError, TypeError):
        # Between its directory and its pid a job is being started, for a moment.
        return None, 0 <= time.time() - begun < STARTING_S
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        # Reaped: a dead child of ours would stay a zombie, and look alive to some.
        del _children[pid]
    return pid, bool(began) and start_time(pid) == began


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write beside and rename."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    beside.write_text(json.dumps(value, indent=1), encoding="utf-8")
    os.replace(beside, path)
