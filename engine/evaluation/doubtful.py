"""Judgments to look at again: contradictory, duplicate, suspicious. Nothing here changes one.

Contradictory: one query (or an equivalent spelling of it, by the one normaliser) and product with
different grades by different sources. A source is a judge, by what stands of his verdicts, or an
imported file, by the newest import that has the pair: a grade that was corrected and read again
contradicts nothing. A row that was taken out of a file is kept, and counts until another import or
a person grades the pair: it is told as of an earlier import.

Duplicate: a pair that stands twice under two ids of one query, so that it counts twice in every
mean; or two products of one query whose encoded text is the same and whose grades differ, so that
no encoder can respect both.

Suspicious: a grade that everything disagrees with. Of the indexed encoders and bm25, all rank an
Exact past rank `DEEP`, or all put an Irrelevant among the first `HIGH`. That is evidence about the
judgment only as far as the sides fail independently; encoders tuned from one base do not. Pairs
that a person has graded here were looked at and are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from engine.catalog.queries import JudgedQuery
from engine.evaluation.evaluate import RankedSide
from engine.evaluation.prepared import prepared
from engine.index.store import read_items
from engine.measures import CATALOG_DEPTH
from engine.ranking.comparer import Comparer
from engine.records import Records, Verdict, Verdicts
from engine.records.merged import place_of

DEEP = 100
HIGH = 3
CONTRADICTORY, DUPLICATE, SUSPICIOUS = KINDS = ("contradictory", "duplicate", "suspicious")


@dataclass(frozen=True, slots=True)
class Given:
    """A grade as one source gave it: the name of a judge, or the path of a file.

    Attributes:
        earlier: the file was imported again since.
    """

    query_id: str
    query: str
    product_id: str
    grade: str
    source: str
    earlier: bool = False


@dataclass(frozen=True, slots=True)
class Doubt:
    """One judgment, or several that do not go together.

    Attributes:
        kind: one of `KINDS`.
        grade: the doubtful grade; "" where there are several.
        why: what is wrong, in a few words.
        evidence: source -> grade; or query id, or product id, -> grade; or side -> rank from 1,
            None past the depth of 1,000.
    """

    kind: str
    query: str
    product_id: str
    grade: str
    why: str
    evidence: Mapping[str, str | int | None]

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "query": self.query,
            "product_id": self.product_id,
            "grade": self.grade or None,
            "why": self.why,
            "evidence": dict(self.evidence),
        }


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Every doubtful judgment, by kind, the strongest of each kind first.

    Attributes:
        queries, judgments: how many were looked through.
        sides: whose ranks are the evidence of a suspicion.
    """

    queries: int
    judgments: int
    sides: tuple[str, ...]
    doubts: tuple[Doubt, ...]

    def of(self, kind: str) -> list[Doubt]:
        return [doubt for doubt in self.doubts if doubt.kind == kind]


def find_doubtful(
    comparer: Comparer, progress: Callable[[int, int], None] | None = None
) -> Doubtful:
    """Look through the query set of a workspace.

    Args:
        progress: called with (queries ranked, queries).

    Raises:
        RankbenchError: the records or an index cannot be read.
    """
    ws = comparer.ws
    with Verdicts(ws.records_path) as records:
        said, separated = records.standing(), records.separated()
    with Records(ws.records_path) as records:
        imported = [Given(*row) for row in records.every_judgment()]
    queries = [query for query in comparer.judged_queries() if query.grades]
    ready = [s.name for s in comparer.sides() if s.ready and s.kind in ("bm25", "encoder")]
    items = read_items(ws, ["product_id", "text"])
    texts = {product: text for product, text in items.iter_rows() if text}
    looked_at = {(query.query_id, p) for query in queries for p in comparer.words(query.query)}
    sides = [comparer.side(name) for name in ready]
    doubts = [
        *contradictory(imported, said, separated, ws.settings.gains),
        *duplicate(queries, texts, separated, ws.settings.gains),
        *suspicious(sides, queries, set(items["product_id"]), looked_at, progress),
    ]
    judgments = sum(len(query.grades) for query in queries)
    return Doubtful(len(queries), judgments, tuple(ready), tuple(doubts))


def contradictory(
    imported: Iterable[Given],
    said: Iterable[Verdict],
    separated: Collection[str],
    gains: Mapping[str, float],
) -> list[Doubt]:
    """Pairs that sources grade differently, the widest apart first.

    Args:
        imported: of every import, oldest first (`Records.every_judgment`).
        said: standing verdicts, oldest first.
        separated: cleaned queries that share nothing with their equivalents.
    """
    # The newest of a source and query id replaces the older ones.
    by_pair: dict[tuple[str, str], dict[tuple[str, str], Given]] = defaultdict(dict)
    for given in imported:
        pair = place_of(given.query, separated), given.product_id
        by_pair[pair][given.source, given.query_id] = given
    for verdict in said:
        pair = place_of(verdict.query, separated), verdict.product_id
        row = Given("", verdict.query, verdict.product_id, verdict.grade, verdict.judge)
        by_pair[pair][verdict.judge, ""] = row
    found = []
    for each in by_pair.values():
        grades = {given.grade for given in each.values()}
        if len(grades) > 1:
            rows = list(each.values())
            why = "graded differently by two sources or spellings"
            evidence = _by_source(rows)
            found.append(Doubt(CONTRADICTORY, rows[0].query, rows[0].product_id, "", why, evidence))
    return sorted(found, key=lambda d: (-_spread(d, gains), d.query, d.product_id))


