"""Judgment lists of the OpenSearch Search Relevance Workbench.

JSON: `{"judgmentRatings": [{"query": "red dress", "ratings": [{"docId": "B1", "rating": "3"}]}]}`,
as imported, or as the search answer that holds it under `_source`. CSV: `query,docId,rating`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from engine.errors import RankbenchError
from engine.formats.tables import rows_to_frame


def is_opensearch_csv(names: Sequence[str]) -> bool:
    """Whether these are the columns of the workbench's CSV form."""
    return {"query", "docId", "rating"} <= set(names)


def holds_ratings(value: Any) -> bool:
    """Whether a JSON value is, or wraps, a judgment list."""
    return next(_lists(value), None) is not None


def parse_judgments(value: Any, path: Path) -> pl.DataFrame:
    """A judgment list into [query, product_id, label].

    Raises:
        RankbenchError: an entry without the keys that the form has.
    """
    rows = []
    for ratings in _lists(value):
        for entry in ratings:
            if not isinstance(entry, dict) or not isinstance(entry.get("ratings"), list):
                raise _malformed(path)
            for rating in entry["ratings"]:
                if not isinstance(rating, dict) or "docId" not in rating:
                    raise _malformed(path)
                rows.append(
                    {
                        "query": entry.get("query"),
                        "product_id": rating["docId"],
                        "label": rating.get("rating"),
                    }
                )
    if not rows:
        raise RankbenchError(f"{path} holds an empty judgment list.", "Export it again.")
    return rows_to_frame(rows)


def _lists(value: Any, depth: int = 0) -> Iterator[list[Any]]:
    if depth > 6:
        return
    if isinstance(value, dict):
        found = value.get("judgmentRatings")
        if isinstance(found, list):
            yield found
            return
        for item in value.values():
            yield from _lists(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _lists(item, depth + 1)


def _malformed(path: Path) -> RankbenchError:
    return RankbenchError(
        f"{path} is not a judgment list as OpenSearch writes it.",
        'Each entry is {"query": …, "ratings": [{"docId": …, "rating": …}]}.',
    )
