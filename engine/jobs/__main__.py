"""The worker: reads `job.json`, waits for its turn, does the work, has the last word."""

from __future__ import annotations

import gc
import importlib
import json
import os
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

from engine import supervise
from engine.errors import RankbenchError
from engine.jobs.context import Context, Events, Stopped, ignore_sigterm, stop_on_sigterm
from engine.jobs.queue import place
from engine.training.checkpoints import prune
from engine.training.outcome import Cancelled
from engine.workspace import open_workspace

KINDS = ("train", "index", "teach", "synth")
NICENESS = 10


def main(arguments: list[str]) -> int:
    """Run the job in the directory named; the exit status is 0 only where it is done."""
    if len(arguments) != 1:
        print("usage: python -m engine.jobs JOB_DIRECTORY", file=sys.stderr)
        return 2
    directory = Path(arguments[0]).resolve()
    events = Events(directory / "events.jsonl")
    # Collecting at every 700 objects takes a tenth of the seconds that the imports take.
    gc.set_threshold(100_000)
    try:
        stop_on_sigterm()
        supervise.write_pid(directory, os.getpid())
        if hasattr(os, "nice"):
            os.nice(NICENESS)
        end, values = _run(directory, events)
    except (Stopped, KeyboardInterrupt):
        end, values = "cancelled", {"message": "Stopped."}
    except RankbenchError as error:
        end, values = _last_word(error)
    except Exception as error:
        traceback.print_exc()
        reason = str(error).strip().splitlines()
        what = f"{type(error).__name__}: {reason[0] if reason else ''}"
        message = f"{what[:300]} (the whole of it: {directory / 'log'})"
        end, values = "failed", {"message": message}
    # Before the last word: whoever waits for it finds nothing half-made.
    ignore_sigterm()
    shutil.rmtree(directory / "work", ignore_errors=True)
    if end == "done":
        shutil.rmtree(directory / "checkpoints", ignore_errors=True)
    else:
        # For a resume, or until somebody discards it.
        prune(directory / "checkpoints", 1)
    events.emit(end, **values)
    return 0 if end == "done" else 1


def _last_word(error: RankbenchError) -> tuple[str, dict[str, Any]]:
    if not isinstance(error, Cancelled):
        return "failed", {"message": f"{error.what} {error.todo}".strip()}
    encoder = getattr(error, "encoder", None)
    if encoder is None:
        return "cancelled", {"message": error.what}
    return "cancelled", {"message": f"{error.what} {error.todo}", "encoder": encoder}


def _run(directory: Path, events: Events) -> tuple[str, dict[str, Any]]:
    """Wait for the turn and work; returns the last event and its values."""
    data: dict[str, Any] = json.loads((directory / "job.json").read_text(encoding="utf-8"))
    ws = open_workspace(Path(data["workspace"]))
    kind = data["kind"]
    if kind not in KINDS:
        raise RankbenchError(f"Unknown kind of job: {kind!r}.", f"Known: {', '.join(KINDS)}.")
    context = Context(ws, data["id"], directory, data.get("params", {}), events)

    def waiting() -> None:
        events.emit("queued")

    with place(ws, context.id, waiting, context.should_stop) as turn:
        if not turn:
            return "cancelled", {"message": "Cancelled while it waited."}
        events.emit("started", kind=kind, pid=os.getpid())
        _clear_after_the_dead(context)
        return "done", importlib.import_module(f"engine.jobs.{kind}").run(context)


def _clear_after_the_dead(context: Context) -> None:
    """Remove the half-made things of jobs that were killed; checkpoints stay, for a resume.

    Its own too: what an earlier start of this job left there is in the way of this one.
    """
    for job in supervise.find(context.ws):
        if job.over or job.id == context.id:
            shutil.rmtree(job.path / "work", ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
