"""Background jobs, newest first."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.messages import JobView
from workbench.status import LIVE, job_end, job_line, job_name
from workbench.text import printable
from workbench.widgets.painted import Piece
from workbench.widgets.row_list import RowList

RESUMABLE = ("died", "cancelled", "failed")


class JobList(RowList):
    """A line a job under one line that names the list."""

    HEADER = 1

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.jobs: list[JobView] = []
        self.notice = (("faint", "No job yet."),)

    def show(self, jobs: Sequence[JobView]) -> None:
        """Show `jobs`, which come oldest first, the cursor on the one it stood on.

        At the top it stays there, for the newest, unless the person is in the list.
        """
        held = self.jobs and (self.cursor or self.has_focus)
        kept = self.jobs[self.cursor].id if held else None
        self.jobs = list(reversed(jobs))
        self.place(next((n for n, job in enumerate(self.jobs) if job.id == kept), 0))
        self.repaint()

    def chosen(self, states: Sequence[str]) -> JobView | None:
        """A job in one of `states`: under the cursor while the list has focus.

        Else the one that runs, or the newest where none does.
        """
        jobs = self.jobs[self.cursor : self.cursor + 1] if self.has_focus else self.jobs
        found = [job for job in jobs if job.state in states]
        return min(found, key=lambda job: job.state != "running", default=None)

    def row_count(self) -> int:
        return len(self.jobs)

    def header_pieces(self, line: int, width: int) -> Sequence[Piece]:
        return (("strong" if self.has_focus else "faint", " jobs"),)

    def row_pieces(self, row: int, width: int) -> Sequence[Piece]:
        job = self.jobs[row]
        lead = "›" if row == self.cursor and self.has_focus else " "
        pieces: list[Piece] = [("plain", lead), ("faint", f"{printable(job.id)} ")]
        if job.state in LIVE:
            return (*pieces, ("key", printable(job_line(job))))
        ink = "error" if job.state in ("failed", "died") else "plain"
        pieces.append(("plain", printable(f"{job_name(job)}: ")))
        pieces.append((ink, printable(job_end(job))))
        if job.state in RESUMABLE:
            pieces.append(("key", "  r takes it up again"))
        if said := job.error or (job.said if job.state == "cancelled" else ""):
            pieces.append(("faint", f"  {printable(said)}"))
        return pieces
