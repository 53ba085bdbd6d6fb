"""Full disks, cut checkpoints, jumping clocks, locks and pids of the dead: a clear state each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from breaking import INSIDE, NAME, over, rankbench, slow, train, until
from killed_runs import (
    Whole,
    copy,
    operation,
    resume_finishes_it,
    same_vectors,
    started_to_die,
)

from engine import supervise
from engine.encoders.registry import list_encoders
from engine.jobs.train import check
from engine.workspace import Workspace

DAY = 86_400.0


def on_a_small_disk(ws: Workspace, patch: pytest.MonkeyPatch, limit: int) -> supervise.Job:
    """The tiny training where no file can grow past `limit` bytes, ended."""
    patch.setenv("PYTHONPATH", str(INSIDE))
    patch.setenv("RANKBENCH_FAULT_DISK", str(limit))
    job = train(ws)
    patch.undo()
    return over(ws, job.id)


def test_without_room_for_checkpoints_the_run_goes_on_and_says_so(
    ws: Workspace, whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The weights fit, the optimiser's state, twice as large, does not.
    weights = max(f.stat().st_size for f in (ws.encoders_dir / "base").rglob("*.safetensors"))
    ended = on_a_small_disk(ws, monkeypatch, int(1.5 * weights))
    assert ended.state == "done", (ended.path / "log").read_text()
    said = (ended.path / "events.jsonl").read_text()
    assert said.count("No checkpoint could be written, training goes on") == 3
    same_vectors(ws, whole, NAME)


@slow
def test_without_room_for_the_encoder_it_fails_in_words_and_a_resume_finishes_it(
    ws: Workspace, whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = on_a_small_disk(ws, monkeypatch, 1_000_000)
    assert ended.state == "failed"
    assert "Cannot write in" in (ended.error or "") and "free some space" in (ended.error or "")
    assert [info.name for info in list_encoders(ws)] == ["base"]
    assert rankbench("jobs", "1", "--resume", "-w", ws.root).code == 0
    assert over(ws).state == "done"
    same_vectors(ws, whole, NAME)


@pytest.fixture(scope="module")
def died(whole: Whole, shop: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A shop whose training was killed when it was about to save. Not to be written to."""
    ws = copy(shop, tmp_path_factory.mktemp("died") / "shop")
    with pytest.MonkeyPatch.context() as patch:
        number = operation(whole, "shutil.rmtree /jobs/0001/work/.encoder.partial")
        job = started_to_die(ws, patch, number)
    assert over(ws, job.id).state == "died"
    return ws


def test_a_checkpoint_cut_short_is_passed_over(
    died: Workspace, whole: Whole, tmp_path: Path
) -> None:
    ws = copy(died, tmp_path / "shop")
    job = supervise.get(ws, "1")
    newest, older = job.path / "checkpoints/checkpoint-18", job.path / "checkpoints/checkpoint-12"
    assert newest.is_dir() and older.is_dir()
    with (newest / "optimizer.pt").open("r+b") as file:
        file.truncate(1000)
    said = rankbench("jobs", "1", "-w", ws.root)
    assert "from step 12" in said.err
    resume_finishes_it(ws, job, whole)
    assert "Going on from step 12." in (job.path / "events.jsonl").read_text()


@slow
def test_without_a_whole_checkpoint_the_run_starts_over(
    died: Workspace, whole: Whole, tmp_path: Path
) -> None:
    ws = copy(died, tmp_path / "shop")
    job = supervise.get(ws, "1")
    for checkpoint in (job.path / "checkpoints").iterdir():
        (checkpoint / "whole.json").write_text('{"key": "')
    assert "from the start" in rankbench("jobs", "1", "-w", ws.root).err
    resume_finishes_it(ws, job, whole)


@slow
def test_a_name_that_a_cancel_took_does_not_stop_the_resume(
    died: Workspace, whole: Whole, tmp_path: Path
) -> None:
    ws = copy(died, tmp_path / "shop")
    # What a cancel leaves: the weights by then under the name, and the note of it.
    kept = Path(shutil.copytree(whole.ws.encoders_dir / NAME, ws.encoders_dir / NAME))
    created = json.loads((kept / "card.json").read_text())["created"]
    job = supervise.get(ws, "1")
    (job.path / "cancelled.json").write_text(json.dumps([[NAME, created]]))
    assert rankbench("jobs", "1", "--resume", "-w", ws.root).code == 0
    ended = over(ws)
    assert (ended.state, ended.encoder) == ("done", f"{NAME}-01"), ended.error
    assert [info.name for info in list_encoders(ws)] == ["base", NAME, f"{NAME}-01"]


