"""What the status line says: trouble first, then what is running, then what there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.workspace import Settings
from workbench.messages import JobView, Trouble
from workbench.searching import LOADING, SideLike
from workbench.text import count, duration, measure, printable
from workbench.widgets.painted import Piece

LIVE = ("running", "queued")
_SPELLINGS = 2
_DOING = {"train": "training", "index": "indexing", "teach": "teaching", "synth": "scoring"}
# The job's last word ends in the command for it; here a key does the same.
_INDEX_IT = " Index it with `rankbench index"

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
    verdicts: int = 0,
    shared_from: Sequence[str] = (),
    read_only: bool = False,
) -> Groups:
    """The groups of the status line, the most pressing first."""
    groups: Groups = [(("mark", " read-only "),)] if read_only else []
    if shared_from:
        groups.append((("plain", _shared(shared_from)),))
    for job in reversed(jobs):
        if job.state in LIVE:
            groups.append((("key", printable(job_line(job))),))
    known = {side.name: side for side in sides}
    for name in dict.fromkeys(wanted):
        side = known.get(name)
        if name in failed:
            why = failed[name]
            groups.append((("warn", printable(f"{name}: {why.what} {why.todo}")),))
        elif side is not None and not side.ready:
            waits = f"{name} {side.why or LOADING}, bm25 answers"
            groups.append((("warn", printable(waits)),))
        elif side is not None and side.why == LOADING:
            groups.append((("faint", printable(f"{name}: loading its new index")),))
        elif side is None and sides and name == "base":
            groups.append((("warn", "base is not indexed: `rankbench index`"),))
        elif side is None and sides and not name.startswith("run:"):
            groups.append((("warn", printable(f"{name} was removed, bm25 answers: F4 picks")),))
    if trouble is not None:
        groups.append((("warn", "the catalog did not open: any key tries again"),))
    elif not opened:
        groups.append((("faint", "opening the catalog"),))
    if verdicts:
        groups.append((("plain", count(verdicts, "verdict")),))
    name = printable(settings.name)
    if name:
        groups.append((("faint", name),))
    if opened:
        queries = count(judged, "judged query", "judged queries")
        groups.append((("faint", queries if judged else "no judged queries: `rankbench import`"),))
    return groups


def _shared(spellings: Sequence[str]) -> str:
    """`verdicts shared with: ez ups, EZ-UP and 2 more · = parts them`."""
    shown = ", ".join(printable(spelling) for spelling in spellings[:_SPELLINGS])
    more = len(spellings) - _SPELLINGS
    rest = f" and {more:,} more" if more > 0 else ""
    return f"verdicts shared with: {shown}{rest} · = parts them"


def readiness(side: SideLike) -> str:
    """Whether the side answers; if not, why."""
    if side.ready:
        return "ready" if side.why != LOADING else "ready, loading its new index"
    return side.why or "not ready"


def job_name(job: JobView) -> str:
    """`training infonce-01`."""
    doing = _DOING.get(job.kind, job.kind)
    return f"{doing} {job.encoder or job.id}".strip()


def job_line(job: JobView) -> str:
    """`training infonce-01: step 120/400 · loss .83 · 2 min left`."""
    head = job_name(job)
    if job.state == "queued":
        return f"{head}: waiting"
    parts = []
    if job.phase and not head.startswith(job.phase):
        parts.append(job.phase)
    if job.steps:
        parts.append(f"step {job.step:,}/{job.steps:,}")
    if job.loss is not None:
        digits = 4 if job.loss < 0.01 else 2
        shown = measure(job.loss, digits) if job.loss < 1 else f"{job.loss:.2f}"
        parts.append(f"loss {shown}")
    if job.eta_s is not None:
        parts.append(f"{duration(job.eta_s)} left")
    if job.score is not None:
        # Last: where there is no room for all, the time left is what a person looks for.
        n = f" (n {job.queries:,})" if job.queries else ""
        parts.append(f"dev NDCG@10 {measure(job.score)}{n}")
    return f"{head}: {' · '.join(parts)}" if parts else f"{head}: starting"


def jobs_news(before: Sequence[JobView], after: Sequence[JobView]) -> list[JobView]:
    """The jobs that have come to their end between two looks."""
    states = {job.id: job.state for job in before}
    return [job for job in after if states.get(job.id) != job.state and job_news(job)]


def job_news(job: JobView) -> tuple[str, str] | None:
    """The notice for a job that has just come to its end, and how grave it is."""
    name = job.encoder or job.id
    if job.state == "done":
        if job.removed:
            return None
        # Of a training run the app says more once it has read the verdict.
        return f"{name} is ready.", "information"
    if job.state == "died":
        log = f"`rankbench jobs {job.id} --log` shows its last words."
        return f"{job.kind} {name} died: r on F5 takes it up again. {log}", "error"
    if job.state == "failed":
        why = f": {job.error}" if job.error else ""
        return f"{job.kind} {name} failed{why}. See `rankbench jobs {job.id} --log`.", "error"
    if job.state == "cancelled":
        return f"{job.kind} {name} {_cancelled(job)}", "warning"
    return None


def job_end(job: JobView) -> str:
    """How a job ended, for its row: `cancelled, kept as flags-01`."""
    if job.removed:
        return "done, removed since"
    return f"cancelled, kept as {job.encoder}" if _kept(job) else job.state


def _kept(job: JobView) -> bool:
    """Whether a cancel left an encoder, which only lacks its index."""
    return job.state == "cancelled" and _INDEX_IT in job.said


def _cancelled(job: JobView) -> str:
    """`was cancelled after step 12; the best weights so far were kept as flags-01. F6, …`."""
    what = job.said.partition(_INDEX_IT)[0] or "Cancelled."
    what = what.replace("Cancelled", "was cancelled", 1)
    what = what if what.startswith("was") else f"was cancelled. {what}"
    return f"{what} F6, then r on its row, indexes it." if _kept(job) else what


def ended_mark(job: JobView) -> str:
    """What tells one end of a job from another, of the same job resumed."""
    return f"{job.id} {job.state} {job.ended or 0:.3f}"


def ended_marks(jobs: Sequence[JobView]) -> list[str]:
    """The marks of the jobs that have come to their end."""
    return [ended_mark(job) for job in jobs if job.state not in LIVE]
