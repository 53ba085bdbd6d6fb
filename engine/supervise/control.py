"""Start, resume, cancel and discard jobs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import RankbenchError
from engine.supervise.job import Job, get, read_job
from engine.supervise.process import STARTING_S, spawn, write_json
from engine.workspace import Workspace, unwritable

# What a job that ended may leave in its directory, besides its words and an encoder it finished:
# that one is what the run was for, and goes only by hand.
_LEFT = ("work", "checkpoints")


def start(
    ws: Workspace, kind: str, params: Mapping[str, Any], *, threads: int | None = None
) -> Job:
    """Start a job process and return at once; it queues itself behind a running one.

    Args:
        kind: "train", "index", "teach" or "synth".
        params: JSON values for that kind.
        threads: of the numeric libraries; by default one fewer than there are cores, so that the
            person typing keeps one.

    Raises:
        RankbenchError: the workspace cannot be written, or no process can be started.
    """
    ws.check_writable()
    try:
        directory = _new_directory(ws.jobs_dir)
        job = {
            "id": directory.name,
            "kind": kind,
            "workspace": str(ws.root),
            "params": dict(params),
            "created": time.time(),
        }
        write_json(directory / "job.json", job)
        (directory / "events.jsonl").touch()
        spawn(directory, threads)
    except OSError as error:
        raise unwritable(ws.jobs_dir, error) from None
    return read_job(directory)


def resume(ws: Workspace, job_id: str, *, threads: int | None = None) -> Job:
    """Start a job that died, failed or was cancelled again, and return at once.

    It goes on from its newest whole checkpoint, with the same seed, parameters, verdicts and
    judgments; without one, or where the catalog changed meanwhile, from the first step. It keeps
    its id and its place.

    Raises:
        RankbenchError: there is no such job, it runs, waits or is done, somebody else resumes it at
            this moment, or the workspace cannot be written.
    """
    ws.check_writable()
    job = get(ws, job_id)
    if not job.resumable:
        done = job.state == "done"
        raise RankbenchError(
            f"Job {job.id} {'is done' if done else 'is ' + job.state}: there is nothing to resume.",
            "Start another with `rankbench train`." if done else f"See `rankbench jobs {job.id}`.",
        )
    events = job.path / "events.jsonl"
    try:
        _claim(job)
        # A line that a kill cut short must not swallow the first one that follows.
        with events.open("ab") as file:
            file.write(b"\n")
            offset = file.tell()
            word = {"t": round(time.time(), 3), "event": "resumed", "step": job.checkpoint or 0}
            file.write(json.dumps(word).encode() + b"\n")
        (job.path / "cancel").unlink(missing_ok=True)
        (job.path / "pid").unlink(missing_ok=True)
        data = json.loads((job.path / "job.json").read_text(encoding="utf-8"))
        data |= {"offset": offset, "resumed": time.time(), "workspace": str(ws.root)}
        write_json(job.path / "job.json", data)
        spawn(job.path, threads)
    except OSError as error:
        raise unwritable(job.path, error) from None
    return read_job(job.path)


def discard(job: Job) -> int:
    """Delete the checkpoints and half-made things of a job that is over; returns bytes freed.

    An encoder that it finished and that is not in its place yet stays.

    Raises:
        RankbenchError: it is not over, or the disk refuses.
    """
    if not job.over:
        raise RankbenchError(
            f"Job {job.id} is {job.state}.", f"`rankbench jobs {job.id} --cancel` stops it."
        )
    freed = 0
    try:
        for path in (job.path / name for name in _LEFT):
            freed += sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            if path.exists():
                shutil.rmtree(path)
    except OSError as error:
        raise unwritable(job.path, error) from None
    return freed


def request_cancel(job: Job) -> None:
    """Ask the job to stop at its next step; returns at once."""
    try:
        (job.path / "cancel").touch()
    except OSError as error:
        raise unwritable(job.path, error) from None


def cancel(job: Job, grace: float = 10.0, keeping: float = 300.0) -> Job:
    """Stop the job: by its cancel file, after `grace` seconds by SIGTERM, at last by SIGKILL.

    Blocks until it has ended; returns it as it then is.

    Args:
        keeping: the seconds before SIGTERM where the job has weights to keep: scoring or saving a
            large encoder once may take minutes, and SIGTERM would lose it.
    """
    if job.over:
        return job
    request_cancel(job)
    for number in (None, signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        if number is not None:
            _signal(job, number)
        now = _waited(job, grace, grace if number else max(grace, keeping))
        if now.over:
            return now
    return now


def _waited(job: Job, grace: float, keeping: float) -> Job:
    """The job once it has ended, or when its time is up."""
    began = time.monotonic()
    while True:
        now = read_job(job.path)
        limit = keeping if now.keeping else grace
        if now.over or time.monotonic() - began >= limit:
            return now
        time.sleep(0.05)


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


def _claim(job: Job) -> None:
    """Make sure that nobody else resumes the job now: the file is one per end of the job.

    Raises:
        RankbenchError: somebody does.
    """
    size = (job.path / "events.jsonl").stat().st_size
    claim = job.path / f"resume-{size}"
    try:
        os.close(os.open(claim, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
    except FileExistsError:
        # Who made it and went no further was killed in between. One from the future was made
        # before the clock was set back.
        if 0 <= time.time() - claim.stat().st_mtime < STARTING_S:
            raise RankbenchError(
                f"Job {job.id} is being resumed already.", f"See `rankbench jobs {job.id}`."
            ) from None
        os.utime(claim)
    for old in job.path.glob("resume-*"):
        if old != claim:
            old.unlink(missing_ok=True)


def _signal(job: Job, number: int) -> None:
    now = read_job(job.path)
    if now.pid is None:
        return
    try:
        os.kill(now.pid, number)
    except (ProcessLookupError, PermissionError):
        return
