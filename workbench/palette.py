"""The command palette: screens, sides, themes, and the judged queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.markup import escape

from workbench import themes
from workbench.status import job_line, readiness
from workbench.text import printable

if TYPE_CHECKING:
    from workbench.app import RankbenchApp
    from workbench.screens.compare import CompareScreen
    from workbench.screens.holes import HolesScreen
    from workbench.screens.present import PresentScreen

_MOST_QUERIES = 40

Command = tuple[str, str, Callable[[], object]]


class WorkbenchCommands(Provider):
    """Everything a key does, and every side and theme."""

    @property
    def workbench(self) -> RankbenchApp:
        from workbench.app import RankbenchApp

        assert isinstance(self.app, RankbenchApp)
        return self.app

    def commands(self) -> Iterator[Command]:
        app = self.workbench
        yield "Help", "Keys, and what the numbers mean (F1)", app.action_help
        yield "Queries", "Every judged query with its change (F2)", app.action_queries
        yield "Holes", "Unjudged products that would move the verdict", app.action_holes
        yield "Train", "The basket of verdicts, and the jobs (F5)", app.action_train
        yield "Encoders", "Where each comes from, what it is worth (F6)", app.action_encoders
        yield "The newest run", "What it fixed, what it broke (F7)", app.action_newest_run
        yield "Present", "Queries for a room, one fact at a time (F9)", app.action_present
        yield "Compare", "Back to the two lists", partial(app.open_query, None)
        yield from self.of_screen()
        yield "Pick the left side", "The baseline (F3)", partial(app.action_pick, "baseline")
        yield "Pick the right side", "The candidate (F4)", partial(app.action_pick, "candidate")
        if name := app.newest_encoder:
            says = "The newest trained encoder (F8)"
            yield f"Put {printable(name)} on the right", says, app.action_put_right
        for place, label in (("baseline", "Left"), ("candidate", "Right")):
            for side in app.sides:
                yield (
                    f"{label} side: {printable(side.name)}",
                    printable(f"{side.kind}, {readiness(side)}"),
                    partial(app.choose_side, place, side.name),
                )
        yield (
            "Right side: newest tuned encoder",
            "Follows training; bm25 while there is none",
            partial(app.choose_side, "candidate", ""),
        )
        ours = [theme.name for theme in themes.THEMES]
        for name in [*ours, *sorted(set(app.available_themes) - set(ours))]:
            yield f"Theme: {name}", "Kept in the workspace", partial(setattr, app, "theme", name)
        for job in app.live_jobs:
            state = "running" if job.state == "running" else "waiting"
            name = f"Cancel the {state} job"
            yield name, printable(job_line(job)), partial(app.cancel_job, job)
        if app.trouble is not None:
            yield "Open the catalog again", "It did not open", app.open_again
        yield "Quit", "Jobs go on (F10)", app.action_quit

    def of_screen(self) -> Iterator[Command]:
        """What the keys of the screen below do."""
        from workbench.screens.compare import CompareScreen
        from workbench.screens.encoders import EncodersScreen
        from workbench.screens.holes import HolesScreen
        from workbench.screens.present import PresentScreen
        from workbench.screens.queries import QueriesScreen
        from workbench.screens.train import TrainScreen

        screen = self.screen
        if isinstance(screen, TrainScreen):
            yield "Start training", "What is in the basket (t)", screen.action_start
            yield "Take out or put back", "The line under the cursor (Space)", screen.action_toggle
            yield "Train from: verdicts, both, judgments", "o", screen.action_source
            yield "Next recipe", "p", screen.action_recipe
            yield "Name the new encoder", "n", screen.action_name
            yield "Dev and test queries too, or not", "v", screen.action_held_out
            yield "Cancel the job", "The one under the cursor, or running (c)", screen.action_cancel
            yield "Resume the job", "One that died or was cancelled (r)", screen.action_resume
            yield "Go to the jobs, or back", "Tab", screen.action_other
        if isinstance(screen, EncodersScreen):
            yield "Open the page of the run", "That made this encoder (Enter)", screen.action_run
            yield "Put this encoder left", "l", partial(screen.action_put, "baseline")
            yield "Put this encoder right", "r", partial(screen.action_put, "candidate")
            yield "Train it again", "By its card, on the data of today (t)", screen.action_again
            yield "Time a query", "On this encoder (m)", screen.action_measure
            yield "Remove this encoder", "With its index (d)", screen.action_remove
            yield "Export this encoder", "As a directory (w)", screen.action_export
            yield "Export its vectors", "As Parquet (v)", screen.action_vectors
        if isinstance(screen, CompareScreen):
            yield "Go to the query", "Its text is kept (/)", screen.action_query_line
            yield "Go to the lists", "Down, Esc or Enter in the query", screen.action_lists
            yield "Go to the other list", "Left, Right or Tab", partial(screen.action_pane, 0)
            yield "Open the product", "The row under the cursor (Enter)", screen.action_product
            yield "Add to Present", "The query shown (p)", screen.action_present
            yield from _of_verdicts(screen)
        if isinstance(screen, HolesScreen):
            yield from _of_holes(screen)
        if isinstance(screen, QueriesScreen):
            yield "Sort by the next column", "s", screen.action_sort
            yield "Turn the order round", "r", screen.action_turn
            yield "Filter: unseen, seen, all", "u", screen.action_seen
            yield "Filter: next split", "f", screen.action_split
            yield "Group by: next column", "Of the query file, or derived (b)", screen.action_column
            yield "Filter: next value of the column", "t", screen.action_value
            yield "Distribution of the change", "Open, close (d)", screen.action_distribution
            yield "Distribution: next measure", "m", screen.action_measure
            yield (
                "Filter: by words",
                "Every word typed, anywhere in the query (/)",
                screen.action_find,
            )
            yield "Open the query", "The row under the cursor (Enter)", screen.action_open
            yield "Add to Present", "The query under the cursor (p)", screen.action_present
        if isinstance(screen, PresentScreen):
            yield from _of_present(screen)

    async def discover(self) -> Hits:
        for name, says, run in self.commands():
            if not name.startswith("Theme: ") or name.removeprefix("Theme: ").startswith("rank"):
                yield DiscoveryHit(Content(name), run, text=name, help=escape(says))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for name, says, run in self.commands():
            if (score := matcher.match(name)) > 0:
                yield Hit(score, matcher.highlight(name), run, text=name, help=escape(says))


def _of_verdicts(screen: CompareScreen) -> Iterator[Command]:
    from workbench.screens.product import GRADES

    for grade, word in GRADES.items():
        says = f"The result under the cursor ({grade.lower()})"
        yield f"Grade {grade}: {word}", says, partial(screen.action_grade, grade)
    yield "Mark as a bad result", "Grade I, and training learns from it (x)", screen.action_flag
    yield "Add a note", "To the verdict under the cursor (n)", screen.action_note
    yield "Undo", "Your last verdict, on whatever query (u)", screen.action_undo
    yield "Redo", "What you took back last (U)", screen.action_redo
    if screen.shared_from:
        yield (
            "Refuse shared verdicts",
            "This spelling of the query then stands alone (=)",
            screen.action_separate,
        )


def _of_holes(screen: HolesScreen) -> Iterator[Command]:
    from workbench.screens.product import GRADES

    for grade, word in GRADES.items():
        says = f"The product under the cursor ({grade.lower()})"
        yield f"Grade {grade}: {word}", says, partial(screen.action_grade, grade)
    yield "Undo", "Your last verdict, on whatever query (u)", screen.action_undo
    yield "Redo", "What you took back last (U)", screen.action_redo
    yield "Renew the order", "By the grades given by now (r)", screen.action_renew
    yield "Open the product", "The row under the cursor (Enter)", screen.action_product
    yield "Open the query", "In Compare (o)", screen.action_open


def _of_present(screen: PresentScreen) -> Iterator[Command]:
    yield "Type in Compare", "This query; F9 comes back (/)", screen.action_type
    yield "Take the query out", "Of the list (x)", screen.action_take_out
    yield "Move the query up", "Shift+Up", partial(screen.action_move, -1)
    yield "Move the query down", "Shift+Down", partial(screen.action_move, 1)
    yield "List the wins and harms", "As many of each, unseen queries (d)", screen.action_propose
    yield "Undo", "The last change of the list (u)", screen.action_undo
    yield "Show or hide the clock", "t", screen.action_clock
    yield "Start again", "The first page, the clock at zero (r)", screen.action_restart


class QueryCommands(Provider):
    """Judged queries, by any part of their text."""

    async def search(self, query: str) -> Hits:
        from workbench.app import RankbenchApp

        app = self.app
        assert isinstance(app, RankbenchApp)
        wanted = query.casefold().strip()
        found = 0
        # Plain containment: fuzzy matching of 5,000 queries would hold up the key after this one.
        for judged in app.judged:
            if wanted in judged.query.casefold():
                shown = printable(judged.query)
                yield Hit(
                    0.5,
                    Content(shown),
                    partial(app.open_query, judged.query),
                    text=shown,
                    help=escape(f"judged query, {judged.split or 'no split'}"),
                )
                found += 1
                if found >= _MOST_QUERIES:
                    return