def test_a_clock_that_jumps_changes_no_state(died: Workspace, tmp_path: Path) -> None:
    for jump in (-400 * DAY, 400 * DAY):
        ws = copy(died, tmp_path / f"shop{jump}")
        path = ws.jobs_dir / "0001"
        shift(path, jump)
        assert supervise.get(ws, "1").state == "died"
        said = rankbench("jobs", "-w", ws.root)
        assert said.code == 0 and " died " in said.out
        # The one that claimed it under the other clock is long gone.
        size = (path / "events.jsonl").stat().st_size
        (path / f"resume-{size}").touch()
        os.utime(path / f"resume-{size}", (time.time() + jump,) * 2)
        job = supervise.resume(ws, "1")
        assert job.state in ("queued", "running")
        supervise.cancel(job, grace=0)


def shift(job: Path, seconds: float) -> None:
    """Set every time that the job wrote."""
    data = json.loads((job / "job.json").read_text())
    (job / "job.json").write_text(json.dumps(data | {"created": data["created"] + seconds}))
    lines = (job / "events.jsonl").read_text().splitlines()
    moved = [json.loads(line) for line in lines if line]
    words = [json.dumps(event | {"t": event["t"] + seconds}) + "\n" for event in moved]
    (job / "events.jsonl").write_text("".join(words))


def test_a_pid_that_another_program_has_now_is_neither_the_job_nor_touched(
    died: Workspace, tmp_path: Path
) -> None:
    ws = copy(died, tmp_path / "shop")
    job = supervise.get(ws, "1")
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        record = json.loads((job.path / "pid").read_text())
        (job.path / "pid").write_text(json.dumps(record | {"pid": other.pid}))
        assert supervise.get(ws, "1").state == "died"
        assert "had ended already" in rankbench("jobs", "1", "--cancel", "-w", ws.root).err
        assert "--resume" in rankbench("jobs", "1", "-w", ws.root).err
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


HOLD = (
    "import sys, time; from pathlib import Path; from engine.workspace import open_workspace;"
    "ws = open_workspace(Path(sys.argv[1]));\n"
    "from filelock import FileLock\n"
    "with ws.writer_lock(), FileLock(ws.jobs_dir / '.running.lock'):\n"
    "    print('held', flush=True); time.sleep(60)"
)


def test_a_lock_of_the_dead_stops_nobody_and_one_of_the_living_is_told(ws: Workspace) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, ws.root], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        said = rankbench("index", "-w", ws.root)
        assert said.code == 1 and "Another process is writing the index" in said.err
        assert rankbench("flag", "red tent", "p001", "x", "-w", ws.root).code == 0
        job = supervise.start(ws, "index", {"encoder": "base"}, threads=1)
        until(lambda: "queued" in (job.path / "events.jsonl").read_text())
    finally:
        holder.kill()
        holder.wait()
    assert (ws.root / ".writer.lock").exists()
    assert over(ws, job.id).state == "done"
    assert rankbench("index", "-w", ws.root).code == 0


def test_an_encoder_deleted_behind_a_comparer_is_told_with_a_way_on(
    whole: Whole, tmp_path: Path
) -> None:
    from engine.ranking.comparer import Comparer

    ws = copy(whole.ws, tmp_path / "shop")
    comparer = Comparer(ws)
    try:
        assert comparer.compare("red tent", "base", NAME).candidate.encoder == NAME
        shutil.rmtree(ws.encoders_dir / NAME)
        shutil.rmtree(next(ws.lance_dir.glob(f"vec_{NAME}_*")))
        # What is loaded needs its files no more; only what is opened anew does.
        shown = comparer.compare("blue lamp", "base", NAME)
        assert shown.candidate.encoder == NAME and len(shown.candidate.hits) == 20
        assert comparer.compare("blue lamp", "base", "bm25").baseline.hits
    finally:
        comparer.close()
    said = rankbench("search", "red tent", "--candidate", NAME, "-w", ws.root)
    assert said.code == 1 and NAME in said.err and len(said.err.splitlines()) == 2
    assert [info["name"] for info in rankbench("encoders", "--json", "-w", ws.root).json] == [
        "base"
    ]
    # Its name is free again: a run may take it.
    check(ws, {"recipe": "infonce", "name": NAME})
