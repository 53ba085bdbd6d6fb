"""Named sets of judged queries."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from engine.catalog.queries import JudgedQuery
from engine.errors import RankbenchError, UsageError
from engine.records import QuerySets, Verdict, Verdicts, find_queries


def test_the_newest_definition_of_a_name_counts(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    with QuerySets(path) as sets:
        assert sets.sizes() == {}
        assert sets.define("head", ["q1", "q2", "q1"]) == 2
        sets.define("tail", ["q3"])
        sets.define("head", ["q2", "q3", "q4"])
    with QuerySets(path) as sets:
        assert sets.sizes() == {"head": 3, "tail": 1}
        assert sets.members("head") == {"q2", "q3", "q4"}
        with pytest.raises(RankbenchError, match="no query set 'x'") as raised:
            sets.members("x")
        assert "head, tail" in raised.value.todo
    # Nothing is rewritten: the first definition is still there.
    assert len(sqlite3.connect(path).execute("SELECT * FROM query_sets").fetchall()) == 6


@pytest.mark.parametrize("name", ["", "two words", "a/b", "-dash", "x" * 61, "a\nb"])
def test_a_name_that_a_shell_would_trip_over_is_refused(tmp_path: Path, name: str) -> None:
    with QuerySets(tmp_path / "records.db") as sets, pytest.raises(UsageError):
        sets.define(name, ["q1"])


def test_an_empty_set_is_refused(tmp_path: Path) -> None:
    with QuerySets(tmp_path / "records.db") as sets, pytest.raises(RankbenchError, match="empty"):
        sets.define("none", [])


def test_records_of_an_older_version_gain_the_sets_and_keep_what_was_said(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    with Verdicts(path) as verdicts:
        verdicts.add([Verdict("tent", "p1", "E")], "ann")
    with sqlite3.connect(path) as database:
        for table in ("log_queries", "logs", "query_sets"):
            database.execute(f"DROP TABLE {table}")
        database.execute("PRAGMA user_version = 2")
    with QuerySets(path) as sets:
        sets.define("one", ["q1"])
        assert sets.sizes() == {"one": 1}
    with Verdicts(path) as verdicts:
        assert len(verdicts.standing()) == 1


def test_queries_are_found_by_their_text_in_any_spelling_or_by_id() -> None:
    queries = [
        JudgedQuery("q1", "Running shoes"), JudgedQuery("q2", "tent"),
        JudgedQuery("q3", "running shoe"), JudgedQuery("q4", "q2"),
    ]  # fmt: skip
    listed = ["RUNNING  shoe", "running shoe", "Tents", "tent", "q2", "q3", "lamp"]
    found, unknown = find_queries(listed, queries)
    # The exact text goes before another spelling of it, and both before an id.
    assert [query.query_id for query in found] == ["q1", "q3", "q2", "q4"]
    assert unknown == ["lamp"]
    found, unknown = find_queries(["Tents", "tent"], queries, {"tent"})
    assert [query.query_id for query in found] == ["q2"] and unknown == ["Tents"]
