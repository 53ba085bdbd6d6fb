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
    lines = read_text(path).text.splitlines()
    queries = list(dict.fromkeys(filter(None, map(query_of, lines))))
    if not queries:
        raise RankbenchError(f"{path} lists no query.", "Write one query a line.")
    return queries


def read_lines(path: Path) -> list[str]:
    """The lines of a list that is written back, as they stand, remarks too.

    Raises:
        RankbenchError: the file cannot be read, or is not UTF-8: what was guessed is not written.
    """
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not UTF-8 text" if isinstance(error, ValueError) else error.strerror
        raise RankbenchError(
            f"The list of queries {path} cannot be read: {why or error}.",
            "Write one query a line, in UTF-8; # begins a remark.",
        ) from None


def query_of(line: str) -> str:
    """The query a line of a list holds, "" for a remark or an empty line."""
    text = line.strip()
    return "" if text.startswith("#") else text
