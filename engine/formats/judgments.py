"""Judgments from any format into one frame with the grades E, S, C, I."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from engine.catalog.normalise import clean_query
from engine.errors import RankbenchError
from engine.formats import esci, opensearch, quepid, trec, wands
from engine.formats.columns import JUDGMENT_NAMES, match_names, slug
from engine.formats.encoding import decode, read_bytes
from engine.formats.grades import (
    MISSING,
    ORDER_MAPPING,
    check_scale,
    map_grades,
    map_order,
)
from engine.formats.tables import Table, load_json, load_table
from engine.formats.writing import FORMULA

_QUERIES_TODO = "Name a file with the queries' texts: `--queries FILE` (query_id, query)."


@dataclass(frozen=True, slots=True)
class JudgmentFile:
    """Judgments as read.

    Attributes:
        frame: query_id, query, product_id, grade ("E", "S", "C", "I"), value (the raw grade);
            all non-null strings, one row a (query, product), in the file's order.
        queries: query_id, query, then every further column that says one thing a query (split,
            stratum, ...), nullable strings; only queries with a judgment.
        format: "csv", "qrels", "quepid", "opensearch", "esci" or "wands".
        scale: how the grades were read (see `grades`).
        mapping: raw value, or range of values, -> grade.
        counts: judgments, queries, E, S, C, I; duplicates (rows left out that repeat an earlier
            row's pair and grade), contradictions (those that repeat the pair with another grade).
        dropped: reason -> rows left out.
        made_ids: whether the query ids were made here, from the order of the queries.
        notes: one sentence each on what was guessed.
    """

    frame: pl.DataFrame
    queries: pl.DataFrame
    format: str
    scale: str
    mapping: Mapping[str, str]
    counts: Mapping[str, int]
    dropped: Mapping[str, int]
    made_ids: bool = False
    notes: tuple[str, ...] = ()

    def unknown_products(self, product_ids: Collection[str]) -> int:
        """How many judgments name a product that is not among `product_ids`."""
        known = pl.Series(list(product_ids), dtype=pl.String).implode()
        return int((~self.frame["product_id"].is_in(known)).sum())


@dataclass(slots=True)
class _Raw:
    frame: pl.DataFrame  # some of query_id, query, product_id, label, rank; then further columns
    format: str
    names: tuple[str, ...]  # the columns as the file calls them, for a person to read
    notes: tuple[str, ...] = ()
    dropped: dict[str, int] = field(default_factory=dict)


def read_judgments(
    path: Path, *, queries: Path | None = None, scale: str | None = None
) -> JudgmentFile:
    """Read judgments, whatever their format.

    Args:
        path: CSV in any form `load_table` reads, TREC qrels, Quepid CSV, OpenSearch JSON or CSV,
            ESCI examples, WANDS labels, or a directory that holds the ESCI or WANDS files.
        queries: the queries' texts and further columns, as a table or TREC topics, joined by
            query_id, or by query where it has no ids. Without it, of TREC qrels the topics that
            an export wrote beside them.
        scale: the grades' scale (`grades.SCALES`), over the guess.

    Raises:
        RankbenchError: an unreadable file, no column for product or query, query texts that are
            nowhere, unknown grades, or no judgment left.
        UsageError: no such scale.
    """
    check_scale(scale)
    path = _judgment_file(Path(path))
    raw = _load(path)
    if queries is None and raw.format == "wands":
        queries = wands.queries_beside(path)
    if queries is None and raw.format == "qrels" and trec.topics_beside(path).is_file():
        queries = trec.topics_beside(path)
    rows = raw.frame
    if "product_id" not in rows.columns:
        raise RankbenchError(
            f"{path} has no column for the product (it has {', '.join(raw.names)}).",
            "Call it `product_id`.",
        )
    if queries is not None:
        rows = _join_queries(rows, read_queries(Path(queries)), Path(queries), raw.dropped)
    if "query" not in rows.columns:
        if "query_id" not in rows.columns:
            raise RankbenchError(
                f"{path} has no column for the query (it has {', '.join(raw.names)}).",
                "Call it `query`, and its id, where it has one, `query_id`.",
            )
        raise RankbenchError(f"{path} names queries by id and has no texts.", _QUERIES_TODO)
    rows = _clean(rows, raw.dropped)
    if rows.is_empty():
        raise _nothing(path, raw.dropped)
    made = "query_id" not in rows.columns
    if made:
        rows = _make_ids(rows)
    ordered = scale == "order" or "label" not in rows.columns
    if ordered:
        _check_order(rows, path, raw.names, asked=scale == "order")
        rows, used, mapping = _by_order(rows), "order", dict(ORDER_MAPPING)
    else:
        said = pl.col("label").str.strip_chars().str.to_lowercase().fill_null("")
        rows = _drop(rows, said.is_in(MISSING), "no grade", raw.dropped)
        if rows.is_empty():
            raise _nothing(path, raw.dropped)
        graded = map_grades(rows["label"].unique().to_list(), scale)
        used, mapping = graded.scale, graded.mapping
        rows = rows.with_columns(
            pl.col("label").replace_strict(graded.grades, return_dtype=pl.String).alias("grade"),
            pl.col("label").alias("value"),
        )
    kept, repeats = _first_of_each(rows)
    frame = kept.select("query_id", "query", "product_id", "grade", "value")
    grades = frame["grade"].to_list()
    counts = {"judgments": frame.height, "queries": frame["query_id"].n_unique()}
    counts |= {grade: grades.count(grade) for grade in "ESCI"} | repeats
    table = _query_table(kept, raw.format)
    return JudgmentFile(
        frame, table, raw.format, used, mapping, counts, raw.dropped, made, raw.notes
    )


def read_queries(path: Path) -> pl.DataFrame:
    """Queries into [query_id, query, further columns]; query_id only where the file has one.

    Reads a table with a `query` column, or TREC topics.

    Raises:
        RankbenchError: unreadable, or no column for the query's text.
    """
    raw = read_bytes(path)
    if not raw.startswith(b"PAR1"):
        text = decode(raw, path).text
        if trec.is_topics(text):
            return trec.parse_topics(text, path)
    frame = _table(path).frame
    known = {
        "query_id": (*JUDGMENT_NAMES["query_id"], "id", "_id", "number"),
        "query": (*JUDGMENT_NAMES["query"], "text", "title"),
    }
    found = match_names(frame.columns, known)
    if "query" not in found:
        raise RankbenchError(
            f"{path} has no column for the query's text (it has {', '.join(frame.columns)}).",
            "Call it `query`, and the id `query_id`.",
        )
    return _renamed(frame, found)


def _judgment_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = esci.find_examples(path) or wands.find_labels(path)
    if found is None:
        raise RankbenchError(
            f"{path} is a directory without judgments that Rankbench knows.",
            "Name a file, or a directory with the ESCI parquet pair or the WANDS files.",
        )
    return found


def _load(path: Path) -> _Raw:
    raw = read_bytes(path)
    if not raw.startswith(b"PAR1"):
        text = decode(raw, path)
        body = text.text.lstrip()
        if body.startswith(("{", "[")):
            try:
                value = load_json(body)
            except json.JSONDecodeError:
                value = None
            if opensearch.holds_ratings(value):
                return _parsed(opensearch.parse_judgments(value, path), "opensearch", text.notes)
        elif trec.is_qrels(body):
            return _parsed(trec.parse_qrels(text.text, path), "qrels", text.notes)
    table = _table(path)
    names = table.frame.columns
    kind = "csv"
    if "esci_label" in names:
        kind = "esci"
    elif opensearch.is_opensearch_csv(names):
        kind = "opensearch"
    elif quepid.is_quepid(names):
        kind = "quepid"
    elif wands.queries_beside(path) and {"query_id", "product_id", "label"} <= set(names):
        kind = "wands"
    frame = _renamed(table.frame, match_names(names, JUDGMENT_NAMES))
    return _Raw(frame, kind, tuple(names), table.notes)


def _table(path: Path) -> Table:
    """The table, its text as it was before it was made inert for a CSV (`writing.inert_cell`)."""
    table = load_table(path)
    if table.format != "csv":
        return table
    return replace(
        table, frame=table.frame.with_columns(pl.all().str.replace(f"^'({FORMULA})", "$1"))
    )


def _parsed(frame: pl.DataFrame, kind: str, notes: tuple[str, ...]) -> _Raw:
    return _Raw(frame, kind, tuple(frame.columns), notes)


def _renamed(frame: pl.DataFrame, found: Mapping[str, str]) -> pl.DataFrame:
    """Recognised columns under their role's name; the others slugged, never clashing with them."""
    roles = {source: role for role, source in found.items()}
    taken = set(found) | {"grade", "value", "columns"}
    columns = []
    for name in frame.columns:
        target = roles.get(name)
        if target is None:
            target = slug(name) or "column"
            while target in taken:
                target += "_"
            taken.add(target)
        columns.append(pl.col(name).alias(target))
    return frame.select(columns)


def _join_queries(
    rows: pl.DataFrame, queries: pl.DataFrame, path: Path, dropped: dict[str, int]
) -> pl.DataFrame:
    by_id = "query_id" in queries.columns and "query_id" in rows.columns
    key = "query_id" if by_id else "query"
    if key not in rows.columns:
        raise RankbenchError(
            f"{path} has no query ids, and the judgments have no query texts.",
            "Give the queries file a `query_id` column.",
        )
    queries = queries.with_columns(pl.col(key).str.strip_chars()).drop_nulls([key, "query"])
    queries = queries.unique(key, keep="first", maintain_order=True)
    rows = rows.with_columns(pl.col(key).str.strip_chars())
    # The queries file is the later word on everything that it says.
    rows = rows.drop([name for name in queries.columns if name in rows.columns and name != key])
    absent = queries.height - queries.join(rows, on=key, how="semi").height
    if absent:
        dropped["queries without a judgment"] = absent
    known = pl.col(key).is_in(queries[key].implode()).fill_null(False)
    rows = _drop(rows, ~known, "query not in the queries file", dropped)
    if rows.is_empty():
        raise RankbenchError(
            f"No judgment belongs to a query of {path}.", f"Check that both use the same {key}."
        )
    return rows.join(queries, on=key, how="left", maintain_order="left")


def _clean(rows: pl.DataFrame, dropped: dict[str, int]) -> pl.DataFrame:
    texts = {text: clean_query(text) for text in rows["query"].drop_nulls().unique().to_list()}
    rows = rows.with_columns(
        pl.col("query").replace_strict(texts, default=None, return_dtype=pl.String),
        pl.col("product_id").str.strip_chars(),
        *([pl.col("query_id").str.strip_chars()] if "query_id" in rows.columns else []),
    )
    rows = _drop(rows, _blank("query"), "no query", dropped)
    rows = _drop(rows, _blank("product_id"), "no product", dropped)
    if "query_id" in rows.columns:
        rows = _drop(rows, _blank("query_id"), "no query id", dropped)
    return rows


def _blank(name: str) -> pl.Expr:
    return pl.col(name).is_null() | (pl.col(name) == "")


def _drop(
    rows: pl.DataFrame, condition: pl.Expr, reason: str, dropped: dict[str, int]
) -> pl.DataFrame:
    kept = rows.filter(~condition)
    if rows.height > kept.height:
        dropped[reason] = dropped.get(reason, 0) + rows.height - kept.height
    return kept


def _make_ids(rows: pl.DataFrame) -> pl.DataFrame:
    texts = rows["query"].unique(maintain_order=True).to_list()
    width = max(4, len(str(len(texts))))
    ids = {text: f"q{number:0{width}d}" for number, text in enumerate(texts, 1)}
    return rows.with_columns(
        pl.col("query").replace_strict(ids, return_dtype=pl.String).alias("query_id")
    )


def _check_order(rows: pl.DataFrame, path: Path, names: Sequence[str], *, asked: bool) -> None:
    if asked or "rank" in rows.columns:
        return
    known = ("query_id", "query", "product_id")
    varying = [name for name in rows.columns if name not in known and not _constant(rows, name)]
    if varying:
        raise RankbenchError(
            f"{path} has no column for the grade (it has {', '.join(names)}).",
            "Call it `label`, or take the rows' order as the judgment with `--scale order`.",
        )


def _by_order(rows: pl.DataFrame) -> pl.DataFrame:
    if "rank" in rows.columns:
        place = pl.col("rank").cast(pl.Float64, strict=False).fill_null(float("inf"))
        rows = rows.sort(place, maintain_order=True)
    rows = rows.unique(["query_id", "product_id"], keep="first", maintain_order=True)
    graded = rows.with_columns(
        pl.int_range(pl.len()).over("query_id").alias("_place"),
        pl.len().over("query_id").alias("_count"),
    )
    grades = {count: map_order(count) for count in graded["_count"].unique().to_list()}
    pairs = zip(graded["_place"].to_list(), graded["_count"].to_list(), strict=True)
    grade = pl.Series("grade", [grades[count][place] for place, count in pairs], dtype=pl.String)
    value = (pl.col("_place") + 1).cast(pl.String)
    if "rank" in rows.columns:
        value = pl.coalesce("rank", value)
    return graded.with_columns(grade, value.alias("value")).drop("_place", "_count")


def _first_of_each(rows: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    pair = ["query_id", "product_id"]
    first = pl.col("grade").first().over(pair)
    place = pl.int_range(pl.len()).over(pair)
    marked = rows.with_columns(
        (place == 0).alias("_first"), (pl.col("grade") == first).alias("_same")
    )
    kept = marked.filter("_first").drop("_first", "_same")
    same = marked.filter(~pl.col("_first"))["_same"]
    agreeing = int(same.sum())
    # One id has one text: the first.
    kept = kept.with_columns(pl.col("query").first().over("query_id"))
    return kept, {"duplicates": agreeing, "contradictions": len(same) - agreeing}


def _constant(rows: pl.DataFrame, name: str) -> bool:
    return bool(rows.group_by("query_id").agg(pl.col(name).n_unique())[name].max() == 1)


def _query_table(rows: pl.DataFrame, kind: str) -> pl.DataFrame:
    ignored = {"product_id", "grade", "value", "label", "rank", "query_id", "query"}
    if kind == "quepid":
        ignored |= quepid.HOUSEKEEPING
    further = [
        name
        for name in rows.columns
        if name not in ignored and rows[name].null_count() < rows.height and _constant(rows, name)
    ]
    table = rows.select("query_id", "query", *further)
    return table.unique("query_id", keep="first", maintain_order=True)


def _nothing(path: Path, dropped: Mapping[str, int]) -> RankbenchError:
    reasons = ", ".join(f"{reason}: {count}" for reason, count in dropped.items())
    return RankbenchError(
        f"{path} holds no judgment that can be used ({reasons or 'no rows'}).",
        "Each row needs a query, a product id and a grade.",
    )
