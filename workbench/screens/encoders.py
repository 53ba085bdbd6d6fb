"""Encoders: where each comes from, what it is worth, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from workbench import messages
from workbench.read_only import writes
from workbench.screens.line import LineScreen
from workbench.screens.question import QuestionScreen
from workbench.sides import PLACES
from workbench.widgets.about_encoder import AboutEncoder
from workbench.widgets.encoder_table import EncoderTable
from workbench.widgets.lines import Key, KeyLine
from workbench.widgets.row_list import RowList

if TYPE_CHECKING:
    from engine.encoders.lineage import Ancestor
    from workbench.app import RankbenchApp
    from workbench.shelf import EncoderRow

KEYS = (
    Key("Enter", "run", "screen.run"),
    Key("l r", "left, right", "", "put"),
    Key("t", "train again", "screen.again", "again"),
    Key("m", "time a query", "screen.measure", "time"),
    Key("d", "remove", "screen.remove"),
    Key("w v", "export", "screen.export"),
    Key("F6", "back", "app.encoders"),
    Key("F1", "help", "app.help"),
    Key("^P", "all commands", "app.command_palette", "more"),
)
NO_RUN = (
    "{} has no verdict: no training here made it, or it ended before one was drawn. "
    "F2 compares the two sides on every query."
)


class EncodersScreen(Screen[None]):
    """Shows what the app's shelf knows, and asks it for work."""

    app: RankbenchApp
    HELP = "in Encoders"
    CSS_PATH = "encoders.tcss"
    AUTO_FOCUS = "#encoders"
    VERTICAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = [(0, "-flat"), (14, "-high")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.encoders", "Back", show=False),
        Binding("question_mark", "app.help", "Help", show=False),
        Binding("l", "put('baseline')", "Put it left", show=False, id="encoders.left"),
        Binding("r", "put('candidate')", "Put it right", show=False, id="encoders.right"),
        Binding("t", "again", "Train it again", show=False, id="encoders.again"),
        Binding("m", "measure", "Time a query", show=False, id="encoders.measure"),
        Binding("d", "remove", "Remove", show=False, id="encoders.remove"),
        Binding("w", "export", "Export the encoder", show=False, id="encoders.export"),
        Binding("v", "vectors", "Export its vectors", show=False, id="encoders.vectors"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.table = EncoderTable(id="encoders")
        self.about = AboutEncoder(id="about")
        self._lineages: dict[str, tuple[Ancestor, ...]] = {}

    def compose(self) -> ComposeResult:
        yield self.table
        yield self.about
        yield KeyLine(KEYS, id="keys")

    def on_mount(self) -> None:
        self.table.notice = (("faint", "Reading the encoders."),)
        self.renew()
        self.app.shelf.look()

    # What the app shows here

    def renew(self) -> None:
        """Show what the shelf knows, and which side uses what."""
        shelf = self.app.shelf
        times = {made: f"{found.p50_ms:.1f} ms" for made, found in shelf.times.items()}
        for row in shelf.rows:
            if row.name == shelf.measuring:
                times[row.made] = "…"
        first = not self.table.rows
        self.table.show(shelf.rows, {row.name: self._used(row.name) for row in shelf.rows}, times)
        if first:
            # On what is being looked at: the encoder on the right.
            names = [row.name for row in shelf.rows]
            right = self.app.wanted[1]
            self.table.place(names.index(right) if right in names else 0)
        self._tell()

    def show_known(self, message: messages.EncodersKnown) -> None:
        if message.trouble is not None and self.table.rows:
            self.app.say(f"{message.trouble.what} {message.trouble.todo}", "warning")
        elif message.trouble is not None:
            self.table.show_trouble(message.trouble)
        self._lineages.clear()
        self.renew()

    def show_lineage(self, message: messages.LineageKnown) -> None:
        self._lineages[message.name] = message.steps
        self._tell()

    def _used(self, name: str) -> list[str]:
        """`left`, `right`; `default right` where the settings on disk say so and this app not."""
        places = list(PLACES.values())
        here = [place for place, side in zip(places, self.app.wanted, strict=True) if side == name]
        kept = zip(places, self.app.shelf.defaults, strict=True)
        return here + [f"default {at}" for at, side in kept if side == name and at not in here]

    def _tell(self) -> None:
        row = self.table.row
        if row is None:
            self.about.show(None)
            return
        steps = self._lineages.get(row.name, ())
        self.about.show(row, steps, self.app.shelf.times.get(row.made), self._used(row.name))
        if row.parents and row.name not in self._lineages:
            self._lineages[row.name] = ()
            self.app.shelf.trace(row.name)

    @on(RowList.Moved)
    def _moved(self) -> None:
        self._tell()

    # Working

    @on(RowList.Chosen)
    def action_run(self) -> None:
        """Open the page of the run that made the encoder, as its card is now."""
        if (row := self.table.row) is not None:
            self.app.shelf.read_run(row.name)

    def action_put(self, place: str) -> None:
        if (row := self.table.row) is not None:
            self.app.shelf.put(place, row.name)

    @writes
    def action_again(self) -> None:
        """Run the recipe of its card once more, on the data and verdicts of today."""
        if (row := self.table.row) is None:
            return
        if not row.recipe:
            self.app.say(f"{row.name} was not trained here: its card has no recipe to run again.")
            return
        self.app.say(f"Reading the card of {row.name}.")
        self.app.trainer.again(row.name)

    def action_measure(self) -> None:
        if (row := self.table.row) is None:
            return
        if self.app.shelf.measuring:
            self.app.say(f"{self.app.shelf.measuring} is being timed: one at a time.")
            return
        self.app.shelf.measure(row.name)
        self.renew()

    @writes
    def action_remove(self) -> None:
        if (row := self.table.row) is None:
            return
        if self.table.cursor == 0:
            self.app.say("The base encoder cannot be removed: the others are compared with it.")
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.app.shelf.remove(row.name)

        self.app.push_screen(QuestionScreen(self._removal(row)), answered)

    def _removal(self, row: EncoderRow) -> str:
        says = [f"Remove {row.name}, its index and the verdict on its run?"]
        if used := self._used(row.name):
            says.append(f"It is in use: {', '.join(used)}.")
        if children := [other.name for other in self.app.shelf.rows if row.name in other.parents]:
            says.append(f"It stays named as a parent of {', '.join(children)}.")
        return " ".join(says)

    @writes
    def action_export(self) -> None:
        self._ask_path("Directory to write {} to", "", self.app.shelf.export)

    @writes
    def action_vectors(self) -> None:
        head = "Parquet file for the vectors of {}"
        self._ask_path(head, ".parquet", self.app.shelf.export_vectors)

    def _ask_path(self, head: str, ending: str, write: Callable[[str, str], None]) -> None:
        if (row := self.table.row) is None:
            return

        def typed(path: str | None) -> None:
            if path:
                self.app.say("Writing.")
                write(row.name, path)

        name = f"{row.name}{ending}"
        line = LineScreen(head.format(row.name), f"a path, as ~/{name}", name, does="write")
        self.app.push_screen(line, typed)
