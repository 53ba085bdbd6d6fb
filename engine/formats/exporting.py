"""Judged queries as files that other tools read, and what each of them cannot carry."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.catalog.normalise import clean_query
from engine.catalog.queries import JudgedQuery
from engine.formats.trec import decode_id, encode_id, topics_beside
from engine.formats.writing import csv_line, inert_cell, write_lines
from engine.records import Verdict, merge

FORMATS = ("csv", "quepid", "trec", "opensearch")
RATINGS = {"E": 3, "S": 2, "C": 1, "I": 0}


def write_judged(path: Path, queries: Sequence[JudgedQuery], form: str) -> tuple[Path, ...]:
    """Write judged queries in one of `FORMATS`, sorted by query and product; returns the files.

    Ratings are 3, 2, 1, 0 for E, S, C, I where the form wants numbers. TREC has a second file
    with the queries' texts (`topics_beside`). A cell of a CSV that a spreadsheet would take for a
    formula gets an apostrophe in front, which `read_judgments` takes off.

    Raises:
        RankbenchError: a file cannot be written.
    """
    ordered = sorted(queries, key=lambda query: (query.query, query.query_id))
    if form == "trec":
        beside = topics_beside(path)
        write_lines(path, _qrels(ordered))
        write_lines(beside, (f"{encode_id(q.query_id)}\t{q.query}\n" for q in ordered))
        return path, beside
    lines = {"csv": _csv, "quepid": _quepid, "opensearch": _opensearch}[form]
    write_lines(path, lines(ordered))
    return (path,)


def not_carried(queries: Sequence[JudgedQuery], form: str) -> list[str]:
    """What the form leaves out of these queries, a few words each."""
    lost = []
    if form != "csv" and any(query.split for query in queries):
        lost.append("splits")
    if form != "csv" and any(query.columns for query in queries):
        lost.append("further columns of the queries")
    if form in ("quepid", "opensearch"):
        lost.append("query ids")
    products = {product for query in queries for product in query.grades}
    inert = sum(inert_cell(text) != text for text in {*products, *(q.query for q in queries)})
    if form == "quepid" and inert:
        lost.append(f"texts that look like a formula, without an apostrophe in front ({inert:,})")
    odd = sum(decode_id(encode_id(product)) != product for product in products)
    if form == "trec" and odd:
        lost.append(f"product ids with unusual white space ({odd:,})")
    return lost


def as_judged(
    verdicts: Sequence[Verdict], imported: Sequence[JudgedQuery] = ()
) -> list[JudgedQuery]:
    """Standing verdicts as judged queries, each spelling on its own, one grade a product.

    Args:
        verdicts: oldest first.
        imported: lend their ids to the queries of the same text.
    """
    ids = {clean_query(query.query): query.query_id for query in reversed(imported)}
    merged = merge([], verdicts, {verdict.query for verdict in verdicts})
    taken, number = set(ids.values()), 0
    found = []
    for query in sorted(merged.queries, key=lambda query: query.query):
        query_id = ids.get(query.query, "")
        while not query_id or (query.query not in ids and query_id in taken):
            number += 1
            query_id = f"v{number:04d}"
        found.append(JudgedQuery(query_id, query.query, grades=query.grades, imported=False))
    return found


def verdicts_not_carried(verdicts: Sequence[Verdict]) -> list[str]:
    """What the judgment formats leave out of these verdicts, a few words each, with counts."""
    pairs = {(verdict.query, verdict.product_id) for verdict in verdicts}
    counts = (
        (sum(verdict.bad for verdict in verdicts), "marks as a flag"),
        (sum(bool(verdict.note) for verdict in verdicts), "notes"),
        (sum(bool(verdict.side) for verdict in verdicts), "sides, ranks and encoders"),
        (len(verdicts) - len(pairs), "further judges' verdicts on the same result"),
    )
    return [f"{what} ({count:,})" for count, what in counts if count] + ["judges and times"]


def _csv(queries: Sequence[JudgedQuery]) -> Iterator[str]:
    further = sorted({name for query in queries for name in query.columns})
    yield _line(["query_id", "query", "product_id", "label", "split", *further])
    for query in queries:
        rest = [query.split, *(query.columns.get(name, "") for name in further)]
        for product, grade in sorted(query.grades.items()):
            yield _line([query.query_id, query.query, product, grade, *rest])


def _quepid(queries: Sequence[JudgedQuery]) -> Iterator[str]:
    yield "query,docid,rating\n"
    for query in queries:
        for product, grade in sorted(query.grades.items()):
            yield _line([query.query, product, str(RATINGS[grade])])


def _line(cells: Sequence[str]) -> str:
    return csv_line([inert_cell(cell) for cell in cells])


def _qrels(queries: Sequence[JudgedQuery]) -> Iterator[str]:
    for query in queries:
        for product, grade in sorted(query.grades.items()):
            yield f"{encode_id(query.query_id)} 0 {encode_id(product)} {RATINGS[grade]}\n"


def _opensearch(queries: Sequence[JudgedQuery]) -> Iterator[str]:
    """One rating a line, so that a difference is a line too."""

    def text(value: str) -> str:
        return json.dumps(value, ensure_ascii=False)

    yield '{"judgmentRatings": ['
    for at, query in enumerate(queries):
        yield f'{"," if at else ""}\n{{"query": {text(query.query)}, "ratings": ['
        for place, (product, grade) in enumerate(sorted(query.grades.items())):
            rating = f'{{"docId": {text(product)}, "rating": "{RATINGS[grade]}"}}'
            yield f"{',' if place else ''}\n  {rating}"
        yield "\n]}"
    yield "\n]}\n"
