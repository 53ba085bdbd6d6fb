"""Search logs: what people typed, as User Behavior Insights, as a table, or one search a line.

UBI (https://o19s.github.io/ubi) gives a search a `query_id`, and writes a row for each request that
it took (the hits, the facets) and for each event that followed. Of equal `query_id` and text they
are one search. Events name the text as `user_query`, or as the `message` of a search.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.catalog.normalise import clean_query, normalise_query
from engine.catalog.queries import WEIGHT, weight_of
from engine.errors import RankbenchError
from engine.formats.columns import JUDGMENT_NAMES, match_names
from engine.formats.delimited import sniff_delimiter
from engine.formats.encoding import Text, decode, read_bytes
from engine.formats.tables import is_json, load_table

if TYPE_CHECKING:
    import polars as pl

NAMES: Mapping[str, tuple[str, ...]] = {
    "query": ("user_query", *JUDGMENT_NAMES["query"], "queries", "top_queries", "search_phrase"),
    "searches": (
        "searches", "search_count", "num_searches", "total_searches", "query_count", "count",
        "frequency", "freq", "search_volume", "volume", "n", "total", "traffic", "weight",
    ),
}  # fmt: skip
_SEARCHES = ("search", "on_search")
_EMPTY, _NO_COUNT = "without a query", "whose count is no number above 0"
# Lines that tell a table under names we do not know from a plain list with a comma here and there.
_LINES = 100


@dataclass(frozen=True, slots=True)
class SearchLog:
    """How often each query was searched.

    Attributes:
        queries: normalised query -> (its most frequent spelling, searches).
        format: "ubi", "table" or "lines".
        counted: the column that holds the searches; "" where every row is one.
        repeated: rows of a search that another row had counted.
        dropped: reason -> rows left out.
        notes: one sentence each on what was guessed.
    """

    queries: Mapping[str, tuple[str, float]]
    format: str
    counted: str = ""
    repeated: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def searches(self) -> float:
        return sum(searches for _, searches in self.queries.values())


def read_search_log(path: Path) -> SearchLog:
    """Count the searches of each query, spellings under which they are the same query together.

    A UBI file of queries or events (JSON lines), a table with a query column (CSV, JSON, Parquet)
    and maybe one of counts, or plain lines, each a search; any of them also as `.gz`.

    Raises:
        RankbenchError: an unreadable file, a table without a query column, or no search in it.
    """
    path = Path(path)
    raw = read_bytes(path)
    text = None if raw.startswith(b"PAR1") else decode(raw, path)
    if text is not None and not is_json(text.text.lstrip(), path) and not _has_header(text, path):
        log = _tallied(((line, 1.0) for line in text.text.splitlines()), "lines", text.notes)
    else:
        table = load_table(path)
        log = _of_table(table.frame, table.notes, path)
    if not log.queries:
        raise RankbenchError(f"{path} holds no search.", "Give one search a line, or a row.")
    return log


def _has_header(text: Text, path: Path) -> bool:
    """Whether the first line names a query column."""
    lines = [line for line in text.text.splitlines() if line.strip()][:_LINES]
    if not lines:
        return False
    delimiter = sniff_delimiter("\n".join(lines), path.name)
    rows = list(csv.reader(lines, delimiter=delimiter)) if delimiter else [[lines[0].strip(' "\r')]]
    if "query" in match_names(rows[0], NAMES):
        return True
    even = bool(delimiter) and len(rows) > 1 and len({len(row) for row in rows}) == 1
    # Two lines alike may be two searches with a comma, but hardly where the second has a number.
    if even and (len(rows) > 2 or any(_is_number(cell) for cell in rows[1])):
        raise _no_query(path, rows[0])
    return False


def _of_table(frame: pl.DataFrame, notes: tuple[str, ...], path: Path) -> SearchLog:
    names = frame.columns
    if "query_id" in names and {"user_query", "action_name"} & set(names):
        return _of_ubi(frame, notes)
    found = match_names(names, NAMES)
    if "query" not in found:
        raise _no_query(path, names)
    queries, counted = frame[found["query"]].to_list(), found.get("searches", "")
    if not counted:
        others = [name for name in names if name != found["query"]]
        if numbers := [name for name in others if _is_counts(name, frame[name].to_list())]:
            notes = (*notes, _uncounted(numbers))
        return _tallied(((query, 1.0) for query in queries), "table", notes)
    counts = (weight_of({WEIGHT: cell or ""}) for cell in frame[counted].to_list())
    return _tallied(zip(queries, counts, strict=True), "table", notes, counted)


def _is_number(cell: str | None) -> bool:
    return weight_of({WEIGHT: cell or ""}) is not None


def _is_counts(name: str, cells: Iterable[str | None]) -> bool:
    """Whether a column of a name that we do not know may be meant as counts."""
    words = name.lower().replace("-", "_").split("_")
    told = [cell for cell in cells if cell]
    return bool(told) and "id" not in words and all(map(_is_number, told))


def _uncounted(names: Iterable[str]) -> str:
    return (
        f"Each row is one search: numbers in {', '.join(names)} are not read as counts, but they "
        "are where the column is called `searches`."
    )


def _of_ubi(frame: pl.DataFrame, notes: tuple[str, ...]) -> SearchLog:
    seen: set[tuple[str, str]] = set()
    repeated = 0

    def searches() -> Iterator[tuple[str, float]]:
        nonlocal repeated
        for search, text, asked in _ubi_rows(frame):
            if not text:
                if asked:
                    yield "", 1.0
                continue
            key = (search, normalise_query(text))
            if search and key in seen:
                repeated += 1
            elif search or asked:
                seen.add(key)
                yield text, 1.0

    log = _tallied(searches(), "ubi", notes)
    return SearchLog(log.queries, "ubi", "", repeated, log.dropped, notes)


def _ubi_rows(frame: pl.DataFrame) -> Iterator[tuple[str, str, bool]]:
    """(query_id, text, whether the row is a search rather than what followed one)."""
    names = ("query_id", "user_query", "action_name", "message")
    cells = (frame[n].to_list() if n in frame.columns else [None] * frame.height for n in names)
    for search, text, action, message in zip(*cells, strict=True):
        asked = not action or action in _SEARCHES
        told = text or (message if action in _SEARCHES else "")
        yield search or "", told or "", asked


def _tallied(
    rows: Iterable[tuple[str | None, float | None]],
    kind: str,
    notes: tuple[str, ...],
    counted: str = "",
) -> SearchLog:
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    keys: dict[str, str] = {}
    dropped: Counter[str] = Counter()
    for given, searches in rows:
        text = clean_query(given or "")
        key = keys.get(text)
        if key is None:
            key = keys[text] = normalise_query(text)
        if not key:
            dropped[_EMPTY] += 1
        elif not searches:
            dropped[_NO_COUNT] += 1
        else:
            spellings[key][text] += searches  # type: ignore[assignment]
    queries = {
        key: (said.most_common(1)[0][0], float(said.total())) for key, said in spellings.items()
    }
    return SearchLog(queries, kind, counted, dropped=dict(dropped), notes=notes)


def _no_query(path: Path, names: Iterable[str]) -> RankbenchError:
    return RankbenchError(
        f"{path} has no column of queries among {', '.join(names)}.",
        "Name it `query` (and one of counts `searches`), or write one search a line.",
    )
