"""Watch a job from the command line: a bar on stderr until it ends, Ctrl-C to stop watching."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from engine.errors import RankbenchError
from engine.workspace import Workspace
from workbench.commands.hints import hint
from workbench.commands.jobs import duration, of_queries
from workbench.commands.output import emit_json, safe, say

if TYPE_CHECKING:
    from engine.supervise import Job

Paint = Callable[[dict[str, Any]], None]

PLAIN_SECONDS = 10.0  # without a terminal, at most one line in so many seconds


def run_job(
    workspace: Workspace, kind: str, params: dict[str, Any], *, detach: bool, as_json: bool
) -> dict[str, Any] | None:
    """Start a job and watch it to its end: its last event, with the job's id as `job`.

    With `detach` its id (or itself as JSON) is printed, and None is returned at once.

    Raises:
        RankbenchError, KeyboardInterrupt: as `follow`.
    """
    from engine import supervise

    job = supervise.start(workspace, kind, params)
    say_queue(supervise.find(workspace), job.id)
    if not detach:
        return {**follow(job), "job": job.id}
    hint(f"Job {job.id} works in the background; `rankbench jobs {job.id}` shows how it goes.")
    emit_json(job.to_json()) if as_json else click.echo(job.id)
    return None


def say_queue(jobs: Sequence[Job], job_id: str) -> None:
    """Behind which jobs that one waits, if it does; `jobs` come newest first."""
    before = [job for job in jobs if job.id < job_id and not job.over]
    if before:
        names = ", ".join(f"{job.id} ({job.kind})" for job in reversed(before))
        say(f"Job {job_id} waits for {names} to end.")


def follow(job: Job) -> dict[str, Any]:
    """Watch `job` to its end and return its last event.

    Raises:
        RankbenchError: it failed, died or was cancelled.
        KeyboardInterrupt: the person stopped watching; the job goes on.
    """
    from engine import supervise

    last: dict[str, Any] = {}
    try:
        with painter() as paint:
            for event in supervise.follow(job):
                last = event
                # How it failed is told once, by the error below.
                if event.get("event") not in ("failed", "cancelled", "died"):
                    paint(event)
    except KeyboardInterrupt:
        say()
        say(f"Job {job.id} goes on in the background.")
        hint(
            f"  `rankbench jobs {job.id}` watches it, `rankbench jobs {job.id} --cancel` stops it."
        )
        raise
    end = last.get("event", "died")
    if end == "done":
        return last
    why = safe(str(last.get("message") or last.get("error") or ""))
    again = f"`rankbench jobs {job.id} --resume` goes on with it"
    if end == "cancelled":
        if job.checkpoint is not None:
            again += f", `rankbench jobs {job.id} --discard` gives its disk space back"
        raise RankbenchError(
            f"Job {job.id} was cancelled{': ' + why if why else '.'}",
            f"{again}.",
        )
    raise RankbenchError(
        f"Job {job.id} {'failed' if end == 'failed' else 'died'}{': ' + why if why else '.'}",
        f"`rankbench jobs {job.id} --log` shows what it wrote; {again}.",
    )


@contextmanager
def painter() -> Iterator[Paint]:
    """Hand out a function that shows a job's events on stderr, as a bar or as a few lines."""
    if not sys.stderr.isatty():
        yield _plain_painter()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("starting", total=None, note="")
        now: dict[str, Any] = {}

        def paint(event: dict[str, Any]) -> None:
            if event.get("event") == "log":
                console.print(safe(str(event.get("message", ""))), markup=False, highlight=False)
                return
            if label(event) != label(now):
                now.clear()
            # A report of a loss carries no score, and the other way round: keep the newest of each.
            now.update({key: value for key, value in event.items() if value is not None})
            bar.update(
                task,
                description=label(now),
                completed=now.get("step") or 0,
                total=now.get("steps") or None,
                note=describe(now),
            )

        yield paint


def _plain_painter() -> Paint:
    shown = {"at": 0.0, "phase": ""}

    def paint(event: dict[str, Any]) -> None:
        if event.get("event") == "log":
            say(safe(str(event.get("message", ""))))
            return
        phase = label(event)
        now = time.monotonic()
        if phase != shown["phase"] or now - shown["at"] >= PLAIN_SECONDS:
            shown.update(at=now, phase=phase)
            say(f"{phase}  {describe(event)}".rstrip())

    return paint


def label(event: dict[str, Any]) -> str:
    """What an event is about: its phase, and which run or trial of how many."""
    phase = str(event.get("phase") or event.get("event", ""))
    if event.get("trial"):
        of = f"/{event['trials']}" if event.get("trials") else ""
        return f"trial {event['trial']}{of} {phase}"
    if not event.get("runs"):
        return phase
    return (
        f"run {event['run']}/{event['runs']} (fold {event['fold']}, seed {event['seed']}) {phase}"
    )


def weights_of(candidate: Mapping[str, Any]) -> str:
    """`epoch 2, alpha 0.5`: whose score it is, and how far from the base towards it."""
    return f"epoch {candidate['epoch']:g}, alpha {candidate['alpha']:g}"


def describe(event: dict[str, Any]) -> str:
    """An event in one line: step, loss, score on dev, time left."""
    parts = []
    if event.get("steps"):
        parts.append(f"{event.get('step', 0):,}/{event['steps']:,}")
    if event.get("loss") is not None:
        parts.append(f"loss {event['loss']:.4f}")
    if event.get("score") is not None:
        where = ""
        if event.get("alpha") is not None and event.get("epoch") is not None:
            where = f" at {weights_of(event)}"  # by this the end names which were kept
        parts.append(f"dev NDCG@10 {event['score']:.4f}{of_queries(event.get('queries'))}{where}")
    if event.get("eta_s") is not None:
        parts.append(f"{duration(event['eta_s'])} left")
    if event.get("total_eta_s") is not None:
        parts.append(f"{duration(event['total_eta_s'])} left in all")
    if event.get("message"):
        parts.append(safe(str(event["message"])))
    return "  ".join(parts)
