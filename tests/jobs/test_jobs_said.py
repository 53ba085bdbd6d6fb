"""What `rankbench jobs` says of a job: how far it is, what a cancel kept, where a resume begins."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path

import pytest

from engine import supervise
from engine.workspace import Settings, Workspace, create
from workbench.cli import _run

STARTED = {"event": "started", "t": 1.0}
STEP = {"event": "progress", "phase": "training", "step": 3, "steps": 9, "loss": 0.41, "t": 2.0}
SCORE = {"event": "progress", "phase": "dev", "step": 3, "steps": 9, "score": 0.55671}
SCORE |= {"queries": 18, "t": 3.0}


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return create(tmp_path / "shop", Settings())


def job(ws: Workspace, *events: Mapping[str, object], pid: int | None = None) -> Path:
    """A job called `mine` as a process would have left it."""
    directory = ws.jobs_dir / "0001"
    directory.mkdir()
    data = {"id": "0001", "kind": "train", "workspace": str(ws.root), "created": 1.0}
    (directory / "job.json").write_text(json.dumps(data | {"params": {"name": "mine"}}))
    (directory / "events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events))
    if pid is not None:
        supervise.write_pid(directory, pid)
    return directory


def said(ws: Workspace, *arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        assert _run(["jobs", *arguments, "-w", str(ws.root)]) == 0
    return out.getvalue(), err.getvalue()


def test_a_running_job_tells_step_loss_and_the_newest_held_out_score(ws: Workspace) -> None:
    job(ws, STARTED, {**SCORE, "queries": 18}, {**STEP, "step": 4, "eta_s": 65.0}, pid=os.getpid())
    out, _ = said(ws)
    assert "training 4/9 · loss 0.4100 · dev NDCG@10 0.5567 (n 18)" in out and "1:05" in out


def test_a_job_without_a_name_yet_is_called_by_its_recipe(ws: Workspace) -> None:
    directory = job(ws, STARTED, STEP, pid=os.getpid())
    data = json.loads((directory / "job.json").read_text())
    (directory / "job.json").write_text(json.dumps(data | {"params": {"recipe": "flags"}}))
    assert "(flags)" in said(ws)[0]


def test_a_cancel_without_an_id_takes_the_job_that_runs(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _run(["jobs", "--cancel", "-w", str(ws.root)]) == 1
    job(ws, {"event": "done", "encoder": "old"})
    other = ws.jobs_dir / "0002"
    shutil.copytree(ws.jobs_dir / "0001", other)
    data = json.loads((other / "job.json").read_text())
    (other / "job.json").write_text(json.dumps(data | {"id": "0002"}))
    (other / "events.jsonl").write_text(json.dumps(STARTED) + "\n")
    with subprocess.Popen(["sleep", "60"]) as process:
        supervise.write_pid(other, process.pid)
        monkeypatch.setattr(supervise, "cancel", partial(_end, process))
        assert "Job 0002 has ended" in said(ws, "--cancel")[1]


def _end(process: subprocess.Popen[bytes], asked: supervise.Job) -> supervise.Job:
    """Without the seconds that a job is given to stop by itself."""
    process.kill()
    process.wait()
    return supervise.get(Workspace(asked.path.parents[1], Settings()), asked.id)


def test_a_cancel_that_kept_nothing_does_not_promise_the_name(ws: Workspace) -> None:
    word = "Cancelled after step 3; no encoder was kept."
    job(ws, STARTED, STEP, {"event": "cancelled", "message": word, "t": 4.0})
    for arguments in (["1"], ["1", "--cancel"]):
        _, err = said(ws, *arguments)
        assert word in err and "kept as" not in err and "from the start" in err


def test_a_cancel_while_it_indexes_has_nothing_left_to_keep(ws: Workspace) -> None:
    indexing = {"event": "progress", "phase": "indexing", "step": 3, "steps": 9, "t": 5.0}
    directory = job(ws, STARTED, SCORE, STEP, pid=os.getpid())
    assert supervise.get(ws, "1").keeping
    with (directory / "events.jsonl").open("a") as file:
        file.write(json.dumps(indexing) + "\n")
    assert not supervise.get(ws, "1").keeping


def test_where_a_resume_begins_is_told_from_what_is_whole(ws: Workspace) -> None:
    directory = job(ws, STARTED, STEP)
    for step, size in ((3, 4), (6, 5)):
        place = directory / f"checkpoints/checkpoint-{step}"
        place.mkdir(parents=True)
        (place / "model").write_bytes(b"1234")
        (place / "whole.json").write_text(json.dumps({"key": "k", "files": {"model": size}}))
    assert "goes on from step 3." in said(ws, "1")[1]
    (directory / "made.json").write_text('{"name": "mine", "created": "now"}')
    # The note is written before the rename: alone it proves nothing.
    assert "goes on from step 3." in said(ws, "1")[1]
    (ws.encoders_dir / "mine").mkdir()
    (ws.encoders_dir / "mine/card.json").write_text("{}")
    assert "goes on from its trained encoder." in said(ws, "1")[1]


def test_what_a_cancel_kept_aside_waits_until_no_checkpoint_is_left(ws: Workspace) -> None:
    directory = job(ws, STARTED, STEP, {"event": "cancelled", "message": "Kept.", "t": 4.0})
    (directory / "encoder").mkdir()
    card = {"name": "mine", "scores": {"cancelled_after_step": 3}}
    (directory / "encoder/card.json").write_text(json.dumps(card))
    place = directory / "checkpoints/checkpoint-3"
    place.mkdir(parents=True)
    (place / "whole.json").write_text(json.dumps({"key": "k", "files": {}}))
    assert "goes on from step 3." in said(ws, "1")[1]
    _, err = said(ws, "1", "--discard")
    assert "What was best so far stays" in err and "no checkpoint is left" in err


def test_a_discard_says_that_the_trained_encoder_stays(ws: Workspace) -> None:
    directory = job(ws, STARTED, {"event": "failed", "message": "The name is taken.", "t": 4.0})
    (directory / "encoder").mkdir()
    (directory / "encoder/card.json").write_text("{}")
    _, err = said(ws, "1", "--discard")
    assert "Its trained encoder stays: `rankbench jobs 0001 --resume" in err
    assert (directory / "encoder/card.json").is_file()


def test_the_log_tells_the_events_in_words(ws: Workspace) -> None:
    steps = [{**STEP, "step": n, "t": 10.0 + n / 10} for n in range(1, 9)]
    directory = job(
        ws,
        {**STARTED, "t": 9.0},
        *steps,
        {**SCORE, "epoch": 2, "alpha": 0.5, "t": 12.0},
        pid=os.getpid(),
    )
    told = [line.partition("  ")[2] for line in said(ws, "1", "--log")[0].splitlines()]
    assert told == [
        "started",
        "training  1/9  loss 0.4100",
        "training  8/9  loss 0.4100",
        "dev  3/9  dev NDCG@10 0.5567 (n 18) at epoch 2, alpha 0.5",
    ]
    with (directory / "events.jsonl").open("a") as file:
        for event in (
            {"t": 13.0, "event": "resumed", "step": 4},
            {"t": 14.0, "event": "log", "message": "Going \x1b[31mon"},
            {**STEP, "step": 5, "t": 15.0},
        ):
            file.write(json.dumps(event) + "\n")
    (directory / "log").write_text("a warning\x1b[31m\n")
    supervise.write_pid(directory, 2**22 + 1)
    out = said(ws, "1", "--log")[0]
    assert "\x1b" not in out
    told = [line.partition("  ")[2] for line in out.splitlines()]
    assert told[4] == "taken up again, from step 4" and told[5].startswith("Going ")
    assert told[6:8] == ["training  5/9  loss 0.4100", "died: the process ended without a word"]
    assert out.splitlines()[-2] == "printed by the process:"
    assert out.splitlines()[-1].startswith("a warning")
