"""Train: the basket of verdicts, what a run makes of it, and the jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from workbench import messages
from workbench.cycle import after
from workbench.messages import Trouble
from workbench.read_only import writes
from workbench.screens.line import LineScreen
from workbench.status import LIVE
from workbench.training import RECIPE, SOURCES, Choice
from workbench.widgets.basket_head import BasketHead
from workbench.widgets.basket_list import BasketList
from workbench.widgets.job_list import RESUMABLE, JobList
from workbench.widgets.lines import Key, KeyLine
from workbench.widgets.row_list import RowList

if TYPE_CHECKING:
    from engine.training.basket import Basket
    from workbench.app import RankbenchApp

KEYS = (
    Key("t", "start", "screen.start"),
    Key("Space", "take out, put back", "screen.toggle", "in, out"),
    Key("Tab", "jobs", "screen.other"),
    Key("c", "cancel", "screen.cancel"),
    Key("r", "resume", "screen.resume"),
    Key("F8", "newest on the right", "app.put_right", "use"),
    Key("F5", "back", "app.train"),
    Key("F1", "help", "app.help"),
    Key("^P", "all commands", "app.command_palette", "more"),
)


class TrainScreen(Screen[None]):
    """Shows the basket that the app's trainer makes; starts, cancels and resumes jobs."""

    app: RankbenchApp
    HELP = "in Train"
    CSS_PATH = "train.tcss"
    AUTO_FOCUS = "#basket"
    VERTICAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = [(0, "-flat"), (14, "-high")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.train", "Back", show=False),
        Binding("question_mark", "app.help", "Help", show=False),
        Binding("space", "toggle", "Take out, put back", show=False, id="train.toggle"),
        Binding("t", "start", "Start", show=False, id="train.start"),
        Binding("o", "source", "From verdicts, both, judgments", show=False, id="train.source"),
        Binding("p", "recipe", "Next recipe", show=False, id="train.recipe"),
        Binding("n", "name", "Name", show=False, id="train.name"),
        Binding("v", "held_out", "Dev and test queries too", show=False, id="train.held-out"),
        Binding("c", "cancel", "Cancel the job", show=False, id="train.cancel"),
        Binding("r", "resume", "Resume the job", show=False, id="train.resume"),
        Binding("tab,shift+tab", "other", "Jobs or verdicts", show=False, id="train.other"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.choice = Choice()
        self.recipes: Mapping[str, Sequence[str]] = {}
        self.basket: Basket | None = None
        self.trouble: Trouble | None = None
        self.head = BasketHead(id="head")
        self.rows = BasketList(id="basket")
        self.jobs = JobList(id="jobs")

    def compose(self) -> ComposeResult:
        yield self.head
        yield self.rows
        yield self.jobs
        yield KeyLine(KEYS, id="keys")

    def on_mount(self) -> None:
        self.jobs.show(self.app.jobs)
        self.rows.empty(("faint", "Looking into the basket."))
        self.renew()

    # What the app shows here

    def renew(self) -> None:
        """Look into the basket again: something was chosen, or said."""
        self.head.show(self.choice, self.basket, self.trouble)
        self.app.trainer.look(self.choice)

    def show_basket(self, message: messages.BasketKnown) -> None:
        if message.choice != self.choice:
            return
        self.recipes = message.recipes or self.recipes
        self.basket, self.trouble = message.basket, message.trouble
        if self.choice.source == "judgments":
            self._say_judgments()
        elif self.basket is None:
            self.rows.empty(
                ("plain", "The basket could not be made; why is said above."),
                ("faint", "t looks into it again."),
            )
        elif not self.basket.groups:
            self.rows.empty(
                ("plain", "No verdicts yet."),
                ("faint", "In Compare's lists x marks a bad result; e s c i grade it."),
            )
        else:
            self.rows.show(self.basket, self.choice.deselected)
        self.head.show(self.choice, self.basket, self.trouble)

    def show_jobs(self) -> None:
        self.jobs.show(self.app.jobs)

    def _say_judgments(self) -> None:
        self.rows.empty(
            ("plain", "This run learns from the judged queries of the train split."),
            ("faint", "o takes the verdicts instead, or both."),
        )

    # Choosing

    def action_toggle(self) -> None:
        """Take the verdicts of the line out, or put them back."""
        pairs = set(self.rows.under_cursor())
        out = self.choice.deselected
        self._choose(deselected=out | pairs if pairs - out else out - pairs)
        self.rows.show(None, self.choice.deselected)

    def action_source(self) -> None:
        source = after(SOURCES, self.choice.source)
        able = self.recipes.get(source, (self.choice.recipe,))
        known = self.choice.recipe in able
        self._choose(source=source, recipe=self.choice.recipe if known else RECIPE)

    def action_recipe(self) -> None:
        able = self.recipes.get(self.choice.source, (self.choice.recipe,))
        self._choose(recipe=after(able, self.choice.recipe))

    def action_held_out(self) -> None:
        if self.choice.source == "judgments":
            self.app.say("Judgments are trained on in the train split alone.")
            return
        self._choose(include_test=not self.choice.include_test)

    def action_name(self) -> None:
        def named(name: str | None) -> None:
            if name is not None:
                self._choose(name=name)

        head = "Name of the new encoder; empty for the next free one"
        self.app.push_screen(LineScreen(head, "flags-01", self.choice.name), named)

    def _choose(self, **values: object) -> None:
        self.choice = replace(self.choice, **values)  # type: ignore[arg-type]
        self.renew()

    # Working

    @on(RowList.Chosen, "#basket")
    @writes
    def action_start(self) -> None:
        """Start a run of what is chosen, unless there is nothing to train on."""
        if self.app.trainer.starting:
            return
        if self.choice.source != "judgments":
            if self.basket is None:
                self._say_unknown()
                return
            if self.basket.refusal:
                self.app.say(f"{self.basket.refusal} {self.basket.todo}", "warning")
                return
        self.app.say("Starting.")
        self.app.trainer.begin(self.choice)

    def _say_unknown(self) -> None:
        """Without a basket nothing starts; where it could not be made, it is tried again."""
        if self.trouble is None:
            self.app.say("The basket is not known yet: a moment.", "warning")
            return
        self.app.say(f"{self.trouble.what} Looking into the basket again.", "warning")
        self.trouble = None
        self.renew()

    def action_cancel(self) -> None:
        job = self.jobs.chosen(LIVE)
        if job is None:
            self.app.say("No job is running or waiting here.")
        else:
            self.app.cancel_job(job)

    def action_resume(self) -> None:
        job = self.jobs.chosen(RESUMABLE)
        if job is None:
            self.app.say("No job here died, failed or was cancelled.")
        else:
            self.app.trainer.resume(job.id)

    def action_other(self) -> None:
        self.set_focus(self.rows if self.jobs.has_focus else self.jobs)

    @on(RowList.LeftUpwards)
    def _upwards(self, event: RowList.LeftUpwards) -> None:
        if event.rows is self.jobs:
            self.set_focus(self.rows)
