"""Training in the background on the tiny shop: the encoder appears whole and indexed, or not."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from engine import supervise
from engine.encoders.card import Card, read_card, write_card
from engine.encoders.registry import list_encoders
from engine.errors import RankbenchError, UsageError
from engine.index.build import load_matrix
from engine.jobs.context import Context, Events
from engine.jobs.train import check, next_name, put_in_place
from engine.training.outcome import Cancelled
from engine.workspace import Workspace

QUICK = ["max_steps=6", "lr=1e-3", "dev_products=80"]
SLOW = ["epochs=1000", "lr=1e-4", "alphas=1"]


def start(ws: Workspace, **params: object) -> supervise.Job:
    return supervise.start(ws, "train", {"recipe": "infonce", "set": QUICK, **params}, threads=1)


def until_training(job: supervise.Job) -> None:
    for event in supervise.follow(job, poll=0.05):
        if event.get("phase") == "training":
            return
    raise AssertionError((job.path / "log").read_text())


def no_half_encoder(ws: Workspace) -> bool:
    return [path.name for path in ws.encoders_dir.iterdir()] == ["base"]


def test_a_job_trains_saves_and_indexes(tiny_workspace: Workspace) -> None:
    ws = tiny_workspace
    job = start(ws)
    events = list(supervise.follow(job))
    assert events[-1]["event"] == "done", (job.path / "log").read_text()
    assert events[-1]["encoder"] == "infonce-01"
    phases = [event.get("phase") for event in events]
    assert phases.index("training") < phases.index("saving")
    assert "indexing" in phases[phases.index("saving") : phases.index("verdict")]
    assert [phase for phase in phases if phase][-1] == "verdict"
    ended = supervise.get(ws, job.id)
    assert (ended.state, ended.encoder) == ("done", "infonce-01")
    assert ended.started and ended.ended and ended.ended >= ended.started

    assert [info.name for info in list_encoders(ws)] == ["base", "infonce-01"]
    card = read_card(ws.encoders_dir / "infonce-01")
    assert card is not None and card.base == "base" and card.data["catalog"]
    # The test split has no part in a run.
    assert len(card.trained_query_ids) == 24 and len(card.selection_queries) == 8
    assert len(load_matrix(ws, "infonce-01").ids) == 220
    assert not (job.path / "work").exists()
    assert not (job.path / "checkpoints").exists()

    adapter = supervise.start(
        ws, "train", {"recipe": "adapter", "base": "infonce-01", "name": "mine"}, threads=1
    )
    later = list(supervise.follow(adapter))
    assert later[-1]["encoder"] == "mine"
    # All that choose the adapter had chosen its base.
    said = "8 of 8 dev queries trained or chose infonce-01 already"
    assert any(said in event.get("message", "") for event in later)
    assert not any("already: its score" in event.get("message", "") for event in events)
    card = read_card(ws.encoders_dir / "mine")
    assert card is not None and card.parents == ("infonce-01", "base")


def test_cancel_leaves_no_half_encoder(tiny_workspace: Workspace) -> None:
    job = start(tiny_workspace, set=SLOW)
    until_training(job)
    began = time.monotonic()
    ended = supervise.cancel(supervise.get(tiny_workspace, job.id))
    assert ended.state == "cancelled" and time.monotonic() - began < 9
    assert no_half_encoder(tiny_workspace)
    # A checkpoint is what a resume goes on from, and with what there was to train on.
    left = {"job.json", "pid", "log", "events.jsonl", "cancel", "checkpoints", "begun.json"}
    assert {path.name for path in job.path.iterdir()} <= left


def test_a_killed_run_leaves_no_half_encoder_and_the_next_one_runs(
    tiny_workspace: Workspace,
) -> None:
    job = start(tiny_workspace, set=SLOW)
    until_training(job)
    pid = supervise.get(tiny_workspace, job.id).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while not supervise.get(tiny_workspace, job.id).over:
        time.sleep(0.05)
    assert supervise.get(tiny_workspace, job.id).state == "died"
    assert no_half_encoder(tiny_workspace)
    following = start(tiny_workspace)
    assert list(supervise.follow(following))[-1]["event"] == "done"
    assert not (job.path / "work").exists()


def test_one_job_runs_and_the_next_waits_its_turn(tiny_workspace: Workspace) -> None:
    first = start(tiny_workspace, set=SLOW)
    until_training(first)
    second = start(tiny_workspace)
    events = supervise.follow(second, poll=0.05)
    assert next(events)["event"] == "queued"
    assert supervise.get(tiny_workspace, second.id).state == "queued"
    assert supervise.get(tiny_workspace, first.id).state == "running"
    supervise.cancel(first)
    rest = list(events)
    assert rest[0]["event"] == "started" and rest[-1]["event"] == "done"


def test_bad_parameters_are_refused_before_a_process_starts(tiny_workspace: Workspace) -> None:
    ws = tiny_workspace
    assert next_name(ws, "infonce") == "infonce-01"
    (ws.encoders_dir / "infonce-07").mkdir()
    (ws.encoders_dir / "infonce-x").mkdir()
    assert next_name(ws, "infonce") == "infonce-08"
    with pytest.raises(UsageError):
        check(ws, {"recipe": "infonce", "set": ["epoch=1"]})
    with pytest.raises(UsageError):
        check(ws, {"recipe": "infonce", "name": "bm25"})
    with pytest.raises(RankbenchError):
        check(ws, {"recipe": "infonce", "name": "base"})


def test_an_index_job_indexes(tiny_workspace: Workspace, tmp_path: Path) -> None:
    job = supervise.start(tiny_workspace, "index", {"encoder": "base"}, threads=1)
    events = list(supervise.follow(job))
    assert events[-1] == {**events[-1], "event": "done", "encoder": "base", "rows": 220}
    assert json.loads((job.path / "job.json").read_text())["kind"] == "index"


def finished(ws: Workspace) -> tuple[Context, Path]:
    """A job that has just trained `infonce-01`."""
    directory = ws.jobs_dir / "0001"
    context = Context(ws, "0001", directory, {}, Events(directory / "events.jsonl"))
    made = context.work / "encoder"
    made.mkdir(parents=True)
    (made / "modules.json").write_text("[]")
    write_card(made, Card("infonce-01", recipe={"name": "infonce"}))
    return context, made


def test_a_finished_encoder_waits_for_another_writer(tiny_workspace: Workspace) -> None:
    ws = tiny_workspace
    context, made = finished(ws)
    names: list[str] = []
    thread = threading.Thread(
        target=lambda: names.append(put_in_place(context, made, "infonce-01", fixed=False))
    )
    with ws.writer_lock():
        thread.start()
        time.sleep(1.2)
        assert thread.is_alive() and not (ws.encoders_dir / "infonce-01").exists()
    thread.join(10)
    assert names == ["infonce-01"] and (ws.encoders_dir / "infonce-01/card.json").is_file()
    assert (context.directory / "events.jsonl").read_text().count("Waiting") == 1


def test_a_cancel_ends_the_wait(tiny_workspace: Workspace) -> None:
    context, made = finished(tiny_workspace)
    (context.directory / "cancel").touch()
    with tiny_workspace.writer_lock(), pytest.raises(Cancelled):
        put_in_place(context, made, "infonce-01", fixed=False)
    assert no_half_encoder(tiny_workspace)


def test_an_automatic_name_gives_way_and_a_chosen_one_keeps_the_encoder(
    tiny_workspace: Workspace,
) -> None:
    ws = tiny_workspace
    (ws.encoders_dir / "infonce-01").mkdir()
    context, made = finished(ws)
    assert put_in_place(context, made, "infonce-01", fixed=False) == "infonce-02"
    card = read_card(ws.encoders_dir / "infonce-02")
    assert card is not None and card.name == "infonce-02"

    (ws.encoders_dir / "mine").mkdir()
    context, made = finished(ws)
    with pytest.raises(RankbenchError, match="already") as caught:
        put_in_place(context, made, "mine", fixed=True)
    kept = context.directory / "encoder"
    assert str(kept) in caught.value.what and (kept / "card.json").is_file()
