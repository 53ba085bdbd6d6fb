"""Commands, jobs and terminals as a person has them, and the ways to end them badly."""

from __future__ import annotations

import io
import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine import supervise
from engine.workspace import Workspace
from workbench.cli import _run

ROUNDS = int(os.environ.get("RANKBENCH_FAULTS", "2"))
"""How often each thing is broken; `make faults` asks for more, and for the slow tests."""
slow = pytest.mark.skipif("RANKBENCH_FAULTS" not in os.environ, reason="`make faults` runs it")
INSIDE = Path(__file__).parent / "inside"
NAME = "mine"
QUERY = "red tent"
# Three epochs of two steps: a checkpoint after each.
SETTINGS = ("epochs=3", "lr=1e-3", "dev_products=80")


@dataclass(frozen=True, slots=True)
class Said:
    """What a command left: exit status and both streams."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


def rankbench(*arguments: object) -> Said:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = _run([str(argument) for argument in arguments])
    return Said(code, out.getvalue(), err.getvalue())


def train(ws: Workspace, **params: object) -> supervise.Job:
    """Start the tiny training."""
    params = {"recipe": "infonce", "name": NAME, "seed": 3, "set": list(SETTINGS), **params}
    return supervise.start(ws, "train", params, threads=1)


def kill(ws: Workspace, job_id: str) -> None:
    """SIGKILL to the job's process, if it is there still."""
    pid = supervise.get(ws, job_id).pid
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


def until(holds: Callable[[], bool], seconds: float = 60, poll: float = 0.02) -> None:
    """Wait until `holds`; fail after `seconds`."""
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit, "it never came to it"
        time.sleep(poll)


def over(ws: Workspace, job_id: str = "1") -> supervise.Job:
    """The job, once it has ended."""
    until(lambda: supervise.get(ws, job_id).over, 120)
    return supervise.get(ws, job_id)
