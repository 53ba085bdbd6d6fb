"""Trainings that kill themselves at a chosen moment, and what a resume must make of them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from breaking import INSIDE, NAME, over, rankbench, train

from engine import supervise
from engine.index.build import load_matrix
from engine.index.store import connect, table_names
from engine.workspace import Workspace, open_workspace


@dataclass(frozen=True, slots=True)
class Whole:
    """A run that came to its end.

    Attributes:
        operations: what it did in its workspace, in order.
        seconds: from its start to its last word.
    """

    ws: Workspace
    operations: tuple[str, ...]
    seconds: float


def copy(ws: Workspace, target: Path) -> Workspace:
    return open_workspace(Path(shutil.copytree(ws.root, target)))


def operation(whole: Whole, what: str) -> int:
    """The number of a narrow moment in the operations of the uninterrupted run, from 1."""
    done = [line.replace(str(whole.ws.root), "") for line in whole.operations]
    if what.endswith(" last"):
        return len(done)
    if what.endswith(" saved"):
        return done.index("os.rename /jobs/0001/encoder") + 2
    return done.index(what) + 1


def started_to_die(ws: Workspace, patch: pytest.MonkeyPatch, number: int) -> supervise.Job:
    """A training that kills itself just before its operation of that number."""
    patch.setenv("PYTHONPATH", str(INSIDE))
    patch.setenv("RANKBENCH_FAULT_KILL", str(number))
    job = train(ws)
    patch.undo()
    return job


def same_vectors(ws: Workspace, whole: Whole, name: str) -> None:
    found, wanted = load_matrix(ws, name), load_matrix(whole.ws, name)
    assert found.ids == wanted.ids
    np.testing.assert_array_equal(found.vectors, wanted.vectors)


def resume_finishes_it(ws: Workspace, job: supervise.Job, whole: Whole) -> None:
    """The resumed run gives the very vectors of the one that nobody interrupted."""
    said = rankbench("jobs", job.id, "-w", ws.root)
    assert " died " in said.out and "--resume" in said.err
    said = rankbench("jobs", job.id, "--resume", "-w", ws.root)
    assert said.code == 0, said.err
    ended = over(ws, job.id)
    assert (ended.state, ended.encoder) == ("done", NAME), (job.path / "log").read_text()
    same_vectors(ws, whole, NAME)
    assert sorted(path.name for path in ws.encoders_dir.iterdir()) == ["base", NAME]
    assert len(table_names(connect(ws))) == 3
    assert not {"work", "checkpoints", "encoder"} & {path.name for path in job.path.iterdir()}
