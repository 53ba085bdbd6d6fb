"""Named query sets: which of the judged queries belong to "head", "christmas" or "complaints".

A set is a list of queries, not judgments of its own: every judgment lies in one pool, where a query
has one split and one history, so that no set can leak into another's training.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable, Sequence

from engine.catalog.normalise import clean_query
from engine.catalog.queries import JudgedQuery
from engine.errors import RankbenchError, UsageError
from engine.records.database import Database
from engine.records.merged import place_of

TAKEN = ("train", "dev", "test", "unseen", "seen", "all")
"""What splits are called: a set of that name would be taken for one."""
_NAME = re.compile(r"[\w][\w.-]{0,59}")
_NEWEST = "SELECT name, max(definition) FROM query_sets GROUP BY name"


def check_name(name: str) -> None:
    """Raise UsageError where a shell, a file name or a reader would trip over `name`."""
    if name in TAKEN:
        raise UsageError(f"{name!r} is the name of a split.", "Call the query set something else.")
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a query set.",
            "Use up to 60 letters, digits, dots, dashes and underscores.",
        )


class QuerySets(Database):
    """The sets in `records.db`. The newest definition of a name counts; older ones are kept."""

    def define(self, name: str, query_ids: Iterable[str]) -> int:
        """Let `name` be these queries from now on; returns how many.

        Raises:
            UsageError: as `check_name`.
            RankbenchError: no query.
        """
        check_name(name)
        ids = list(dict.fromkeys(query_ids))
        if not ids:
            raise RankbenchError(
                f"The query set {name} would be empty.", "Name at least one judged query."
            )
        with self._transaction() as connection:
            newest = connection.execute("SELECT max(definition) FROM query_sets").fetchone()[0]
            number, now = (newest or 0) + 1, time.time()
            connection.executemany(
                "INSERT INTO query_sets (definition, name, query_id, created) VALUES (?, ?, ?, ?)",
                ((number, name, query_id, now) for query_id in ids),
            )
        return len(ids)

    def sizes(self) -> dict[str, int]:
        """Name -> how many queries, by name."""
        if self._version < 3:
            return {}
        rows = self._query(
            f"SELECT name, count(*) FROM query_sets WHERE (name, definition) IN ({_NEWEST})"
            " GROUP BY name ORDER BY name"
        )
        return dict(rows)

    def members(self, name: str) -> frozenset[str]:
        """The query ids of the set.

        Raises:
            RankbenchError: there is no such set.
        """
        sizes = self.sizes()
        if name not in sizes:
            there = f"Here are: {', '.join(sizes)}." if sizes else "There is none yet."
            raise RankbenchError(
                f"There is no query set {name!r}.",
                f"{there} `rankbench import queries FILE --set NAME` makes one.",
            )
        rows = self._query(
            "SELECT query_id FROM query_sets WHERE name = ? AND definition ="
            " (SELECT max(definition) FROM query_sets WHERE name = ?)",
            name,
            name,
        )
        return frozenset(query_id for (query_id,) in rows)


def find_queries(
    texts: Iterable[str], queries: Sequence[JudgedQuery], separated: Collection[str] = ()
) -> tuple[list[JudgedQuery], list[str]]:
    """The judged queries that a list names, each once, and the texts that name none; in order.

    A query is named by its exact text, else by an equivalent spelling, else by its id.

    Args:
        separated: cleaned queries that share nothing with their equivalents.
    """
    known: dict[tuple[str, str], JudgedQuery] = {}
    for query in reversed(queries):
        known["id", query.query_id] = query
        known["place", place_of(query.query, separated)] = query
        known["text", clean_query(query.query)] = query
    found: dict[str, JudgedQuery] = {}
    unknown = []
    for text in texts:
        ways = ("text", clean_query(text)), ("place", place_of(text, separated)), ("id", text)
        query = next((known[way] for way in ways if way in known), None)
        if query is None:
            unknown.append(text)
        else:
            found[query.query_id] = query
    return list(found.values()), unknown
