"""A plain list of queries: one a line, `#` before a remark."""

from __future__ import annotations

from pathlib import Path

from engine.errors import RankbenchError
from engine.formats.encoding import read_entries


def read_queries(path: Path) -> list[str]:
    """The queries of the file, each once, in its order.

    Raises:
        RankbenchError: it cannot be read, or holds no query.
    """
    queries = list(dict.fromkeys(text for _, text in read_entries(path)))
    if not queries:
        raise RankbenchError(f"{path} lists no query.", "Write one query a line.")
    return queries
