"""TREC's plain text forms: qrels and topics."""

from __future__ import annotations

import html
import re
from pathlib import Path

import polars as pl

from engine.errors import RankbenchError

# Spaces would break the columns of qrels and runs; those in ids travel as percent codes.
_CODES = {"%20": " ", "%09": "\t", "%0A": "\n", "%0D": "\r", "%25": "%"}
_ENCODED = re.compile("|".join(_CODES))
_QRELS_LINE = re.compile(r"\S+\s+\S+\s+\S+\s+[+-]?\d+(\.\d+)?\s*\Z")
_TAG = re.compile(r"</?[a-zA-Z][^>]*>")
# In `id<TAB>query` lines a tag is part of a query.
_TOPIC_START = re.compile(r"(?im)^[^\t\n]*<(?:top|topic|DOC|num)\b")
_ID_HEADERS = {"query_id", "queryid", "qid", "id", "_id", "number", "topic", "topic_id"}
_TEXT_HEADERS = {"query", "text", "title", "query_text"}


def encode_id(text: str) -> str:
    """An id as one TREC token: whitespace as `%20` and the like, ids without it unchanged."""
    if not text:
        raise RankbenchError("An empty id cannot be written in TREC form.", "Give it a value.")
    if not re.search(r"\s", text) and not _ENCODED.search(text):
        return text
    text = text.replace("%", "%25")
    for code, plain in _CODES.items():
        if plain != "%":
            text = text.replace(plain, code)
    return re.sub(r"\s", "_", text)


def decode_id(token: str) -> str:
    """The id that `encode_id` wrote."""
    return _ENCODED.sub(lambda match: _CODES[match[0]], token)


def is_qrels(text: str) -> bool:
    """Whether the first lines have the four columns of qrels, a number last."""
    lines = [line for line in text[:20_000].split("\n")[:20] if line.strip()]
    return bool(lines) and all(_QRELS_LINE.match(line) for line in lines[:-1] or lines)


def parse_qrels(text: str, path: Path) -> pl.DataFrame:
    """`query_id iteration product_id relevance` lines into [query_id, product_id, label].

    Raises:
        RankbenchError: a line that has not four columns, with its number.
    """
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        parts = line.split()
        if not parts:
            continue
        if len(parts) != 4:
            raise RankbenchError(
                f"Line {number} of {path} has {len(parts)} columns; qrels have four.",
                "Each line is `query_id 0 product_id relevance`.",
            )
        rows.append((decode_id(parts[0]), decode_id(parts[2]), parts[3]))
    names = ("query_id", "product_id", "label")
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


def topics_beside(path: Path) -> Path:
    """Where the queries' texts of the qrels file `path` are written."""
    return path.with_name(f"{path.stem}.topics.tsv")


def is_topics(text: str) -> bool:
    """Whether the text is tagged topics, or `id<TAB>query` or `id:query` lines without header."""
    if _TOPIC_START.search(text[:2000]):
        return True
    line = text.lstrip().split("\n", 1)[0].rstrip("\r")
    parts = line.split("\t")
    if len(parts) == 2:
        first, second = (part.strip().lower() for part in parts)
        # `q7<TAB>title` is a query like any other.
        header = first in _ID_HEADERS | _TEXT_HEADERS or (
            second in _ID_HEADERS | _TEXT_HEADERS and not re.search(r"\d", first)
        )
        return not header
    return len(parts) == 1 and "," not in line and bool(re.match(r"[A-Za-z]*\d+:", line))


def parse_topics(text: str, path: Path) -> pl.DataFrame:
    """Topics into [query_id, query]: `<num>` and `<title>` tags, or one `id<TAB>query` a line.

    Raises:
        RankbenchError: a line or a topic without id or text.
    """
    rows = _tagged(text) if _TOPIC_START.search(text[:2000]) else _lines(text, path)
    if not rows:
        raise RankbenchError(
            f"{path} holds no topics.", "Give `<num>` and `<title>`, or `id<TAB>query` lines."
        )
    return pl.DataFrame(rows, schema={"query_id": pl.String, "query": pl.String}, orient="row")


def _lines(text: str, path: Path) -> list[tuple[str, str]]:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        parts = re.split(r"\t" if "\t" in line else r":", line.strip(), maxsplit=1)
        if len(parts) != 2 or not parts[0].strip():
            raise RankbenchError(
                f"Line {number} of {path} is no topic.", "Each line is `id<TAB>query`."
            )
        rows.append((decode_id(parts[0].strip()), parts[1].strip()))
    return rows


def _tagged(text: str) -> list[tuple[str, str]]:
    rows = []
    for block in re.split(r"(?i)<top(?:ic)?\b(?![a-z])", text)[1:] or [text]:
        number = re.match(r"[^>]*?\b(?:number|id)\s*=\s*[\"']?([^\"'\s>]+)", block)
        identity = number[1] if number else _field(block, "num|number|id")
        query = _field(block, "query") or _field(block, "title")
        identity = re.sub(r"(?i)^number\s*:?\s*", "", identity).strip()
        if identity and query:
            rows.append((identity, query))
    return rows


def _field(block: str, names: str) -> str:
    """The text after an opening tag up to the next tag: old topics close none."""
    match = re.search(rf"(?is)<(?:{names})\b[^>]*>(.*?)(?=<|\Z)", block)
    if not match:
        return ""
    value = html.unescape(_TAG.sub(" ", match[1]))
    return " ".join(re.sub(r"(?i)^\s*topic\s*:", "", value).split())
