"""What a job told, in words: its events line by line, then what its process printed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from workbench.commands.following import PLAIN_SECONDS, describe, label
from workbench.commands.output import safe, say

if TYPE_CHECKING:
    from engine.supervise import Job

_WORDS = {"queued": "waits for its turn", "log": ""}


def show_log(job: Job) -> None:
    """Print it on stdout, made harmless for a terminal."""
    from engine import supervise

    told = list(lines(supervise.events(job)))
    if job.state == "died":
        told.append(f"{_clock(job.ended)}  died: the process ended without a word")
    for line in told:
        click.echo(line)
    printed = False
    with suppress(FileNotFoundError), (job.path / "log").open(errors="replace") as file:
        for line in file:
            if not printed:
                click.echo("\nprinted by the process:" if told else "printed by the process:")
            printed = True
            click.echo(safe(line))
    if not told and not printed:
        say(f"Job {job.id} has told nothing yet.")


def lines(events: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Events in words, `12:44:33  training  30/76  loss 0.8300`.

    Of the reports of one phase those with a score are told, one in so many seconds, and the last.
    """
    told: dict[str, Any] = {}
    waiting: dict[str, Any] | None = None
    for event in events:
        if event.get("event") != "progress":
            if waiting:
                yield _line(waiting)
            waiting = None
            yield _line(event)
            continue
        new = label(event) != label(told)
        if new and waiting:
            yield _line(waiting)
        late = _time(event) - _time(told) >= PLAIN_SECONDS
        if new or late or event.get("score") is not None:
            told, waiting = event, None
            yield _line(event)
        else:
            waiting = event
    if waiting:
        yield _line(waiting)


def _line(event: dict[str, Any]) -> str:
    kind = str(event.get("event", ""))
    # What was left to do then says nothing now.
    facts = describe({key: value for key, value in event.items() if not key.endswith("eta_s")})
    if kind == "progress":
        what = label(event)
    elif kind == "resumed":
        step = event.get("step")
        what = f"taken up again, from {f'step {step}' if step else 'the start'}"
        facts = ""
    elif kind == "done":
        made = event.get("encoder") or event.get("synth") or event.get("teacher")
        what, facts = "done", safe(str(made or ""))
    else:
        what = _WORDS.get(kind, kind)
    return f"{_clock(event.get('t'))}  {'  '.join(filter(None, (what, facts)))}".rstrip()


def _time(event: dict[str, Any]) -> float:
    return float(event.get("t") or 0.0)


def _clock(seconds: Any) -> str:
    try:
        return time.strftime("%H:%M:%S", time.localtime(float(seconds)))
    except (TypeError, ValueError, OverflowError, OSError):
        return "--:--:--"
