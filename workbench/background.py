"""Background jobs as the app follows them: what is said when one ends, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workbench import messages, saved
from workbench.cancelling import CancelJob, cancel_beside
from workbench.hearing import Hearing
from workbench.messages import JobView
from workbench.read_only import writes
from workbench.shelf import NO_ENCODER
from workbench.sides import PLACES, Sides
from workbench.status import LIVE, ended_mark, ended_marks, job_name, job_news, jobs_news

_FEW = 2
"""More jobs than this that ended while nobody looked are told in one sentence."""


class Background(Hearing):
    """An app that follows jobs, those that ended while it was closed too."""

    _sides: Sides
    _cancel: CancelJob

    def __init__(self) -> None:
        super().__init__()
        self.jobs: tuple[JobView, ...] = ()
        self._told: frozenset[str] | None = None
        """Which jobs had ended when the app was last closed; None where it never was."""
        self._jobs_known = False
        self._newest = ""
        self._awaited: dict[str, str] = {}
        """Encoder -> the side it goes on once it is indexed."""
        self._wishes: Mapping[str, str] = {}
        """The same, of the session before."""

    def update_status(self) -> None:
        raise NotImplementedError

    @property
    def live_jobs(self) -> list[JobView]:
        """Jobs that can still be cancelled, oldest first."""
        return [job for job in self.jobs if job.state in LIVE]

    def ahead_of(self, job_id: str) -> str:
        """The running job that another waits for, "" where none runs."""
        running = (job.id for job in self.live_jobs if job.state == "running")
        return next((ahead for ahead in running if ahead != job_id), "")

    @writes
    def cancel_job(self, job: JobView) -> None:
        """Ask the job to stop, and end it if it does not."""
        cancel_beside(self._cancel, job.id, self.post_message)
        does = "leaves the queue" if job.state == "queued" else "stops at its next step"
        self.say(f"{job_name(job).capitalize()} {does}.")

    def on_jobs_changed(self, message: messages.JobsChanged) -> None:
        if message.trouble is not None:
            # Jobs that could not be read have not gone: the next look finds them as they were.
            return
        first, self._jobs_known = not self._jobs_known, True
        ended = self._meanwhile(message.jobs) if first else jobs_news(self.jobs, message.jobs)
        if first:
            self._recall(message.jobs, ended)
        self.jobs = message.jobs
        self._tell_ended(ended, brief=first and len(ended) > _FEW)
        if ended and not first:
            self._look_again()
        if train := self.train_screen():
            train.show_jobs()
        self.update_status()

    def _meanwhile(self, jobs: Sequence[JobView]) -> list[JobView]:
        """Jobs that ended while the app was closed, those that died first of all."""
        if self._told is None:
            return [job for job in jobs if job.state == "died"]
        return [job for job in jobs if job_news(job) and ended_mark(job) not in self._told]

    def _recall(self, jobs: Sequence[JobView], ended: Sequence[JobView]) -> None:
        """Wait again for what the last session waited for, where a job does it or has done it."""
        able = {job.encoder for job in (*ended, *(job for job in jobs if job.state in LIVE))}
        wishes = {name: place for name, place in self._wishes.items() if name in able}
        self._awaited = {**wishes, **self._awaited}

    def _tell_ended(self, ended: Sequence[JobView], *, brief: bool) -> None:
        if brief:
            self.say(f"{len(ended):,} jobs ended while you were away: F5 lists them.", "warning")
        for job in ended:
            trained = job.state == "done" and job.kind == "train"
            if trained:
                self._newest = job.encoder
            self._put_awaited(job)
            if brief:
                continue
            if trained:
                self.shelf.read_run(job.encoder, ended=True)
            elif news := job_news(job):
                self.say(*news)

    def _put_awaited(self, job: JobView) -> None:
        place = self._awaited.pop(job.encoder, "")
        if place and job.state == "done":
            self.shelf.put(place, job.encoder)

    def _look_again(self) -> None:
        """A job has ended: what it made, or left, may be there now."""
        self._sides.forget_all()
        self.evaluations.forget()
        self.searcher.refresh_sides(reread=True)
        if self.encoders_screen():
            self.shelf.look()

    def keep_told(self) -> None:
        """As the app closes: what has ended by now is not told at the next start.

        What still waits for its index is put on its side then.
        """
        if self._jobs_known and not self.workspace.read_only:
            saved.store_ended(self.workspace.cache_dir, ended_marks(self.jobs), self._awaited)

    # Encoders

    def on_not_indexed(self, message: messages.NotIndexed) -> None:
        """An encoder that was asked for on a side is indexed first, and put there after that."""
        name, side = message.name, PLACES[message.place]
        begun = name in self._awaited or any(job.encoder == name for job in self.live_jobs)
        self._awaited[name] = message.place
        if begun:
            self.say(f"{name} is being indexed: it goes on the {side} after that.")
        else:
            self.shelf.index(name, side)

    def on_task_failed(self, message: messages.TaskFailed) -> None:
        if message.work == "index":
            self._awaited.clear()

    @property
    def newest_encoder(self) -> str:
        """The encoder that training made last, "" where there is none."""
        made = "" if self._sides.is_gone(self._newest) else self._newest
        return made or self._sides.newest_tuned()

    def action_put_right(self) -> None:
        """Put the newest encoder on the right-hand side, if it is still there."""
        self.shelf.put_newest(self.newest_encoder)

    def action_newest_run(self) -> None:
        """Open the page of the run that made the newest encoder."""
        if name := self.newest_encoder:
            self.shelf.read_run(name)
        else:
            self.say(NO_ENCODER)
