"""Runs (what a system returned) and qrels, in the form that trec_eval and its kin read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import polars as pl

from engine.errors import RankbenchError
from engine.formats.columns import match_names
from engine.formats.encoding import decode, read_bytes
from engine.formats.tables import load_table
from engine.formats.trec import decode_id, encode_id
from engine.formats.writing import write_lines

_RUN_NAMES: Mapping[str, tuple[str, ...]] = {
    "query_id": ("query_id", "queryid", "qid", "topic_id", "topic"),
    "query": ("query", "query_text", "search_term", "keyword", "user_query", "search_query"),
    "product_id": (
        "product_id", "productid", "doc_id", "docid", "docno", "document_id", "asin", "sku",
        "item_id", "object_id", "product", "doc", "id",
    ),
    "rank": ("rank", "position", "doc_position", "result_position", "pos"),
    "score": ("score", "relevance_score", "_score", "sim", "similarity"),
}  # fmt: skip


def write_run(path: Path, rankings: Mapping[str, Sequence[str]], tag: str = "rankbench") -> None:
    """Write `query_id Q0 product_id rank score tag` lines.

    Args:
        rankings: query id -> product ids, best first.
        tag: the system's name, one word.

    The score is depth - rank + 1, so that no two are equal and trec_eval, which sorts by a
    float32 score, keeps the order.

    Raises:
        RankbenchError: the file cannot be written.
    """
    tag = "_".join(tag.split()) or "rankbench"

    def lines() -> Iterable[str]:
        for query_id, products in rankings.items():
            query = encode_id(query_id)
            for rank, product in enumerate(products, 1):
                score = len(products) - rank + 1
                yield f"{query} Q0 {encode_id(product)} {rank} {score} {tag}\n"

    write_lines(path, lines())


def write_qrels(path: Path, relevances: Mapping[str, Mapping[str, int]]) -> None:
    """Write `query_id 0 product_id relevance` lines.

    Args:
        relevances: query id -> product id -> relevance, a whole number.

    Raises:
        RankbenchError: a relevance that is no whole number, or the file cannot be written.
    """

    def lines() -> Iterable[str]:
        for query_id, products in relevances.items():
            query = encode_id(query_id)
            for product, relevance in products.items():
                if relevance != int(relevance):
                    raise RankbenchError(
                        f"Relevance {relevance} of {product} is no whole number.",
                        "qrels hold whole numbers: choose gains that have a common multiple.",
                    )
                yield f"{query} 0 {encode_id(product)} {int(relevance)}\n"

    write_lines(path, lines())


def read_run(path: Path) -> dict[str, list[str]]:
    """Query -> product ids, best first; a product that repeats counts at its best place.

    Reads a TREC run, ordered by score (equal ones by rank), or a CSV with `query_id` or `query`
    and `product_id`, ordered by `rank`, else by `score`, else as the rows stand. The keys are the
    query ids, or, where a CSV has none, the query texts.

    Raises:
        RankbenchError: unreadable, a malformed line with its number, or no column for the query
            or the product.
    """
    path = Path(path)
    raw = read_bytes(path)
    if not raw.startswith(b"PAR1"):
        text = decode(raw, path).text
        if _is_trec(text):
            return _parse_trec(text, path)
    frame = load_table(path).frame
    found = match_names(frame.columns, _RUN_NAMES)
    key = "query_id" if "query_id" in found else "query"
    if key not in found or "product_id" not in found:
        raise RankbenchError(
            f"{path} is not a run: it has the columns {', '.join(frame.columns)}.",
            "Give `query_id` or `query`, `product_id`, and `rank` or `score`; or a TREC run.",
        )
    rows = frame.select(
        pl.col(source).str.strip_chars().alias(role) for role, source in found.items()
    )
    rows = rows.drop_nulls([key, "product_id"])
    for column, descending in (("rank", False), ("score", True)):
        if column in found:
            number = pl.col(column).cast(pl.Float64, strict=False).fill_nan(None)
            rows = rows.sort(number, descending=descending, nulls_last=True, maintain_order=True)
            break
    order = frame[found[key]].str.strip_chars().drop_nulls().unique(maintain_order=True)
    run: dict[str, dict[str, None]] = {query: {} for query in order.to_list()}
    for query, product in rows.select(key, "product_id").iter_rows():
        run[query].setdefault(product)
    return {query: list(products) for query, products in run.items() if products}


def _is_trec(text: str) -> bool:
    line = next((line for line in text.split("\n") if line.strip()), "")
    parts = line.split()
    return len(parts) in (5, 6) and _float(parts[4]) is not None and _float(parts[3]) is not None


def _parse_trec(text: str, path: Path) -> dict[str, list[str]]:
    rows: dict[str, list[tuple[float, float, str]]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        parts = line.split()
        if not parts:
            continue
        rank = _float(parts[3]) if len(parts) in (5, 6) else None
        score = _float(parts[4]) if len(parts) in (5, 6) else None
        if rank is None or score is None:
            raise RankbenchError(
                f"Line {number} of {path} is no line of a run.",
                "Each line is `query_id Q0 product_id rank score tag`.",
            )
        rows.setdefault(decode_id(parts[0]), []).append((-score, rank, decode_id(parts[2])))
    return {
        query: list(dict.fromkeys(product for _, _, product in sorted(entries)))
        for query, entries in rows.items()
    }


def _float(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value == value else None
