"""Job processes: started, found, followed, queued, cancelled, and noticed when they die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from engine import supervise
from engine.errors import RankbenchError
from engine.jobs.queue import LOCK
from engine.supervise.control import _new_directory
from engine.supervise.process import _start_by_ps
from engine.workspace import Settings, Workspace, create, open_workspace


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return create(tmp_path / "shop", Settings())


def fake(ws: Workspace, name: str, events: list[dict[str, Any]], pid: int | None = None) -> Path:
    """A job directory as a process would have left it."""
    directory = ws.jobs_dir / name
    directory.mkdir()
    job = {"id": name, "kind": "train", "workspace": str(ws.root), "params": {}, "created": 1.0}
    (directory / "job.json").write_text(json.dumps(job))
    (directory / "events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events))
    if pid is not None:
        supervise.write_pid(directory, pid)
    return directory


def wait(ws: Workspace, job_id: str, *states: str, seconds: float = 60) -> supervise.Job:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        job = supervise.get(ws, job_id)
        if job.state in states:
            return job
        time.sleep(0.1)
    raise AssertionError(f"{job.state}, not {states}: {(job.path / 'log').read_text()}")


def test_supervising_imports_nothing_heavy() -> None:
    code = (
        "import sys, engine.supervise; heavy = {'torch','polars','lancedb','numpy','textual'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.strip() == "[]", answer.stderr


def test_states_come_from_events_and_the_process(ws: Workspace) -> None:
    t = {"t": 5.0}
    started = {"event": "started", **t}
    step = {"event": "progress", "step": 3, "steps": 9, "eta_s": 4.5, "phase": "training", **t}
    fake(ws, "0001", [started, step, {"event": "done", "encoder": "x-01", **t}], os.getpid())
    fake(ws, "0002", [started, {"event": "failed", "message": "no positives", **t}])
    fake(ws, "0003", [started, step], os.getpid())
    fake(ws, "0004", [{"event": "queued", **t}], os.getpid())
    fake(ws, "0005", [started, step])
    found = {job.id: job for job in supervise.find(ws)}
    assert [found[i].state for i in sorted(found)] == [
        "done",
        "failed",
        "running",
        "queued",
        "died",
    ]
    assert found["0001"].encoder == "x-01" and found["0001"].ended == 5.0
    assert found["0002"].error == "no positives"
    assert (found["0003"].step, found["0003"].steps, found["0003"].eta_s) == (3, 9, 4.5)
    assert "log" in (found["0005"].error or "")
    assert list(found["0003"].to_json()) == [
        "id",
        "kind",
        "state",
        "step",
        "steps",
        "eta_s",
        "encoder",
        "started",
        "ended",
        "error",
    ]
    assert supervise.get(ws, "3").id == "0003"
    with pytest.raises(RankbenchError):
        supervise.get(ws, "77")


def test_a_pid_that_another_program_has_now_is_not_the_job(ws: Workspace) -> None:
    directory = fake(ws, "0001", [{"event": "started", "t": 1.0}], os.getpid())
    assert supervise.get(ws, "1").state == "running"
    record = json.loads((directory / "pid").read_text())
    (directory / "pid").write_text(json.dumps({**record, "start_time": "12@elsewhere"}))
    assert supervise.get(ws, "1").state == "died"


def test_damaged_directories_and_cut_lines_do_no_harm(ws: Workspace) -> None:
    directory = fake(ws, "0001", [{"event": "started", "t": 1.0}], os.getpid())
    with (directory / "events.jsonl").open("a") as file:
        file.write('{"event": "progress", "st')
    (ws.jobs_dir / "0002").mkdir()
    (ws.jobs_dir / "0003").mkdir()
    (ws.jobs_dir / "0003" / "job.json").write_text("{")
    assert [(job.id, job.state) for job in supervise.find(ws)] == [("0001", "running")]


def test_long_event_files_are_read_at_both_ends(ws: Workspace) -> None:
    many = [{"event": "progress", "t": 2.0, "step": n, "steps": 9000} for n in range(9000)]
    fake(ws, "0001", [{"event": "started", "t": 1.0}, *many], os.getpid())
    job = supervise.get(ws, "1")
    assert (job.state, job.started, job.step) == ("running", 1.0, 8999)


def test_follow_yields_every_event_and_ends(ws: Workspace) -> None:
    directory = fake(ws, "0001", [{"event": "started", "t": 1.0}], os.getpid())
    events = supervise.follow(supervise.get(ws, "1"), poll=0.01)
    assert next(events)["event"] == "started"
    with (directory / "events.jsonl").open("a") as file:
        file.write('{"event": "progress"}\n{"event": "do')
        file.flush()
        assert next(events)["event"] == "progress"
        file.write('ne"}\n')
    assert [event["event"] for event in events] == ["done"]


def test_a_job_that_cannot_work_fails_with_a_reason(ws: Workspace) -> None:
    job = supervise.start(ws, "train", {"recipe": "magic"})
    assert job.state in ("queued", "running", "failed")
    events = list(supervise.follow(job))
    assert events[-1]["event"] == "failed" and "magic" in events[-1]["message"]
    ended = supervise.get(ws, job.id)
    assert ended.state == "failed" and "magic" in (ended.error or "")


def test_a_job_survives_its_starter_and_is_found_by_another_process(ws: Workspace) -> None:
    from filelock import FileLock

    # Held, so that the job waits in the queue while its starter goes.
    with FileLock(ws.jobs_dir / LOCK):
        code = (
            "import sys; from pathlib import Path; from engine import supervise;"
            "from engine.workspace import open_workspace;"
            f"print(supervise.start(open_workspace(Path({str(ws.root)!r})), 'train', {{}}).id)"
        )
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        job_id = answer.stdout.strip()
        job = wait(ws, job_id, "queued")
        time.sleep(1)
        job = supervise.get(ws, job_id)
        assert job.state == "queued" and job.pid is not None
        assert os.getsid(job.pid) == job.pid
        ended = supervise.cancel(job)
        assert ended.state == "cancelled"


def test_a_killed_worker_is_found_as_died(ws: Workspace) -> None:
    from filelock import FileLock

    with FileLock(ws.jobs_dir / LOCK):
        job = supervise.start(ws, "train", {})
        time.sleep(0.5)
        pid = supervise.get(ws, job.id).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        dead = wait(ws, job.id, "died", seconds=5)
    assert dead.pid is None and dead.error
    assert list(supervise.follow(dead))[-1]["event"] == "died"
    assert supervise.cancel(dead).state == "died"


def test_sigterm_ends_a_job_that_does_not_look(ws: Workspace) -> None:
    from filelock import FileLock

    with FileLock(ws.jobs_dir / LOCK):
        job = supervise.start(ws, "train", {})
        with (job.path / "events.jsonl").open() as file:
            limit = time.monotonic() + 30
            while "queued" not in file.read() and time.monotonic() < limit:
                time.sleep(0.05)
        pid = supervise.get(ws, job.id).pid
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        assert wait(ws, job.id, "cancelled", seconds=10).ended


def test_it_works_where_standard_error_has_no_descriptor(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Captured:
        def fileno(self) -> int:
            return -1

        def write(self, text: str) -> int:
            return len(text)

        def flush(self) -> None: ...

    monkeypatch.setattr(sys, "stderr", Captured())
    monkeypatch.setattr(sys, "stdout", Captured())
    job = supervise.start(ws, "nonsense", {})
    assert wait(ws, job.id, "failed").error


def test_ids_are_never_given_twice(ws: Workspace) -> None:
    first = _new_directory(ws.jobs_dir)
    second = _new_directory(ws.jobs_dir)
    assert (first.name, second.name) == ("0001", "0002")
    assert open_workspace(ws.root).jobs_dir == ws.jobs_dir


def test_a_start_time_by_ps_does_not_depend_on_language_or_time_zone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "ps"
    told.write_text('#!/bin/sh\necho "S $LC_ALL $TZ"\n')
    told.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert _start_by_ps(os.getpid()) == "C UTC0"
