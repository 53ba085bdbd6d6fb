"""The keys, and what the numbers mean."""

from __future__ import annotations

import textwrap
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from workbench.widgets.lines import Key, KeyLine

_WIDTH = 66

HINTS = (Key("↑↓", "scroll"), Key("Esc", "back", "screen.dismiss"))
KEYS = (
    ("anywhere", ""),
    ("F1", "this page (also ? in a list)"),
    ("F2", "queries and back"),
    ("F3 F4", "pick the left side, the right side ([ and ] in a list)"),
    ("Ctrl+P", "every command by name: sides, themes, judged queries, cancelling a job"),
    ("F5", "train: the basket of verdicts and the jobs; and back"),
    ("F6", "encoders: where each comes from and what it is worth; and back"),
    ("F7", "the page of the newest training run: what it fixed, what it broke"),
    ("F8", "put the newest trained encoder on the right"),
    ("F9", "present: queries for a room, one fact at a time; and back"),
    ("F10 Ctrl+Q", "quit; background jobs go on"),
    ("in the query", ""),
    ("any letter", "types; both sides answer every key"),
    ("Tab →", "accept the completion; Tab without one enters the lists"),
    ("↓ Esc Enter", "into the lists"),
    ("in the lists", ""),
    ("↑ ↓ PgUp PgDn", "move, Home and End too; ↑ on the first row returns to the query"),
    ("← → Tab", "the other list, at the same product where it is there"),
    ("Enter", "the product: why it is here, and all its fields; e s c i x u U work there too"),
    ("e s c i", "grade the result: Exact, Substitute, Complement, Irrelevant"),
    ("x", "a bad result: grade I, and training learns from it"),
    ("u U", "take your last verdict back, on whatever query; give it again"),
    ("n", "a note on the verdict under the cursor"),
    (
        "=",
        "while the status line names spellings that share its verdicts: part the query from them",
    ),
    ("p", "add the query to the list that Present shows (in the queries, too)"),
    ("/", "back to the query; other letters go on typing in it"),
    ("in the queries", ""),
    ("/", "filter by words; Enter or ↓ to the rows, Esc takes the filter away"),
    ("s", "sort by the next column (or click its name); r turns it round"),
    ("u f", "filter by unseen (as it opens), seen or all; by split"),
    ("b t", "choose a column (stratum, head, category, length, negation …); filter by its value"),
    ("d", "how the change is spread; a bar's queries by Enter or a click, Esc shows all again"),
    ("m", "the next measure: of the rows, the bars and the line above; sorted by its change"),
    ("Tab", "beside the distribution: to the queries and back"),
    ("Enter", "open the query in Compare"),
    ("h", "holes of these queries: the unjudged products that would move the verdict most"),
    ("in the holes", ""),
    ("e s c i", "grade the product and go on to the next one; u U as in the lists"),
    ("r", "renew the order, which stays as it was while you grade"),
    ("Enter o", "open the product; open its query in Compare"),
    ("in Train", ""),
    ("t Enter", "start a run in the background"),
    ("Space", "take a verdict out, or all of a query; put it back"),
    ("o p n", "from verdicts, judgments or both; the recipe; the encoder's name"),
    ("v", "use queries of the dev and test splits too: no measure on them is fair after that"),
    ("Tab", "the jobs; c cancels one, r takes up one that died or was cancelled"),
    ("in Present", ""),
    (
        "Space → ←",
        "the next fact, once this one is there, the one before; PgDn and PgUp (a remote control) "
        "too",
    ),
    ("↓ ↑ Home End", "the next query, the one before, the first, the last page"),
    ("/ q Esc", "type in Compare, the query in its line; F9 comes back to the same page"),
    ("x", "take the query out of the list"),
    ("Shift+↑ Shift+↓", "move it in the list"),
    ("d", "list the best wins and worst harms, as many of each, on unseen queries"),
    ("u", "undo the last change of the list (present.txt in the workspace)"),
    ("t r", "show or hide the clock; back to the start with the clock at zero"),
    ("in Encoders", ""),
    ("Enter", "the page of the run that made it"),
    ("l r", "put it on the left, on the right: any two; one without an index gets it first"),
    ("t", "train it again, by the recipe of its card, on the data and verdicts of today"),
    ("m", "time one query on it"),
    ("w v", "write the encoder, or its vectors, to a path"),
    ("d", "remove it with its index, after a question"),
    ("on the command line", ""),
    ("recipes train", "every recipe and its settings; a run with settings of your own (--set)"),
    (
        "teach synth",
        "a cross-encoder from judgments; its scores for what a log's queries find",
    ),
    ("sweep crossval", "the best settings on dev; a recipe's worth on queries held out"),
    ("compress", "a smaller, faster encoder of one, which then stands in Encoders"),
    ("import", "judgments, clicks, logs, query sets; `rankbench --help` has the rest"),
)
NUMBERS = (
    ("E S C I ·", "Exact, Substitute, Complement, Irrelevant, not judged"),
    ("* ! ≠", "graded by a person; flagged bad; a person's word against the imported judgment"),
    ("▲3 ▼2 = new", "places up or down against the other list; new: not found there"),
    ("›", "the row under the cursor, and the same product in the other list"),
    ("NDCG@10", "gain of the first ten of the whole catalog, against the best order; 0 to 1"),
    ("NDCG", "the same over the judged products alone, at full depth"),
    ("MRR@10", "one over the rank of the first Exact; 0 where none is in the ten"),
    ("R@50", "share of the Exact products among the first fifty"),
    ("RBO", "how alike the two rankings are, the top weighing most; 1 is the same"),
    (
        "judged@10",
        "share of the first ten that has a grade (judged, in a narrow list; left→right in the "
        "queries, sorted by the lower one)",
    ),
    ("RBO ideal", "how alike this side and a ranking by grade are (ideal, in a narrow list)"),
    (
        "drop",
        "cosine of query and product, less the cosine without the word; drops do not add up",
    ),
    (
        "dev NDCG@10",
        "of a run: on the dev queries, over a part of the catalog that is the same for all its "
        "weights; higher than the measure of F2",
    ),
    ("pair", "a right result of a query against a wrong one: what a run on verdicts learns from"),
    (
        "right",
        "graded: Exact by a person; judged: by the imported judgments; agreed top: lacking both, "
        "the best result that all sides have in their first ten and nobody graded lower",
    ),
    (
        "replay row",
        "a query that nobody flagged, ranked as the base does: against forgetting",
    ),
    ("unseen, seen", "whether this encoder was trained or chosen on the query: trust unseen"),
    ("sees ±.03", "so many queries show a true difference of .03 four times in five"),
    (
        "safe to try",
        "twenty unseen queries or more lose at most .02 NDCG@10, by the interval's lower end",
    ),
    (
        "swing",
        "how the mean NDCG@10 change would move were the product Exact, not Irrelevant; + to the "
        "right side's good",
    ),
    ("bounds", "between these the mean change stays, whatever grades the holes get"),
    ("saved", "the last answer of the session before; a live one follows"),
)