def duplicate(
    queries: Sequence[JudgedQuery],
    texts: Mapping[str, str],
    separated: Collection[str],
    gains: Mapping[str, float],
) -> list[Doubt]:
    """Products of one text with several grades, the widest apart first; then repeated pairs.

    Args:
        queries: with the grades that count.
        texts: product id -> the text that is encoded, of the products that have one.
    """
    alike = []
    for query in queries:
        by_text: dict[str, dict[str, str]] = defaultdict(dict)
        for product, grade in query.grades.items():
            if product in texts:
                by_text[texts[product]][product] = grade
        for same in by_text.values():
            if len(set(same.values())) > 1:
                why = f"{len(same)} products of the same text, graded differently"
                alike.append(Doubt(DUPLICATE, query.query, min(same), "", why, same))
    alike.sort(key=lambda d: (-_spread(d, gains), d.query, d.product_id))
    return alike + _twice(queries, separated)


def _twice(queries: Sequence[JudgedQuery], separated: Collection[str]) -> list[Doubt]:
    placed = sorted((place_of(q.query, separated), q.query_id, q) for q in queries)
    found = []
    for _, group in groupby(placed, key=lambda item: item[0]):
        same = [query for _, _, query in group]
        by_product: dict[str, dict[str, str]] = defaultdict(dict)
        for query in same:
            for product, grade in query.grades.items():
                by_product[product][query.query_id] = grade
        for product, grades in by_product.items():
            # With different grades it is a contradiction.
            if len(grades) > 1 and len(set(grades.values())) == 1:
                why = f"stands under {len(grades)} ids of this query"
                grade = next(iter(grades.values()))
                found.append(Doubt(DUPLICATE, same[0].query, product, grade, why, grades))
    return sorted(found, key=lambda d: (d.query, d.product_id))


def suspicious(
    sides: Sequence[RankedSide],
    queries: Sequence[JudgedQuery],
    catalog: Collection[str],
    looked_at: Collection[tuple[str, str]] = (),
    progress: Callable[[int, int], None] | None = None,
) -> list[Doubt]:
    """Grades that every side disagrees with: Exacts, the deepest first, then Irrelevants on top.

    The strength of an Exact is the rank on the side that puts it highest, that of an Irrelevant the
    sum of its ranks. A query that a side finds nothing for says nothing.

    Args:
        sides: two at least; with fewer nothing is suspicious.
        catalog: the products there are; judged ones outside it are passed over.
        looked_at: (query id, product id) that a person has graded.
    """
    if len(sides) < 2:
        return []
    deep: list[tuple[int, Doubt]] = []
    high: list[tuple[int, Doubt]] = []
    for query in prepared(sides, queries, progress):
        ranks = {side.name: side.rank(query.query).ranks() for side in sides}
        if all(ranks.values()):
            for product, grade in query.grades.items():
                if product in catalog and (query.query_id, product) not in looked_at:
                    _suspect(query.query, product, grade, ranks, deep, high)
    deep.sort(key=lambda pair: (-pair[0], pair[1].query, pair[1].product_id))
    high.sort(key=lambda pair: (pair[0], pair[1].query, pair[1].product_id))
    return [doubt for _, doubt in (*deep, *high)]


def _suspect(
    query: str,
    product: str,
    grade: str,
    ranks: Mapping[str, Mapping[str, int]],
    deep: list[tuple[int, Doubt]],
    high: list[tuple[int, Doubt]],
) -> None:
    evidence = {name: found.get(product) for name, found in ranks.items()}
    places = [CATALOG_DEPTH + 1 if rank is None else rank for rank in evidence.values()]
    if grade == "E" and min(places) > DEEP:
        why = f"Exact, and past rank {DEEP} on every side"
        deep.append((min(places), Doubt(SUSPICIOUS, query, product, grade, why, evidence)))
    if grade == "I" and max(places) <= HIGH:
        why = f"Irrelevant, and in the first {HIGH} on every side"
        high.append((sum(places), Doubt(SUSPICIOUS, query, product, grade, why, evidence)))


def _spread(doubt: Doubt, gains: Mapping[str, float]) -> float:
    """How far apart the grades are, in gain."""
    values = [gains.get(str(grade), 0.0) for grade in doubt.evidence.values()]
    return max(values) - min(values)


def _by_source(rows: Sequence[Given]) -> dict[str, str]:
    """Source -> grade; with the query id where one source says several things, or two share a name.

    A file is named as it is called, without its directory.
    """
    names = [
        (Path(row.source).name or row.source) + (", earlier import" if row.earlier else "")
        for row in rows
    ]
    found: dict[str, str] = {}
    for name, row in zip(names, rows, strict=True):
        label = f"{name}, {row.query_id}" if names.count(name) > 1 and row.query_id else name
        while label in found:
            label += "'"
        found[label] = row.grade
    return found
