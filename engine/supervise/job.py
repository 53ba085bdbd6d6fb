"""A job as its files and the operating system show it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import RankbenchError
from engine.supervise.process import life
from engine.supervise.whole import newest_step
from engine.workspace import Workspace

ENDED = ("done", "failed", "cancelled")
# In the directory of a job whose training is over: the encoder that is not in its place yet, and
# the note of what it is called there.
KEPT = "encoder"
MADE = "made.json"
_TAIL_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Job:
    """One job as its files and the operating system show it now.

    Attributes:
        state: queued, running, done, failed, cancelled, or died (no process, no last word).
        step, steps: of the training; 0 where unknown. eta_s: seconds left, None where unknown.
        encoder: the encoder it made, or makes if it was given a name.
        created, started, ended: unix seconds; None where it has not happened.
        error: what a failed job said, one line. said: the last word of any that ended.
        phase: "loading", "training", "dev", "saving", "indexing" or "".
        loss: of the last training step that told one; None where it does not run.
        score: catalog NDCG@10 of the last look at the dev queries, over the products that training
            ranks; None where it does not run.
        queries: how many dev queries that was over; 0 where unknown.
        offset: where in `events.jsonl`, in bytes, its newest start begins: a job that was resumed
            is told from there.
    """

    id: str
    kind: str
    state: str
    path: Path
    params: Mapping[str, Any]
    created: float
    step: int = 0
    steps: int = 0
    eta_s: float | None = None
    encoder: str | None = None
    started: float | None = None
    ended: float | None = None
    error: str | None = None
    phase: str = ""
    loss: float | None = None
    score: float | None = None
    queries: int = 0
    said: str = ""
    pid: int | None = None
    offset: int = 0

    def to_json(self) -> dict[str, Any]:
        """The `jobs` contract."""
        keys = ("id", "kind", "state", "step", "steps", "eta_s", "encoder")
        found = {key: getattr(self, key) for key in keys}
        return {**found, "started": self.started, "ended": self.ended, "error": self.error}

    @property
    def over(self) -> bool:
        return self.state in (*ENDED, "died")

    @property
    def resumable(self) -> bool:
        """Whether `resume` takes it: it ended, and not by being done."""
        return self.over and self.state != "done"

    @property
    def keeping(self) -> bool:
        """Whether it has weights that a cancel keeps, if it is let; once saved they are safe."""
        if self.state != "running" or self.phase in ("indexing", "verdict"):
            return False
        return self.score is not None or self.phase in ("dev", "saving")

    @property
    def checkpoint(self) -> int | None:
        """The step of its newest whole checkpoint, None without one (it starts from the first)."""
        return newest_step(self.path / "checkpoints")

    @property
    def cut_short(self) -> bool:
        """Whether the encoder that lies with it is the best that a cancelled run had by then."""
        try:
            text = (self.path / KEPT / "card.json").read_text(encoding="utf-8")
            return "cancelled_after_step" in json.loads(text)["scores"]
        except (OSError, ValueError, KeyError, TypeError):
            return False

    @property
    def trained(self) -> bool:
        """Whether a resume trains no more: its encoder only lacks its place, or its index.

        Its training had come to its end, or was cut short and left no checkpoint to go on from.
        """
        if not self.resumable:
            return False
        if (self.path / KEPT / "card.json").is_file():
            return not self.cut_short or self.checkpoint is None
        try:
            name = str(json.loads((self.path / MADE).read_text(encoding="utf-8"))["name"])
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return (self.path.parents[1] / "encoders" / name / "card.json").is_file()


def find(ws: Workspace) -> list[Job]:
    """Every job of the workspace, newest first. A directory that is no job is passed over."""
    if not ws.jobs_dir.is_dir():
        return []
    found = []
    for path in sorted(ws.jobs_dir.iterdir(), reverse=True):
        if (path / "job.json").is_file():
            try:
                found.append(read_job(path))
            except (OSError, ValueError, KeyError, TypeError):
                continue
    return found


def get(ws: Workspace, job_id: str) -> Job:
    """The job of that id (leading zeros may be left out).

    Raises:
        RankbenchError: there is none.
    """
    for job in find(ws):
        if job_id in (job.id, job.id.lstrip("0")):
            return job
    raise RankbenchError(f"There is no job {job_id!r}.", "See `rankbench jobs`.")


def read_job(path: Path) -> Job:
    """The job in that directory, as it stands.

    Raises:
        OSError, ValueError, KeyError: `job.json` is missing or no job's.
    """
    data = json.loads((path / "job.json").read_text(encoding="utf-8"))
    # Life is asked before the events are read: a job that ends in between is then seen as ended.
    offset = int(data.get("offset") or 0)
    pid, alive = life(path, float(data.get("resumed") or data["created"]))
    seen = _events_seen(path / "events.jsonl", offset)
    last = next((e for e in reversed(seen) if e.get("event") in ENDED), None)
    begun = next((e for e in seen if e.get("event") == "started"), None)
    reports = [e for e in reversed(seen) if e.get("event") == "progress"]
    progress = reports[0] if reports else {}
    if last is not None:
        state = str(last["event"])
    elif not alive:
        state = "died"
    else:
        state = "running" if begun else "queued"
    params = data.get("params", {})
    ended = last.get("t") if last else None
    if state == "died":
        ended = seen[-1].get("t") if seen else data["created"]
    error = last.get("message") if last and state == "failed" else None
    if state == "died":
        error = f"The process ended without a word; see `rankbench jobs {data['id']} --log`."
    return Job(
        id=str(data["id"]),
        kind=str(data["kind"]),
        state=state,
        path=path,
        params=params,
        created=float(data["created"]),
        step=int(progress.get("step") or 0),
        steps=int(progress.get("steps") or 0),
        eta_s=progress.get("eta_s") if state == "running" else None,
        encoder=(last or {}).get("encoder") or params.get("name") or None,
        started=begun.get("t") if begun else None,
        ended=ended,
        error=error,
        phase=str(progress.get("phase", "")) if state == "running" else "",
        loss=_newest(reports, "loss") if state == "running" else None,
        score=_newest(reports, "score") if state == "running" else None,
        queries=int(_newest(reports, "queries") or 0) if state == "running" else 0,
        said=str((last or {}).get("message") or ""),
        pid=pid if alive else None,
        offset=offset,
    )


def _newest(reports: list[dict[str, Any]], key: str) -> Any:
    """A step tells no score and a score no loss: the newest report that tells it, newest first."""
    return next((report[key] for report in reports if report.get(key) is not None), None)


def events(job: Job) -> list[dict[str, Any]]:
    """Every event of all the job's starts, oldest first; empty where there is none yet."""
    try:
        text = (job.path / "events.jsonl").read_bytes()
    except OSError:
        return []
    return [event for line in text.split(b"\n") if (event := _parse(line)) is not None]


