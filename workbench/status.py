"""What the status line says: trouble first, then what is running, then what there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.workspace import Settings
from workbench.messages import JobView, Trouble
from workbench.searching import LOADING, SideLike
from workbench.text import count, duration, measure, printable
from workbench.widgets.painted import Piece

LIVE = ("running", "queued")

Groups = list[tuple[Piece, ...]]


def status_groups(
    settings: Settings,
    *,
    opened: bool,
    trouble: Trouble | None,
    judged: int,
    sides: Sequence[SideLike],
    wanted: tuple[str, str],
    failed: Mapping[str, Trouble],
    jobs: Sequence[JobView],
) -> Groups:
    """The groups of the status line, the most pressing first."""
    groups: Groups = []
    for job in reversed(jobs):
        if job.state in LIVE:
            groups.append((("key", printable(job_line(job))),))
    known = {side.name: side for side in sides}
    for name in dict.fromkeys(wanted):
        side = known.get(name)
        if name in failed:
            trouble = failed[name]
            groups.append((("warn", printable(f"{name}: {trouble.what} {trouble.todo}")),))
        elif side is not None and not side.ready:
            why = f"{name} {side.why or LOADING}, bm25 answers"
            groups.append((("warn", printable(why)),))
        elif side is not None and side.why == LOADING:
            groups.append((("faint", printable(f"{name}: loading its new index")),))
        elif side is None and sides and name == "base":
            groups.append((("warn", "base is not indexed: `rankbench index`"),))
    if trouble is not None:
        groups.append((("warn", "the catalog did not open: any key tries again"),))
    elif not opened:
        groups.append((("faint", "opening the catalog"),))
    name = printable(settings.name)
    if name:
        groups.append((("faint", name),))
    if opened:
        queries = count(judged, "judged query", "judged queries")
        groups.append((("faint", queries if judged else "no judged queries: `rankbench import`"),))
    return groups


def readiness(side: SideLike) -> str:
    """Whether the side answers; if not, why."""
    if side.ready:
        return "ready" if side.why != LOADING else "ready, loading its new index"
    return side.why or "not ready"


def job_name(job: JobView) -> str:
    """`training infonce-01`."""
    doing = {"train": "training", "index": "indexing"}.get(job.kind, job.kind)
    return f"{doing} {job.encoder or job.id}".strip()


def job_line(job: JobView) -> str:
    """`training infonce-01: step 120/400 · loss .83 · 2 min left`."""
    head = job_name(job)
    if job.state == "queued":
        return f"{head}: waiting"
    parts = []
    if job.phase:
        parts.append(job.phase)
    if job.steps:
        parts.append(f"step {job.step:,}/{job.steps:,}")
    if job.loss is not None:
        parts.append(f"loss {measure(job.loss, 2)}" if job.loss < 1 else f"loss {job.loss:.2f}")
    if job.eta_s is not None:
        parts.append(f"{duration(job.eta_s)} left")
    return f"{head}: {' · '.join(parts)}" if parts else f"{head}: starting"


def job_news(job: JobView) -> tuple[str, str] | None:
    """The notice for a job that has just come to its end, and how grave it is."""
    name = job.encoder or job.id
    if job.state == "done":
        return f"{name} is ready.", "information"
    if job.state in ("failed", "died"):
        why = f": {job.error}" if job.error else ""
        return f"{job.kind} {name} {job.state}{why}. See `rankbench jobs {job.id} --log`.", "error"
    if job.state == "cancelled":
        return f"{job.kind} {name} was cancelled.", "warning"
    return None
