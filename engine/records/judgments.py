"""Imports of judgments, query sets and splits.

Append only: importing a file again is a new import, and the newest import of a (query, product)
pair that was not taken back is the one that counts. Taking one back is a record among the imports.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from engine.catalog.queries import (
    WEIGHT,
    Added,
    Assigned,
    JudgedQuery,
    judgments_hash,
    weight_of,
)
from engine.errors import UsageError
from engine.records.judgment_files import RAW_SCALES, SourceFile, read_file, targets_of
from engine.records.logs import SearchLogs

if TYPE_CHECKING:
    import polars as pl

_SPLIT_NAMES = {
    "train": "train", "training": "train", "dev": "dev", "valid": "dev", "validation": "dev",
    "val": "dev", "development": "dev", "test": "test", "testing": "test",
}  # fmt: skip
_UNDO = "undo"
"""The kind of the record that takes an import back; its `source` is that import's number."""
_UNDONE = f"SELECT CAST(source AS INTEGER) FROM imports WHERE kind = '{_UNDO}' AND id <= ?"
# Ids grow with every import and a pair occurs once in each, so the largest id is the newest.
# (SQLite takes the bare columns from the row of the single max().)
_NEWEST_JUDGMENTS = f"""
SELECT query_id, product_id, grade, import_id, value, max(id) AS place FROM judgments
WHERE query_set = ? AND import_id <= ? AND import_id NOT IN ({_UNDONE})
GROUP BY query_id, product_id ORDER BY query_id, place
"""


class Judgments(Protocol):
    """What is kept of a judgment file; `engine.formats.judgments.JudgmentFile` is one.

    Attributes:
        frame: query_id, product_id, grade, value (and more), one row a pair.
        queries: query_id, query, then further columns.
        made_ids: whether the query ids only number this file's queries.
    """

    @property
    def frame(self) -> pl.DataFrame: ...
    @property
    def queries(self) -> pl.DataFrame: ...
    @property
    def format(self) -> str: ...
    @property
    def scale(self) -> str: ...
    @property
    def mapping(self) -> Mapping[str, str]: ...
    @property
    def counts(self) -> Mapping[str, int]: ...
    @property
    def dropped(self) -> Mapping[str, int]: ...
    @property
    def made_ids(self) -> bool: ...


