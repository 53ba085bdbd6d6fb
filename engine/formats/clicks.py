"""Click logs with positions: which product stood where for which query, and whether it was clicked.

UBI events (JSON lines): an `impression` row for each product shown, a `click` row for each click,
both with `event_attributes.object.object_id`, `event_attributes.position.ordinal` and a `query_id`
that joins them. Or a table with a row for each product shown: query, product_id, position, clicked
(0 or 1); or with counts: impressions (views of the product at that position) and clicks. Positions
that begin at 0 are counted from 1, for each UBI application by itself.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.catalog.normalise import clean_query, normalise_query
from engine.errors import RankbenchError
from engine.formats.columns import JUDGMENT_NAMES, match_names
from engine.formats.tables import load_table

if TYPE_CHECKING:
    import polars as pl

NAMES: Mapping[str, tuple[str, ...]] = {
    "query": ("user_query", *JUDGMENT_NAMES["query"]),
    "product_id": JUDGMENT_NAMES["product_id"],
    "position": ("position", "rank", "ordinal", "pos"),
    "clicked": ("clicked", "click", "clicks", "is_click", "was_clicked"),
}
_VIEWS = {"views": ("impressions", "impression_count", "n_impressions", "views")}
_YES, _NO = ("true", "yes", "y", "t"), ("false", "no", "n", "f", "", "null", "none", "nan")
_SHOWN, _CLICKED = "impression", "click"
_NEEDED = (
    "Impressions and clicks both need query_id, event_attributes.object.object_id and "
    "event_attributes.position.ordinal; or give a table with query, product_id, position and "
    "clicked, or impressions and clicks."
)


@dataclass(frozen=True, slots=True)
class Shown:
    """One product at one position, from 1: how often it was shown there, and of these clicked."""

    query: str
    product_id: str
    position: int
    views: int
    clicks: int


@dataclass(frozen=True, slots=True)
class ClickLog:
    """What was shown, and clicked.

    Attributes:
        shown: queries by the normaliser's key.
        spellings: key -> the most frequent spelling.
        format: "ubi" or "table".
        dropped: reason -> rows left out.
        notes: one sentence each on what was guessed.
    """

    shown: tuple[Shown, ...]
    spellings: Mapping[str, str]
    format: str
    dropped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_clicks(path: Path) -> ClickLog:
    """Read a click log.

    Raises:
        RankbenchError: an unreadable file, or one without impressions, clicks or positions, or
            with clicks that are neither 0 or 1 nor counted beside impressions; the message says
            which.
    """
    table = load_table(Path(path))
    if {"action_name", "query_id"} <= set(table.frame.columns):
        return _of_ubi(table.frame, path)
    found = match_names(table.frame.columns, NAMES)
    missing = [name for name in NAMES if name not in found]
    if missing:
        raise RankbenchError(
            f"{path} is no click log: it has no {', '.join(missing)}, but "
            f"{', '.join(table.frame.columns[:12])}.",
            "Give UBI events, or a table with query, product_id, position and clicked (0 or 1), a "
            "row for each product shown.",
        )
    query, product, position, clicked = (table.frame[found[name]].to_list() for name in NAMES)
    counted = match_names(table.frame.columns, _VIEWS).get("views")
    if counted is None:
        views, clicks = [1] * len(query), [_one(text, found["clicked"], path) for text in clicked]
    else:
        # An outer join leaves the clicks of what nobody clicked empty.
        views = [_whole(text) for text in table.frame[counted]]
        clicks = [_whole(text or "0") for text in clicked]
    rows = zip(query, product, map(_whole, position), views, clicks, strict=True)
    log = _gathered(((*row, "") for row in rows), "table", {}, path)
    if counted is None:
        return log
    note = f"A table of counts: its {counted} are views, its {found['clicked']} the clicks of them."
    return replace(log, notes=(note, *log.notes))


Row = tuple[str | None, str | None, int | None, int | None, int | None, str]
"""Query, product, position, views, clicks, application."""


def say_dropped(dropped: Mapping[str, int]) -> list[str]:
    """`1 row without …`, `2 rows without …`: each reason begins with its noun in the plural."""
    told = []
    for why, many in dropped.items():
        noun, _, rest = why.partition(" ")
        told.append(f"{many:,} {noun.removesuffix('s') if many == 1 else noun} {rest}")
    return told


def _of_ubi(frame: pl.DataFrame, path: Path) -> ClickLog:
    texts = _texts(frame)
    shown: dict[tuple[str, str], list[Any]] = {}
    counts: Counter[str] = Counter()
    clicks: list[tuple[str, str]] = []
    for row in _events(frame):
        key = (row["query_id"] or "", row["product_id"] or "")
        counts[row["action"]] += 1
        counts[f"{row['action']} with a position"] += row["position"] is not None
        if row["action"] == _CLICKED:
            clicks.append(key)
        elif key not in shown:
            query = row["user_query"] or texts.get(key[0])
            shown[key] = [query, key[1], row["position"], 1, 0, row["application"]]
        else:
            counts["again"] += 1
    _check(counts, path)
    dropped: Counter[str] = Counter()
    for key in clicks:
        if key in shown:
            shown[key][4] = 1
        else:
            dropped["clicks on a product whose impression the file does not hold"] += 1
    if counts["again"]:
        dropped["impressions of a product that its search had shown already"] = counts["again"]
    return _gathered((tuple(row) for row in shown.values()), "ubi", dropped, path)


def _events(frame: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Impressions and clicks, with what their attributes say."""
    names = ("action_name", "query_id", "user_query", "application", "event_attributes")
    cells = (frame[n].to_list() if n in frame.columns else [None] * frame.height for n in names)
    for action, query_id, query, application, text in zip(*cells, strict=True):
        if action not in (_SHOWN, _CLICKED):
            continue
        told = _attributes(text)
        yield {
            "action": action,
            "query_id": query_id,
            "user_query": query,
            "application": application or "",
            "product_id": _text(told, "object", "object_id"),
            "position": _whole(_text(told, "position", "ordinal")),
        }