def follow(
    job: Job, *, poll: float = 0.2, stop: Callable[[], bool] = lambda: False
) -> Iterator[dict[str, Any]]:
    """Every event since the job's newest start, waiting for more until it has ended.

    A job whose process is gone without a last word ends with `{"event": "died"}`. Blocking: for a
    thread of its own.
    """
    with (job.path / "events.jsonl").open("rb") as file:
        file.seek(job.offset)
        rest = b""
        while not stop():
            over = read_job(job.path).over
            rest += file.read()
            *lines, rest = rest.split(b"\n")
            for line in lines:
                event = _parse(line)
                if event is not None:
                    yield event
                    if event.get("event") in ENDED:
                        return
            if over:
                yield {"t": time.time(), "event": "died", "message": f"see {job.path / 'log'}"}
                return
            time.sleep(poll)


def _events_seen(path: Path, offset: int) -> list[dict[str, Any]]:
    """The first lines from `offset` (`started` is there), and the last ones (the state is)."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(offset)
            if size - offset <= 2 * _TAIL_BYTES:
                text = file.read()
            else:
                text = file.read(_TAIL_BYTES)
                file.seek(size - _TAIL_BYTES)
                text = text.rpartition(b"\n")[0] + b"\n" + file.read().partition(b"\n")[2]
    except OSError:
        return []
    return [event for line in text.split(b"\n") if (event := _parse(line)) is not None]


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        # An empty line, or one that a kill cut short.
        return None
    return event if isinstance(event, dict) else None
