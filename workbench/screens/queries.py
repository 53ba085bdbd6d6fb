"""Queries: every judged query through both sides; the worst regressions on top are the inbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from engine.evaluation.breakdowns import choosable, in_order
from engine.measures import LARGEST_DELTA
from workbench import messages
from workbench.cycle import after
from workbench.holes import UNSEEN, Followed
from workbench.messages import EvaluationKey
from workbench.screens.spread import MEASURE, SIDE_BY_SIDE, Spread
from workbench.searching import ComparerLike, trouble_of
from workbench.text import count
from workbench.widgets.delta_bars import picked_says
from workbench.widgets.filter_line import FilterInput, FilterLine
from workbench.widgets.headline import Headline, Summary, choice_groups
from workbench.widgets.lines import Key, KeyLine
from workbench.widgets.query_table import COLUMNS, QueryRow, QueryTable, rows_of
from workbench.widgets.row_list import RowList

if TYPE_CHECKING:
    from workbench.app import RankbenchApp

KEYS = (
    Key("Enter", "compare", "screen.open"),
    Key("/", "filter", "screen.find"),
    Key("u", "unseen, seen, all", "screen.seen", "seen"),
    Key("d", "distribution", "screen.distribution", "bars"),
    Key("h", "holes", "app.holes"),
    Key("F1", "help", "app.help"),
    Key("F2", "back", "app.queries"),
    MEASURE,
    Key("F3", "left side", "app.pick('baseline')", "left"),
    Key("F4", "right side", "app.pick('candidate')", "right"),
    Key("^P", "all commands", "app.command_palette", "more"),
)
IN_FILTER = (Key("↓", "queries", "screen.table"), Key("Esc", "clear", "screen.back"))
SEEN = ("unseen only", "seen only", "seen and unseen")
_SPLITS = (UNSEEN, "seen", "all")


class QueriesScreen(Spread):
    """Asks the app for the evaluation of its two sides and shows it, sorted and filtered."""

    app: RankbenchApp
    HELP = "in the queries"
    CSS_PATH = "queries.tcss"
    IN_TABLE = KEYS
    AUTO_FOCUS = "#table"
    VERTICAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = [(0, "-flat"), (9, "-high")]
    HORIZONTAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = [
        (0, "-narrow"),
        (SIDE_BY_SIDE, "-wide"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Clear the filter, then back", show=False),
        Binding("slash", "find", "Filter by words", show=False, id="queries.find"),
        Binding("question_mark", "app.help", "Help", show=False),
        Binding("left_square_bracket", "app.pick('baseline')", "Left side", show=False),
        Binding("right_square_bracket", "app.pick('candidate')", "Right side", show=False),
        Binding("s", "sort", "Sort by the next column", show=False, id="queries.sort"),
        Binding("r", "turn", "Turn the order round", show=False, id="queries.turn"),
        Binding("u", "seen", "Unseen, seen, all", show=False, id="queries.seen"),
        Binding("f", "split", "Next split", show=False, id="queries.split"),
        Binding("b", "column", "Group by the next column", show=False, id="queries.column"),
        Binding("t", "value", "Next value of the column", show=False, id="queries.value"),
        Binding("d", "distribution", "Distribution", show=False, id="queries.distribution"),
        Binding("m", "measure", "Next measure", show=False, id="queries.measure"),
        Binding("tab,shift+tab", "other", "Distribution or queries", show=False),
        Binding("h", "app.holes", "Holes", show=False, id="queries.holes"),
        Binding("p", "present", "Add to Present", show=False, id="queries.present"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.headline = Headline(id="headline")
        self.filter_line = FilterLine("words of the query", id="filter")
        self.table = QueryTable(id="table")
        self.key_line = KeyLine(KEYS, id="keys")
        self.key: EvaluationKey | None = None
        self.rows: list[QueryRow] = []
        self.seen = SEEN[0]
        self.split = ""
        self.columns: list[str] = []
        self.column = ""
        self.value = ""
        self.excluded = 0
        self._columns: Mapping[str, Mapping[str, str]] = {}
        self._summary = Summary()
        self._number = 0

    def compose(self) -> ComposeResult:
        yield self.headline
        yield self.filter_line
        with Horizontal(id="lists"):
            yield self.table
            yield self.rule
            yield self.bars
        yield self.key_line

    def on_mount(self) -> None:
        self.headline.unchanged = self.bars.unchanged = self.app.settings.unchanged
        self.evaluate()

    def evaluate(self) -> None:
        """Show the app's sides, from what it has kept or after the search thread's work."""
        self.key = self.app.evaluation_key
        self.rows = []
        self._number += 1  # the interval of other sides may still be on its way
        names = (self.key.baseline, self.key.candidate)
        self._summary = Summary(names=names, measure=self.bars.measure)
        # Before the first frame of it, so that no line below moves.
        self.headline.set_class(any(q.weight is not None for q in self.app.judged), "-weighted")
        kept = self.app.evaluations.results.get(self.key)
        if kept is not None:
            self.show_result(kept)
        elif not self.app.judged:
            self._notice("No judged queries yet.", "Bring some: `rankbench import judgments FILE`.")
        else:
            self._notice("Both sides are answering every judged query.", "")
            self._say("evaluating")
            self.app.evaluate(self.key)

    # What the app shows here

    def show_progress(self, message: messages.EvaluationProgress) -> None:
        if message.key == self.key:
            self._say(f"evaluating: {message.done:,} of {count(message.total, 'query', 'queries')}")

    def show_evaluated(self, message: messages.Evaluated) -> None:
        if message.key != self.key:
            return
        if message.trouble is None:
            self.show_result(message.result)
            return
        self._say("no result", "error")
        self.table.show([], self.table.sorted_by, self.table.turned)
        self.table.show_trouble(message.trouble)
        self.bars.show_trouble(message.trouble)

    def show_result(self, result: Mapping[str, Any]) -> None:
        columns = {judged.query_id: judged.columns for judged in self.app.judged}
        self.rows = rows_of(result, columns, self.bars.measure)
        # Kept while others are evaluated: they follow from the query, not from the sides.
        self._columns = {row.query_id: row.columns for row in self.rows}
        self.columns = choosable(row.columns for row in self.rows)
        if self.column not in self.columns:
            self.column, self.value = next(iter(self.columns), ""), ""
        self.excluded = int(result.get("excluded", 0))
        unseen = any(not row.seen for row in self.rows)
        if not unseen and self.seen == SEEN[0]:
            self.seen = SEEN[2]
        self.show_rows()

    def show_summary(self, message: messages.Summarised) -> None:
        if message.number == self._number:
            note = message.trouble.what if message.trouble else ""
            self._tell(delta=message.delta, weighted=message.weighted, note=note, note_ink="warn")

    # Choosing

    def shown_rows(self) -> list[QueryRow]:
        """The rows that the filters let through, whatever bar is picked."""
        return [row for row in self.rows if self._passes(row)]

    def _passes(self, row: QueryRow, *, any_value: bool = False, any_split: bool = False) -> bool:
        """Whether the filters let it through; without the column's value, or the split's."""
        return (self.seen == SEEN[2] or row.seen == (self.seen == SEEN[1])) and self._lets_through(
            row.query,
            self.split if any_split else row.split,
            {self.column: self.value} if any_value else row.columns,
        )

    def followed(self) -> Followed:
        """What the holes of the queries shown here follow."""
        says = [("/", " ".join(self.filter_line.words)), ("f", self.split)]
        says.append(("b", f"{self.column} t {self.value}" if self.value else ""))
        on = tuple((key, text) for key, text in says if text)
        passed = (
            q.query_id
            for q in self.app.judged
            if self._lets_through(q.query, q.split or "", self._columns.get(q.query_id, q.columns))
        )
        split, bar = _SPLITS[SEEN.index(self.seen)], self.bars.picked is not None
        return Followed(split, frozenset(passed) if on else None, on, bar)

    def _lets_through(self, query: str, split: str, columns: Mapping[str, str]) -> bool:
        """Whether the filters do, but that of seen and unseen, which is the sides' to say."""
        return (
            (not self.split or split == self.split)
            and (not self.value or columns.get(self.column) == self.value)
            and self.filter_line.lets_through(query)
        )

    def action_seen(self) -> None:
        self.seen = after(SEEN, self.seen)
        self.show_rows()

    def action_split(self) -> None:
        found = _values(row.split for row in self.rows if self._passes(row, any_split=True))
        self.split = after(["", *found], self.split)
        self.show_rows()

    def action_column(self) -> None:
        # Those that part the queries which the other filters let through.
        rows = [row for row in self.rows if self._passes(row, any_value=True)]
        found = [c for c in self.columns if any(row.columns.get(c) for row in rows)]
        if found:
            self.column, self.value = after(found, self.column), ""
            self.show_rows()

    def action_value(self) -> None:
        rows = [row for row in self.rows if self._passes(row, any_value=True)]
        found = in_order(row.columns.get(self.column, "") for row in rows)
        self.value = after(["", *(value for value in found if value)], self.value)
        self.show_rows()

    def action_sort(self) -> None:
        fields = [column.field for column in COLUMNS]
        self.table.show(self.table.rows, after(fields, self.table.sorted_by), False)

    def action_turn(self) -> None:
        self.table.show(self.table.rows, self.table.sorted_by, not self.table.turned)

    @on(QueryTable.HeaderClicked)
    def _header_clicked(self, event: QueryTable.HeaderClicked) -> None:
        turned = event.field == self.table.sorted_by and not self.table.turned
        self.table.show(self.table.rows, event.field, turned)

    def action_find(self) -> None:
        self.filter_line.enter()
        self.key_line.show(IN_FILTER)

    @on(FilterInput.Changed)
    def _words_changed(self, event: FilterInput.Changed) -> None:
        event.stop()
        if self.rows:
            self.show_rows()

    @on(FilterInput.Left)
    def action_table(self) -> None:
        self.filter_line.display = bool(self.filter_line.words)
        self.enter(self.table)

    def action_back(self) -> None:
        """Take one thing away: the bar, the words, the distribution; then go back to Compare."""
        if self.let_go():
            return
        if self.filter_line.display:
            self.filter_line.clear()
            self.action_table()
        elif self.bars_open:
            self.action_distribution()
        else:
            self.app.action_queries()

    @on(RowList.Chosen)
    def _chosen(self, event: RowList.Chosen) -> None:
        if event.rows is self.bars:
            self.action_bar()
        else:
            self.action_open()

    def action_open(self) -> None:
        if self.table.row is not None:
            self.app.open_query(self.table.row.query)

    def action_present(self) -> None:
        """Add the query under the cursor to the list that Present shows."""
        if self.table.row is not None:
            self.app.presenter.add(self.table.row.query)

    def show_rows(self) -> None:
        rows = self.shown_rows()
        if self.rows:
            self.table.notice = self.bars.notice = (
                ("plain", "No query passes these filters."),
                ("faint", "u, f and t change them, / the words."),
            )
        listed = self.behind(rows)
        self.table.show(listed, self.table.sorted_by, self.table.turned)
        # The headline is of all these rows: of some picked by their change it would say nothing.
        pairs = [
            (row.left, row.right, row.weight)
            for row in rows
            if row.left is not None and row.right is not None
        ]
        self._number += 1
        names = self._summary.names
        self._summary = Summary(
            names=names, n=len(pairs), excluded=self.excluded, measure=self.bars.measure
        )
        if not pairs:
            self._tell()
            return
        left, right, weights = (list(column) for column in zip(*pairs, strict=True))
        means = (sum(left) / len(left), sum(right) / len(right))
        self._tell(means=means, note="computing the interval")
        number, unchanged = self._number, self.app.settings.unchanged

        def summarise(_: ComparerLike) -> messages.Summarised | None:
            if number != self._number:
                # Other rows are shown by now: typing must leave no backlog of intervals.
                return None
            try:
                from engine.evaluation.intervals import paired_delta
                from engine.evaluation.traffic import weighted_mean

                delta = paired_delta(left, right, unchanged=unchanged, bound=LARGEST_DELTA)
                weighted = weighted_mean(weights, left, right)
                return messages.Summarised(number, delta, weighted)
            except Exception as error:
                return messages.Summarised(number, None, trouble=trouble_of(error))

        self.app.searcher.ask(summarise)

    def _notice(self, what: str, todo: str) -> None:
        self.table.notice = self.bars.notice = (("plain", what), ("faint", todo))
        self.bars.sort([])
        self.table.show([], self.table.sorted_by, self.table.turned)
        self._tell()

    def _say(self, note: str, ink: str = "faint") -> None:
        self._tell(note=note, note_ink=ink)

    def _tell(self, **changes: Any) -> None:
        self._summary = replace(self._summary, **changes)
        bar = self.bars.picked
        choice = choice_groups(
            self.table.row_count(),
            len(self.rows),
            self.seen,
            self.split,
            self.column,
            self.value,
            picked_says(self.bars.measure, bar) if bar else "",
        )
        self.headline.show(self._summary, choice if self.rows else ())


def _values(found: Iterable[str]) -> list[str]:
    return sorted({value for value in found if value})