class HelpScreen(ModalScreen[None]):
    """One page to scroll, opened at the section of the screen under it.

    Args:
        section: its head, such as "in Train"; "" for the beginning.
    """

    CSS_PATH = "modal.tcss"
    AUTO_FOCUS = "#pages"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q,f1,question_mark", "dismiss", "Back", show=False)
    ]

    def __init__(self, section: str = "") -> None:
        super().__init__()
        self._text = help_text()
        heads = self._text.plain.split("\n")
        self._line = heads.index(section) if section and section in heads else 0

    def on_mount(self) -> None:
        pages = self.query_one("#pages", VerticalScroll)
        self.call_after_refresh(pages.scroll_to, y=self._line, animate=False)

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            with VerticalScroll(classes="pages", id="pages"):
                yield Static(self._text, markup=False)
            yield KeyLine(HINTS, id="keys")

    async def action_dismiss(self, result: None = None) -> None:
        self.dismiss(None)

    @on(events.Click)
    def _outside(self, event: events.Click) -> None:
        if event.widget is self:
            self.dismiss(None)


def help_text() -> Text:
    """The page as text, wrapped for 80 columns with every explanation under its own column."""
    strong, faint = Style(bold=True), Style(dim=True)
    text = Text()

    def entry(name: str, says: str, indent: int) -> None:
        first, *more = textwrap.wrap(says, _WIDTH - indent)
        text.append(f"  {name}".ljust(indent), strong)
        text.append("".join(f"{line}\n{' ' * indent}" for line in (first, *more)).rstrip(" "))

    for key, says in KEYS:
        if says:
            entry(key, says, 19)
        else:
            text.append(f"{key}\n", faint)
    text.append("what is shown\n", faint)
    for name, says in NUMBERS:
        entry(name, says, 17)
    return text
