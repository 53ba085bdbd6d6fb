"""What a cancel must not lose: weights that were chosen, an encoder that is finished."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from engine import supervise
from engine.catalog.queries import JudgedQuery
from engine.encoders.card import Card, read_card, write_card
from engine.encoders.registry import list_encoders
from engine.errors import RankbenchError
from engine.index import build, store
from engine.jobs import index as jobs_index
from engine.jobs import train as jobs_train
from engine.jobs import verdict as jobs_verdict
from engine.jobs.context import Context, Events, Stopped
from engine.jobs.train import Kept, _keep_cancelled, put_in_place
from engine.training.outcome import Cancelled
from engine.workspace import Settings, Workspace, create
from workbench.messages import JobView
from workbench.status import job_news

STARTED = {"event": "started", "t": 1.0}
SCORE = {"event": "progress", "phase": "dev", "step": 3, "steps": 9, "score": 0.5, "t": 2.0}
LOSS = {"event": "progress", "phase": "training", "step": 4, "steps": 9, "loss": 0.4, "t": 3.0}
SAVING = {"event": "progress", "phase": "saving", "step": 9, "steps": 9, "t": 4.0}
# Busy for a second, as one scoring of a large base, then it sees the cancel; SIGTERM loses all.
BUSY = """
import json, signal, sys, time
def say(message):
    with open(sys.argv[1], "a") as file:
        file.write(json.dumps({"event": "cancelled", "t": 9.0, "message": message}) + chr(10))
    sys.exit()
signal.signal(signal.SIGTERM, lambda *_: say("lost"))
print("ready", flush=True)
time.sleep(1.5)
say("kept")
"""


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return create(tmp_path / "shop", Settings())


@pytest.fixture
def context(ws: Workspace) -> Context:
    """A train job's, with a finished `infonce-01` in its `work`."""
    directory = ws.jobs_dir / "0001"
    made = directory / "work/encoder"
    made.mkdir(parents=True)
    job = {"id": "0001", "kind": "train", "workspace": str(ws.root), "created": 1.0}
    (directory / "job.json").write_text(json.dumps(job))
    (made / "modules.json").write_text("[]")
    write_card(made, Card("infonce-01", recipe={"name": "infonce"}, created="2026-01-02"))
    return Context(ws, "0001", directory, {}, Events(directory / "events.jsonl"))


@pytest.fixture
def busy(context: Context) -> Iterator[subprocess.Popen[str]]:
    """A process that stands for the job's."""
    command = [sys.executable, "-c", BUSY, str(context.directory / "events.jsonl")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    supervise.write_pid(context.directory, process.pid)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("events", "message"),
    [([LOSS], "lost"), ([SCORE, LOSS], "kept"), ([SAVING], "kept")],
    ids=["nothing yet", "scored", "saving"],
)
def test_sigterm_waits_where_there_are_weights_to_keep(
    ws: Workspace,
    context: Context,
    busy: subprocess.Popen[str],
    events: list[dict[str, Any]],
    message: str,
) -> None:
    lines = [json.dumps(event) + "\n" for event in (STARTED, *events)]
    (context.directory / "events.jsonl").write_text("".join(lines))
    ended = supervise.cancel(supervise.get(ws, "1"), grace=0.2)
    assert (ended.state, ended.said) == ("cancelled", message)
    busy.wait(5)


def test_discard_leaves_the_encoder_that_is_finished(ws: Workspace, context: Context) -> None:
    failed = {"event": "failed", "message": "taken", "t": 2.0}
    context.report(failed)
    (context.work / "encoder").rename(context.directory / "encoder")
    (context.directory / "checkpoints").mkdir()
    job = supervise.get(ws, "1")
    assert job.trained
    supervise.discard(job)
    assert supervise.get(ws, "1").trained and not (job.path / "checkpoints").exists()


