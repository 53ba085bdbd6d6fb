"""The part of Queries that shows how the change is spread, beside the table or in its place."""

from __future__ import annotations

from dataclasses import replace

from textual import events, on
from textual.screen import Screen

from workbench.widgets.delta_bars import DeltaBars
from workbench.widgets.lines import Key, KeyLine
from workbench.widgets.painted import Rule
from workbench.widgets.query_table import CHANGE, QueryRow, QueryTable
from workbench.widgets.row_list import RowList

# From here on the bars stand beside the table; where it is narrower, in its place.
SIDE_BY_SIDE = 100
MEASURE = Key("m", "next measure", "screen.measure", "measure")
_TAB = Key("Tab", "to the queries", "screen.other", "across")
IN_BARS = (
    Key("Enter", "queries behind the bar", "screen.bar", "queries"),
    MEASURE,
    _TAB,
    Key("d", "close", "screen.distribution"),
    Key("F1", "help", "app.help"),
    Key("Esc", "back", "screen.back"),
)


class Spread(Screen[None]):
    """Opens and places the bars; the screen that is one says which rows they sort."""

    IN_TABLE: tuple[Key, ...] = ()
    table: QueryTable
    key_line: KeyLine
    rows: list[QueryRow]

    def __init__(self) -> None:
        super().__init__()
        self.rule = Rule(id="rule")
        self.bars = DeltaBars(id="bars")
        self.bars.display = self.rule.display = False
        self.bars_open = False

    def show_rows(self) -> None:
        """Show the rows anew, those behind the picked bar if there is one."""
        raise NotImplementedError

    def behind(self, rows: list[QueryRow]) -> list[QueryRow]:
        """Sort `rows` into the bars where they are open, and give those to list."""
        listed = self.bars.sort(rows) if self.bars_open else rows
        self._place_lists()
        return listed

    def action_distribution(self) -> None:
        """Open it; close it, or come back to it where it gave its place to the queries."""
        hidden = self.bars_open and not self.bars.display
        self.bars_open = hidden or not self.bars_open
        self.bars.picked = None
        self.show_rows()
        self.enter(self.bars if self.bars_open else self.table)

    def action_measure(self) -> None:
        """Show another measure: in the bars, in the table, sorted by its change, and above."""
        self.bars.next_measure(self.rows)
        self.rows = [replace(row, measure=self.bars.measure) for row in self.rows]
        self.table.sorted_by, self.table.turned = CHANGE, False
        self.show_rows()

    def action_bar(self) -> None:
        """Show the queries behind the bar under the cursor."""
        if self.bars.bar is not None and self.bars.bar.query_ids:
            self.bars.picked = self.bars.bar
            self.show_rows()
            self.enter(self.table)

    def let_go(self) -> bool:
        """Show all queries again where a bar is picked, and say whether one was."""
        if self.bars.picked is None:
            return False
        self.bars.picked = None
        self.show_rows()
        self.enter(self.bars)
        return True

    def action_other(self) -> None:
        self.enter(self.table if self.bars.has_focus else self.bars)

    def enter(self, wanted: RowList) -> None:
        """Focus one of the two lists, the other where it is not shown."""
        other = self.table if wanted is self.bars else self.bars
        self.set_focus(wanted if wanted.display else other)

    def _place_lists(self) -> None:
        wide = self.size.width >= SIDE_BY_SIDE
        picked = self.bars.picked is not None
        self.bars.display = self.bars_open and (wide or not picked)
        self.table.display = wide or not self.bars.display
        self.rule.display = self.bars.display and wide
        if isinstance(self.focused, RowList):
            self.enter(self.focused)
            self._show_keys()

    def _show_keys(self) -> None:
        if self.focused is self.bars:
            keys = [key for key in IN_BARS if self.table.display or key is not _TAB]
            self.key_line.show(keys)
        elif self.focused is self.table:
            self.key_line.show(self.IN_TABLE)

    @on(events.DescendantFocus)
    def _focus_moved(self) -> None:
        self._show_keys()

    def on_resize(self) -> None:
        self._place_lists()
