"""Lists of queries as plain text: one query a line, empty lines and `#` remarks skipped."""

from __future__ import annotations

from pathlib import Path

from engine.errors import RankbenchError
from engine.formats.encoding import read_text


def read_queries(path: Path) -> list[str]:
    """The queries of a list, each once, in its order.

    Raises:
        RankbenchError: the file cannot be read, or lists no query.
    """
    queries = list(dict.fromkeys(filter(None, map(query_of, read_lines(path)))))
    if not queries:
        raise RankbenchError(f"{path} lists no query.", "Write one query a line.")
    return queries


def read_lines(path: Path) -> list[str]:
    """The lines of a list as they stand, remarks too.

    Raises:
        RankbenchError: the file cannot be read.
    """
    return read_text(path).text.splitlines()


def query_of(line: str) -> str:
    """The query a line of a list holds, "" for a remark or an empty line."""
    text = line.strip()
    return "" if text.startswith("#") else text
