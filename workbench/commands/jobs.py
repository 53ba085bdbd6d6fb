"""`rankbench jobs`: background work."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from engine.errors import RankbenchError, UsageError
from engine.workspace import Workspace
from workbench.commands.hints import hint
from workbench.commands.options import json_option, with_workspace
from workbench.commands.output import cut, emit_json, number, safe, say, table

if TYPE_CHECKING:
    from engine.supervise import Job


@click.command("jobs")
@click.argument("job_id", metavar="[ID]", required=False)
@click.option("--cancel", is_flag=True, help="Ask it, or the one that runs, to stop.")
@click.option("--resume", is_flag=True, help="Go on with a job that died or was cancelled.")
@click.option("--discard", is_flag=True, help="Delete the checkpoints of a job that is over.")
@click.option("--log", is_flag=True, help="Print what the job told and its process printed.")
@json_option
@with_workspace
def command(
    workspace: Workspace,
    job_id: str | None,
    cancel: bool,
    resume: bool,
    discard: bool,
    log: bool,
    as_json: bool,
) -> None:
    """List background jobs, newest first; with ID, show one, or act on it.

    A resumed job goes on from its newest checkpoint, in the background, with the verdicts and
    judgments it began with; without one, or where the catalog changed meanwhile, it starts over.
    """
    from engine import supervise

    wishes = {"--cancel": cancel, "--resume": resume, "--discard": discard, "--log": log}
    asked = [option for option, given in wishes.items() if given]
    if len(asked) > 1:
        raise UsageError(f"{' and '.join(asked)} do not go together.", "Give one of them.")
    if asked and job_id is None and not cancel:
        raise UsageError(f"{asked[0]} needs a job's id.", "`rankbench jobs` lists them.")
    found = supervise.find(workspace) if job_id is None else [supervise.get(workspace, job_id)]
    if cancel and job_id is None:
        found = [_running(found)]
    if log:
        from workbench.commands.job_log import show_log

        show_log(found[0])
        return
    if cancel:
        was_over = found[0].over
        if found[0].keeping:
            hint("It keeps its best weights first; that may take a few minutes.")
        found = [supervise.cancel(found[0])]
        say(f"Job {found[0].id} {'had ended already' if was_over else 'has ended'}.")
        _tell_ways_on(found[0])
    if resume:
        where = _where(found[0])
        found = [supervise.resume(workspace, found[0].id)]
        hint(f"Job {found[0].id} goes on {where}; `rankbench jobs {found[0].id}` shows how it is.")
    if discard:
        say(f"{supervise.discard(found[0]) / 1e6:,.0f} MB of job {found[0].id} deleted.")
        if found[0].trained:
            what = "What was best so far" if found[0].cut_short else "Its trained encoder"
            hint(f"{what} stays: {_resume_hint(found[0])}")
    if as_json:
        emit_json([job.to_json() for job in found])
        return
    if not found:
        hint("No jobs yet. `rankbench train --recipe infonce` starts one.")
        return
    table(
        ["id", "kind", "state", "encoder", "started", "progress", "left", "error"],
        [_row(job) for job in found],
        left=5,
    )
    if job_id is not None and not asked:
        _tell_ways_on(found[0])


def _running(jobs: list[Job]) -> Job:
    """The job that runs; where none does, the one that waits."""
    for state in ("running", "queued"):
        found = [job for job in jobs if job.state == state]
        if len(found) == 1:
            return found[0]
    many = any(job.state == "queued" for job in jobs)
    raise RankbenchError(
        "Several jobs wait and none runs." if many else "No job runs or waits here.",
        "`rankbench jobs` lists them; give the id of one."
        if many
        else "`rankbench jobs` lists all.",
    )


def _tell_ways_on(job: Job) -> None:
    """What can be done with a job that did not come to its end."""
    if not job.resumable:
        return
    # What was kept, or that nothing was: the job's own words, not what its name promises.
    if job.state == "cancelled" and job.said:
        hint(safe(job.said))
    hint(_resume_hint(job))
    if job.checkpoint:
        hint(f"`rankbench jobs {job.id} --discard` deletes its checkpoint.")


def _resume_hint(job: Job) -> str:
    return f"`rankbench jobs {job.id} --resume` goes on {_where(job)}."


def _where(job: Job) -> str:
    """Where a resume of it begins."""
    if job.trained and job.cut_short:
        return "by putting the best weights so far in their place: no checkpoint is left"
    if job.trained:
        return "from its trained encoder"
    return f"from step {job.checkpoint}" if job.checkpoint else "from the start"


def duration(seconds: float | None) -> str:
    """Seconds as `1:05:09` or `2:07`; empty where unknown."""
    if seconds is None:
        return ""
    hours, rest = divmod(int(seconds), 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def of_queries(count: int | None) -> str:
    """` (n 18)`; "" where unknown."""
    return f" (n {count:,})" if count else ""


def _encoder(job: Job) -> str:
    """The encoder's name; of one that gets the next free name, its recipe in brackets."""
    params = job.params
    if job.kind in ("teach", "synth"):
        return str(params.get("teacher") or "")
    recipe = params.get("recipe")
    return job.encoder or str(params.get("encoder") or (f"({recipe})" if recipe else ""))


def _row(job: Job) -> list[str]:
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(job.started)) if job.started else ""
    done = [f"{job.phase} {job.step:,}/{job.steps:,}".strip() if job.steps else job.phase]
    if job.loss is not None:
        done.append(f"loss {job.loss:.4f}")
    if job.score is not None:
        done.append(f"dev NDCG@10 {number(job.score)}{of_queries(job.queries)}")
    left = duration(job.eta_s) if job.state == "running" else ""
    return [
        job.id,
        job.kind,
        job.state,
        safe(_encoder(job)),
        started,
        " · ".join(filter(None, done)),
        left,
        cut(job.error or "", 60),
    ]