@pytest.mark.parametrize("how", ["cancel", "sigterm"])
def test_a_finished_encoder_that_waits_for_a_writer_is_kept(
    ws: Workspace, context: Context, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "cancel":
        (context.directory / "cancel").touch()
    else:

        def stop(seconds: float) -> None:
            raise Stopped

        monkeypatch.setattr(time, "sleep", stop)
    with ws.writer_lock(), pytest.raises(Cancelled, match="kept in"):
        put_in_place(context, context.work / "encoder", "infonce-01", fixed=False)
    assert read_card(context.directory / "encoder") is not None
    # A resume finds it, and puts it in its place.
    assert jobs_train._made_before(context, "") == "infonce-01"
    assert [info.name for info in list_encoders(ws)] == ["base", "infonce-01"]


def test_with_nobody_writing_a_cancel_still_puts_what_is_finished_in_its_place(
    ws: Workspace, context: Context
) -> None:
    (context.directory / "cancel").touch()
    made = context.work / "encoder"
    assert put_in_place(context, made, "infonce-01", fixed=False) == "infonce-01"


def test_best_weights_that_a_writer_keeps_out_stay_with_the_job(
    ws: Workspace, context: Context
) -> None:
    made = context.work / "encoder"
    card = read_card(made)
    result: Any = SimpleNamespace(card=card, cancelled=7)
    with ws.writer_lock(), pytest.raises(Cancelled, match=r"step 7.*kept in") as caught:
        _keep_cancelled(context, made, result, fixed=False)
    assert not isinstance(caught.value, Kept)
    assert read_card(context.directory / "encoder") == card
    assert jobs_train._made_before(context, "") == "infonce-01"


class CancelledAfterAScore(Events):
    """Has the job cancelled at the first loss after a dev score, and the workspace held."""

    def __init__(self, context: Context, stack: ExitStack) -> None:
        super().__init__(context.directory / "events.jsonl")
        self.context, self.stack, self.scored = context, stack, False

    def emit(self, event: str, **values: Any) -> None:
        super().emit(event, **values)
        self.scored |= values.get("score") is not None
        cancel = self.context.directory / "cancel"
        if self.scored and values.get("loss") is not None and not cancel.exists():
            cancel.touch()
            self.stack.enter_context(self.context.ws.writer_lock())


def test_a_resume_trains_on_where_the_best_weights_were_kept_aside(
    tiny_workspace: Workspace,
) -> None:
    ws = tiny_workspace
    directory = ws.jobs_dir / "0001"
    directory.mkdir()
    settings = ["epochs=3", "lr=1e-3", "max_per_query=3", "dev_products=80", "margin=0"]
    params = {"recipe": "infonce", "set": settings}
    events = Events(directory / "events.jsonl")
    context = Context(ws, "0001", directory, params, events)
    with ExitStack() as stack:
        cutting = CancelledAfterAScore(context, stack)
        with pytest.raises(Cancelled, match="kept in"):
            jobs_train.run(replace(context, events=cutting))
    card = read_card(directory / "encoder")
    assert card is not None and "cancelled_after_step" in card.scores
    (directory / "cancel").unlink()
    assert jobs_train.run(context)["encoder"] == "infonce-01"
    assert "Going on from step" in (directory / "events.jsonl").read_text()
    card = read_card(ws.encoders_dir / "infonce-01")
    assert card is not None and "cancelled_after_step" not in card.scores
    assert max(c["epoch"] for c in card.scores["candidates"]) == 3
    assert [info.name for info in list_encoders(ws)] == ["base", "infonce-01"]


class CancelledWhileMining(Events):
    """A cancel while negatives are mined for the second stage, with another writer at work."""

    def __init__(self, context: Context, stack: ExitStack) -> None:
        super().__init__(context.directory / "events.jsonl")
        self.context, self.stack = context, stack

    def emit(self, event: str, **values: Any) -> None:
        super().emit(event, **values)
        cancel = self.context.directory / "cancel"
        if values.get("phase") == "mining" and not cancel.exists():
            cancel.touch()
            self.stack.enter_context(self.context.ws.writer_lock())


def test_a_resume_goes_on_with_the_second_stage_where_the_first_was_kept_aside(
    tiny_workspace: Workspace,
) -> None:
    ws = tiny_workspace
    directory = ws.jobs_dir / "0001"
    directory.mkdir()
    settings = ["first_epochs=1", "lr=1e-3", "max_per_query=2", "dev_products=80", "margin=0"]
    params = {"recipe": "hard-negatives", "set": settings}
    context = Context(ws, "0001", directory, params, Events(directory / "events.jsonl"))
    with ExitStack() as stack:
        cutting = CancelledWhileMining(context, stack)
        with pytest.raises(Cancelled, match="until a resume has gone on training"):
            jobs_train.run(replace(context, events=cutting))
    (directory / "cancel").unlink()
    assert jobs_train.run(context)["encoder"] == "hard-negatives-01"
    card = read_card(ws.encoders_dir / "hard-negatives-01")
    assert card is not None and "cancelled_after_step" not in card.scores
    assert max(c["epoch"] for c in card.scores["candidates"]) == 2


@pytest.mark.parametrize(
    ("looks", "indexed", "said", "left"),
    [
        (1, False, "before anything was encoded with base; base has no index yet", 220),
        (3, False, "with 80 of 220 products encoded; base has no index yet, and the next run", 220),
        (7, True, "with 200 of 220 products encoded; the earlier index of base stays in use", 120),
    ],
)
def test_a_cancelled_index_job_says_what_is_kept(
    tiny_workspace: Workspace,
    tiny_texts: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    looks: int,
    indexed: bool,
    said: str,
    left: int,
) -> None:
    ws = tiny_workspace
    monkeypatch.setattr(store, "BATCH", 100)
    monkeypatch.setattr(build, "BATCH", 100)
    monkeypatch.setattr(build, "_STEP", 40)
    if indexed:
        build.build_index(ws, "base")
        titles = [f"new {title}" for title in tiny_texts.values()]
        store.write_items(ws, pl.DataFrame({"product_id": list(tiny_texts), "title": titles}))
    before = build.load_matrix(ws, "base").vectors if indexed else None
    directory = ws.jobs_dir / "0001"
    context = Context(ws, "0001", directory, {}, Events(directory / "events.jsonl"))
    answers = iter([*[False] * (looks - 1), True])
    monkeypatch.setattr(Context, "should_stop", lambda self: next(answers))
    with pytest.raises(Cancelled) as caught:
        jobs_index.run(context)
    assert said in caught.value.what and "nothing was saved" not in caught.value.what
    view = JobView("0001", "index", "cancelled", "base", said=caught.value.what)
    assert (job_news(view) or ("",))[0].startswith("index base was cancelled ")
    if before is not None:
        np.testing.assert_array_equal(build.load_matrix(ws, "base").vectors, before)
        assert "goes on after 100 of them" in caught.value.what
    assert build.build_index(ws, "base").encoded == left


def trained(context: Context) -> None:
    """Leave the encoder in its place, with the word that it is this job's."""
    put_in_place(context, context.work / "encoder", "infonce-01", fixed=False)


@pytest.mark.parametrize("end", [Cancelled, Stopped])
def test_a_cancel_while_the_verdict_is_drawn_names_the_encoder(
    context: Context, monkeypatch: pytest.MonkeyPatch, end: type[BaseException]
) -> None:
    trained(context)

    def interrupted(context: Context, name: str) -> None:
        raise end

    monkeypatch.setattr(jobs_train, "index", lambda context, name: 220)
    monkeypatch.setattr(jobs_train, "draw_verdict", interrupted)
    with pytest.raises(Kept, match="infonce-01 was saved and indexed") as caught:
        jobs_train.run(context)
    assert caught.value.encoder == "infonce-01"


@pytest.mark.parametrize("asked", ["before", "meanwhile"])
def test_the_verdicts_evaluation_sees_a_cancel(
    context: Context, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    trained(context)

    class Sides:
        def __init__(self, ws: Workspace) -> None: ...
        def side(self, name: str) -> SimpleNamespace:
            return SimpleNamespace(name=name, seen=lambda query: False)

        def imported_queries(self) -> list[JudgedQuery]:
            return [JudgedQuery("q1", "red tent", "test", {"p1": "E"})]

        def close(self) -> None: ...

    def evaluate(*arguments: object, progress: Any, **options: object) -> None:
        progress(0, 2)
        (context.directory / "cancel").touch()
        progress(1, 2)
        raise RankbenchError("It went on.")

    monkeypatch.setattr(jobs_verdict, "Comparer", Sides)
    monkeypatch.setattr(jobs_verdict, "evaluate_query_set", evaluate)
    if asked == "before":
        (context.directory / "cancel").touch()
    with pytest.raises(Cancelled):
        jobs_verdict.draw_verdict(context, "infonce-01")


def test_a_long_basket_is_announced_before_it_is_read(
    tiny_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tiny_workspace.jobs_dir / "0001"
    directory.mkdir()
    events = directory / "events.jsonl"
    params = {"recipe": "flags", "source": "both"}
    context = Context(tiny_workspace, "0001", directory, params, Events(events))

    def read(*arguments: object) -> None:
        last = json.loads(events.read_text().splitlines()[-1])
        assert (last["event"], last["phase"]) == ("progress", "loading")
        raise RankbenchError("Seen.")

    monkeypatch.setattr(jobs_train, "base_vectors", lambda context, name: ((), ()))
    monkeypatch.setattr(jobs_train, "read_basket", read)
    with pytest.raises(RankbenchError, match="Seen"):
        jobs_train._make(context, "")