def _texts(frame: pl.DataFrame) -> dict[str, str]:
    """query_id -> the text that any row of that search gives."""
    found: dict[str, str] = {}
    names = ("query_id", "user_query", "action_name", "message")
    cells = (frame[n].to_list() if n in frame.columns else [None] * frame.height for n in names)
    for query_id, query, action, message in zip(*cells, strict=True):
        text = query or (message if action in ("search", "on_search") else None)
        if query_id and text:
            found.setdefault(query_id, text)
    return found


def _gathered(rows: Any, kind: str, dropped: Mapping[str, int], path: Path) -> ClickLog:
    """The rows that are whole, their positions from 1."""
    lost: Counter[str] = Counter(dropped)
    kept: list[Row] = []
    for row in rows:
        query, product, position, views, clicks, _ = row
        if not clean_query(query or "") or not product:
            lost["impressions without a query or a product"] += 1
        elif position is None or position < 0:
            lost["impressions without a position from 0, a whole number"] += 1
        elif views is None or clicks is None:
            lost["rows whose impressions or clicks are no whole number"] += 1
        elif not 0 <= clicks <= views or not views:
            lost["rows without impressions, or with more clicks than these"] += 1
        else:
            kept.append(row)
    left = f" Left out: {'; '.join(say_dropped(lost))}." if lost else ""
    if not kept:
        raise RankbenchError(f"{path} holds no product shown at a position.{left}", _NEEDED)
    if not any(row[4] for row in kept):
        views = sum(row[3] or 0 for row in kept)
        what = f"{path} holds {views:,} {'impression' if views == 1 else 'impressions'}"
        raise RankbenchError(f"{what} and no click on one.{left}", _NEEDED)
    from_zero = {row[5] for row in kept if row[2] == 0}
    spelled: dict[str, Counter[str]] = {}
    shown = []
    for query, product, position, views, clicks, application in kept:
        text = clean_query(query or "")
        key = normalise_query(text)
        spelled.setdefault(key, Counter())[text] += views
        at = int(position or 0) + (application in from_zero)
        shown.append(Shown(key, str(product), at, views, clicks))
    notes = ("Positions begin at 0 in it; they are counted from 1.",) if from_zero else ()
    spellings = {key: said.most_common(1)[0][0] for key, said in spelled.items()}
    return ClickLog(tuple(shown), spellings, kind, dict(lost), notes)


def _check(counts: Mapping[str, int], path: Path) -> None:
    """Say what a UBI file lacks for a click model."""
    shown, clicked = counts.get(_SHOWN, 0), counts.get(_CLICKED, 0)
    if not shown or not clicked:
        have, lack = ("clicks", "impressions") if clicked else ("impressions", "clicks")
        what = f"{path} holds {shown or clicked:,} {have} and no {lack}"
        what = what if shown or clicked else f"{path} holds neither impressions nor clicks"
        why = ": what was shown and not clicked cannot be told" if clicked else ""
        raise RankbenchError(f"{what}{why}.", _NEEDED)
    if not counts.get(f"{_SHOWN} with a position"):
        raise RankbenchError(
            f"{path} holds {shown:,} impressions and {clicked:,} clicks, none of the impressions "
            "with a position: how likely each was to be looked at cannot be told.",
            _NEEDED,
        )


def _attributes(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(told: Mapping[str, Any], outer: str, inner: str) -> str | None:
    value = told.get(outer)
    value = value.get(inner) if isinstance(value, dict) else None
    return None if value is None else str(value)


def _whole(text: str | None) -> int | None:
    """The whole number that a text is; None for others, an average too."""
    try:
        number = float(text) if text is not None else 0.5
        return int(number) if number.is_integer() else None
    except ValueError:
        return None


def _one(text: str | None, column: str, path: Path) -> int:
    """1 for a click, 0 for none.

    Raises:
        RankbenchError: it is a count, or anything else.
    """
    said = (text or "").strip().lower()
    number = _whole(said)
    if number in (0, 1) or said in (*_YES, *_NO):
        return int(number == 1 or said in _YES)
    raise RankbenchError(
        f"{path} holds {text!r} in {column}, where a row for each product shown has 0 or 1.",
        "For a table of counts give impressions beside clicks, by query, product_id and position.",
    )