class Records(SearchLogs):
    """The judgments, queries, splits and search logs in `records.db`."""

    def add_judgments(
        self, file: Judgments, source: Path, query_set: str = "default", weight: float = 1.0
    ) -> Added:
        """Append a file's judgments and queries as one import, or nothing at all.

        Queries are matched to known ones by text, so that the ids of two files may overlap or
        differ (`engine.catalog.query_ids`). The import keeps which ids it changed.

        Args:
            file: what `read_judgments` gave.
            source: the file it came from; its name and SHA-256 are kept.
            weight: how often its rows count in training.

        Returns:
            The import's number, and which of the file's query ids are others here.

        Raises:
            UsageError: the weight is no finite number above 0.
        """
        from engine.catalog.query_ids import joined_and_renamed, place_queries

        if not 0 < weight < math.inf:
            raise UsageError(f"A weight of {weight} counts nothing.", "Give one above 0.")
        digest = _sha256(Path(source))
        with self._transaction() as connection:
            # The ids of an import taken back too: they keep their queries, and these their splits.
            texts = self._texts(query_set, self.last_import(), undone=True)
            known = {key: text for key, (text, _) in texts.items()}
            pairs = file.queries.select("query_id", "query").iter_rows()
            ids = place_queries(pairs, known, made=file.made_ids)
            # Made ids were nobody's, so nothing is to be told of them.
            changes = ({}, {}) if file.made_ids else joined_and_renamed(ids, known)
            kept = {"scale": file.scale, "grades": dict(file.mapping)}
            kept |= {"weight": weight} if weight != 1 else {}
            kept |= {"query_ids": changes[0] | changes[1]} if any(changes) else {}
            cursor = connection.execute(
                "INSERT INTO imports (kind, query_set, source, sha256, mapping, counts, created)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    f"judgments:{file.format}", query_set, str(source), digest,
                    json.dumps(kept),
                    json.dumps({**file.counts, "dropped": dict(file.dropped)}), time.time(),
                ),
            )  # fmt: skip
            number = int(cursor.lastrowid or 0)
            rows = file.frame.select("query_id", "product_id", "grade", "value").iter_rows()
            connection.executemany(
                "INSERT INTO judgments (import_id, query_set, query_id, product_id, grade, value)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                ((number, query_set, ids[row[0]], *row[1:]) for row in rows),
            )
            connection.executemany(
                "INSERT INTO queries (import_id, query_set, query_id, query, columns)"
                " VALUES (?, ?, ?, ?, ?)",
                (
                    (number, query_set, ids[row["query_id"]], row["query"],
                     json.dumps(_further(row), ensure_ascii=False))
                    for row in file.queries.iter_rows(named=True)
                ),
            )  # fmt: skip
        return Added(number, *changes)

    def undo_import(self) -> dict[str, object] | None:
        """Take the newest import that stands back: what it replaced counts again.

        Its queries keep their ids and splits, for when it comes again.

        Returns:
            The import as `imports` has it, with its `judgments` and `queries`; None without one.
        """
        with self._transaction() as connection:
            number = connection.execute(
                f"SELECT max(id) FROM imports WHERE kind != ? AND id NOT IN ({_UNDONE})",
                (_UNDO, self.last_import()),
            ).fetchone()[0]
            if number is None:
                return None
            (found,) = (row for row in self.imports() if row["id"] == number)
            connection.execute(
                "INSERT INTO imports (kind, query_set, source, sha256, mapping, counts, created)"
                " VALUES (?, ?, ?, '', '{}', '{}', ?)",
                (_UNDO, found["query_set"], str(number), time.time()),
            )
            sizes = connection.execute(
                "SELECT count(*), count(DISTINCT query_id) FROM judgments WHERE import_id = ?",
                (number,),
            ).fetchone()
        return {**found, "judgments": sizes[0], "queries": sizes[1]}

    def imports(self) -> list[dict[str, object]]:
        """Every import, oldest first: id, kind, query_set, source, sha256, mapping, counts,
        created (Unix seconds). One of kind "undo" takes the one back whose id is its source."""
        names = ("id", "kind", "query_set", "source", "sha256", "mapping", "counts", "created")
        rows = self._query(f"SELECT {', '.join(names)} FROM imports ORDER BY id")
        found = [dict(zip(names, row, strict=True)) for row in rows]
        for row in found:
            row |= {key: json.loads(str(row[key])) for key in ("mapping", "counts")}
        return found

    def last_import(self) -> int:
        """The number of the newest import, 0 without one."""
        return int(self._query("SELECT coalesce(max(id), 0) FROM imports")[0][0])

    def judged_queries(
        self, query_set: str = "default", until: int | None = None, *, logged: bool = True
    ) -> list[JudgedQuery]:
        """The queries with their newest judgments, by query id.

        `columns` are what the newest import with such a column says of the query, without its
        split column: a later file that is silent on the traffic takes no weight away. Where no
        file gives a weight, the newest search log's count is it, if `logged`.

        Args:
            until: as of the import with this number: nothing that came later counts.
        """
        with self._lock:
            last = self.last_import() if until is None else until
            splits = self.splits(query_set)
            texts = self._texts(query_set, last)
            rows = self._query(_NEWEST_JUDGMENTS, query_set, last, last)
            files = self._files()
        grades: dict[str, dict[str, str]] = {}
        of: dict[str, dict[str, SourceFile]] = {}
        for query_id, product, grade, number, *_ in rows:
            grades.setdefault(query_id, {})[product] = grade
            of.setdefault(query_id, {})[product] = files[number]
        raw = [row for row in rows if files[row[3]].scale in RAW_SCALES]
        targets = targets_of(((q, p, number, value) for q, p, _, number, value, _ in raw), files)
        asked = {query_id: texts[query_id][0] for query_id in grades}
        searches = self.searches_of(asked) if logged else {}
        return [
            JudgedQuery(
                query_id,
                texts[query_id][0],
                splits.get(query_id, ""),
                grades[query_id],
                _columns(texts[query_id][1], searches.get(query_id)),
                targets=targets.get(query_id, {}),
                sources={product: file.name for product, file in of[query_id].items()},
                file_weights={p: f.weight for p, f in of[query_id].items() if f.weight != 1},
            )
            for query_id in sorted(grades)
        ]

    def every_judgment(
        self, query_set: str = "default"
    ) -> list[tuple[str, str, str, str, str, bool]]:
        """(query id, query, product id, grade, source file, earlier) of every import, oldest first.

        Those that a newer import replaced too, not those of imports taken back; the query as its
        newest import has it. `earlier`: the source was imported again since.
        """
        with self._lock:
            last = self.last_import()
            texts = self._texts(query_set, last)
            rows = self._query(
                "SELECT query_id, product_id, grade, source, import_id < newest FROM judgments"
                " JOIN (SELECT id, source, max(id) OVER (PARTITION BY source) AS newest"
                f" FROM imports WHERE query_set = ? AND id NOT IN ({_UNDONE})) AS sources"
                " ON sources.id = import_id WHERE judgments.query_set = ? ORDER BY judgments.id",
                query_set,
                last,
                query_set,
            )
        return [(query, texts[query][0], *rest, bool(earlier)) for query, *rest, earlier in rows]

    def splits(self, query_set: str = "default") -> dict[str, str]:
        """Query id -> "train", "dev" or "test", for the queries that have one."""
        rows = self._query("SELECT query_id, split FROM splits WHERE query_set = ?", query_set)
        return dict(rows)

    def set_splits(self, splits: Mapping[str, str], query_set: str = "default") -> int:
        """Assign splits; a query that has one keeps it. Returns how many were assigned."""
        with self._transaction() as connection:
            before = connection.total_changes
            connection.executemany(
                "INSERT OR IGNORE INTO splits (query_set, query_id, split) VALUES (?, ?, ?)",
                ((query_set, query_id, split) for query_id, split in splits.items()),
            )
            return connection.total_changes - before

    def assign_missing_splits(self, seed: int = 0, query_set: str = "default") -> Assigned:
        """Give every judged query without a split one.

        A query keeps the split that it has, else takes the file's own (a `split` column of train,
        dev or validation, test), else joins its linked group's, else is assigned 60 / 15 / 25 by
        whole groups.
        """
        from dataclasses import replace

        from engine.catalog.splits import assign_splits_by, link

        queries = self.judged_queries(query_set)
        if all(query.split for query in queries):
            return Assigned(0)
        texts = self._texts(query_set, self.last_import())
        own = {
            query_id: _SPLIT_NAMES.get(columns.get("split", "").strip().lower(), "")
            for query_id, (_, columns) in texts.items()
        }
        given = [replace(query, split=query.split or own[query.query_id]) for query in queries]
        links = link(given)
        splits = assign_splits_by(links.groups, given, seed)
        return Assigned(self.set_splits(splits, query_set), links.rule)

    def judgments_hash(self, query_set: str = "default") -> str:
        """`engine.catalog.queries.judgments_hash` of the imported judgments."""
        return judgments_hash(self.judged_queries(query_set))

    def _files(self) -> dict[int, SourceFile]:
        """Import number -> what is kept of its file."""
        rows = self._query("SELECT id, source, mapping FROM imports")
        return {number: read_file(source, mapping) for number, source, mapping in rows}

    def _texts(
        self, query_set: str, last: int, *, undone: bool = False
    ) -> dict[str, tuple[str, dict[str, str]]]:
        """Query id -> text as the newest import has it, columns as the newest that has each.

        Imports past number `last` do not count. Imports taken back count only with `undone`.
        """
        rows = self._query(
            "SELECT query_id, query, columns FROM queries"
            f" WHERE query_set = ? AND import_id <= ? AND import_id NOT IN ({_UNDONE})"
            " ORDER BY import_id",
            query_set,
            last,
            -1 if undone else last,
        )
        found: dict[str, tuple[str, dict[str, str]]] = {}
        for query_id, query, columns in rows:
            older = found[query_id][1] if query_id in found else {}
            found[query_id] = (query, {**older, **json.loads(columns)})
        return found


def _columns(given: Mapping[str, str], searches: float | None) -> dict[str, str]:
    """A query's columns without its split; `searches`, if any, where they have no weight."""
    columns = {name: value for name, value in given.items() if name != "split"}
    if searches is not None and weight_of(columns) is None:
        columns[WEIGHT] = f"{searches:.15g}"
    return columns


def _further(row: Mapping[str, object]) -> dict[str, str]:
    return {
        name: str(value)
        for name, value in row.items()
        if name not in ("query_id", "query") and value is not None
    }


def _sha256(path: Path) -> str:
    """Of a file's bytes, or of the sizes and names in a directory; "" where it is gone."""
    digest = hashlib.sha256()
    try:
        if path.is_dir():
            for item in sorted(path.iterdir()):
                digest.update(f"{item.name} {item.stat().st_size}\n".encode())
        else:
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()
