"""Why a hit is where it is, as lines: as many while it is awaited as when it is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.style import Style
from rich.table import Table
from rich.text import Text

from engine.ranking.comparison import Hit
from engine.ranking.side_name import parse_side
from engine.ranking.words import words_of
from workbench.text import change, count, fit, measure, printable, score
from workbench.widgets.ranking_list import movement

if TYPE_CHECKING:
    from engine.ranking.judged_near import Nearby
    from engine.ranking.why import Reading, Standing, Why, WordDrop

ROWS = 8
"""Words shown of a text at most, the strongest."""
NEAREST = 5
_KINDS = {"encoder": "cosine", "bm25": "score", "hybrid": "fused", "run": "run"}
_NAME = 24
_STRONG, _FAINT = Style(bold=True), Style(dim=True)
_NO_ENCODER = "no encoder on either side: no words to leave out, no queries to compare"

Drops = Sequence["WordDrop"]


def standing_line(
    label: str,
    side: str,
    standing: Standing | None,
    hit: Hit | None = None,
    reading: Reading | None = None,
) -> Text:
    """Where the product stands on a side: of the whole catalog once that is known."""
    line = _line(f"{label} {fit(printable(side), _NAME).rstrip()}: ", _FAINT)
    kind = _KINDS[parse_side(side).kind]
    if standing is None and hit is None:
        return line.append("…" if label.strip() == "also" else "not among the rows shown")
    rank = hit.rank if hit else standing.rank if standing else None
    value = hit.score if hit else standing.score if standing else None
    if rank is None:
        return line.append("does not find it")
    line.append(f"rank {rank:,}")
    if kind == "run":
        line.append(", by the run's order")
    elif value is not None:
        line.append(f", {kind} {score(value)}")
    if kind == "fused" and reading is not None:
        line.append(f", cosine {measure(reading.cosine)}")
    if hit is not None:
        other = "not found there" if hit.other_rank is None else f"{hit.other_rank} on the other"
        line.append(f", {movement(hit)[1]} ({other})")
    return line


def words_table(why: Why | None, rows: int) -> Table:
    """`rows` lines under two of heading: the words of the query, and of the product's text."""
    table = Table.grid(padding=(0, 1, 0, 0), expand=True)
    for _ in range(2):
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        table.add_column(width=5, justify="right", no_wrap=True)
        table.add_column(width=5, justify="right", no_wrap=True)
    heads = _heads(why, rows)
    cells = [_cells(why, part, rows) for part in ("query", "text")]
    table.add_row(*(_line(text, _FAINT) for head in heads for text in (head, "left", "right")))
    for left, right in zip(*cells, strict=True):
        table.add_row(*map(_line, (*left, *right)))
    return table


def words_note(why: Why | None, trouble: str) -> Text:
    """The line over the words: what their numbers are, or why there are none."""
    if trouble or why is None:
        return _line(trouble or "reading the words", _FAINT)
    if not any(why.readings):
        return _line(_NO_ENCODER, _FAINT)
    alone = 1 in (len(words_of(why.query)), why.words)
    rest = "a lone word has none" if alone else "strongest first"
    return _line(f"drop in cosine when a word is left out; {rest}", _FAINT)


def nearby_lines(nearby: Nearby | None, rows: int, *, waiting: bool) -> list[Text]:
    """A heading and `rows` lines: the nearest judged queries, or how far they have come."""
    if nearby is None or not nearby.ready:
        far = (
            f": {nearby.done:,} of {count(nearby.total, 'query', 'queries')} read" if nearby else ""
        )
        head = f"nearest judged queries{far or (': …' if waiting else '')}"
    elif not nearby.encoder:
        head = "nearest judged queries: –"
    else:
        name = fit(printable(nearby.encoder), _NAME).rstrip()
        head = (
            f"nearest of {nearby.total:,} judged queries by {name}: cosine, grade of this product"
        )
    hits = nearby.hits[:rows] if nearby else ()
    lines = [
        _line(f"{measure(hit.cosine)}  {hit.grade or '·'}  {printable(hit.query)}") for hit in hits
    ]
    return [_line(head, _FAINT), *lines, *[_line("")] * (rows - len(lines))]


def _heads(why: Why | None, rows: int) -> tuple[str, str]:
    if why is None or not any(why.readings):
        return "query", "text"
    read = next(reading for reading in why.readings if reading is not None)
    field = why.template if len(why.template) < 12 else "text"
    asked = len(words_of(why.query))
    return (
        f"query: {_share(rows, len(read.query), asked)}",
        f"{printable(field)}: {_share(rows, len(read.text), why.words)}",
    )


def _share(rows: int, read: int, every: int) -> str:
    """How many words are shown, of those left out in turn, of those there are."""
    if read < every:
        return f"first {read} of {every:,}"
    return f"{rows} of {every} words" if rows < every else count(every, "word")


def _cells(why: Why | None, part: str, rows: int) -> list[tuple[str, str, str]]:
    if why is None:
        return [("", "", "")] * rows
    # By now the search thread has imported it, and what is heavy in it.
    from engine.ranking.why import strongest

    drops = [_drops(reading, part) for reading in why.readings]
    found = [
        (printable(word), change(left), change(right)) for word, left, right in strongest(*drops)
    ][:rows]
    return found + [("", "", "")] * (rows - len(found))


def _drops(reading: Reading | None, part: str) -> Drops | None:
    return None if reading is None else reading.query if part == "query" else reading.text


def _line(text: str, style: Style | str = "") -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")
