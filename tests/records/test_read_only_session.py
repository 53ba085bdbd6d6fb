"""A read-only session leaves a database of an older version as it is, and says what to do."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import RankbenchError
from engine.records import SCHEMA, Judged, Records, Verdict, Verdicts, database
from engine.state import State
from engine.workspace import READ_ONLY, Settings, Workspace, create


@pytest.fixture(params=range(1, SCHEMA))
def older(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Workspace:
    """A workspace whose records have the first one, two … steps, as they were made then."""
    ws = create(tmp_path / "shop", Settings())
    monkeypatch.setattr(database, "SCHEMA", request.param)
    monkeypatch.setattr(database, "_STEPS", database._STEPS[: request.param])
    Records(ws.records_path).close()
    State(ws.state_path).close()
    monkeypatch.undo()
    assert version(ws.records_path) == request.param
    return ws


def version(path: Path) -> int:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as raw:
        return int(raw.execute("PRAGMA user_version").fetchone()[0])


def test_an_older_file_is_refused_and_left_alone(older: Workspace) -> None:
    before = hashlib.sha256(older.records_path.read_bytes()).hexdigest()
    ws = replace(older, read_only=True)
    for read in (
        lambda: Verdicts(ws.records_path, read_only=True),
        lambda: Judged(ws.records_path, read_only=True).queries(),
    ):
        with pytest.raises(RankbenchError, match="older Rankbench") as caught:
            read()
        assert "without --read-only" in caught.value.todo
    assert hashlib.sha256(older.records_path.read_bytes()).hexdigest() == before
    # What it asks for is enough.
    Verdicts(older.records_path).close()
    assert version(older.records_path) == SCHEMA
    assert Judged(ws.records_path, read_only=True).queries() == []


def test_a_current_file_is_read_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    with Verdicts(path) as verdicts:
        verdicts.add([Verdict("tent", "p1", "E")], "ann")
    with Verdicts(path, read_only=True) as verdicts:
        assert len(verdicts.standing()) == 1
        with pytest.raises(RankbenchError, match=READ_ONLY):
            verdicts.add([Verdict("tent", "p2", "E")], "ann")
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA journal_mode = DELETE")
    raw.close()
    before = path.read_bytes()
    with Verdicts(path, read_only=True) as verdicts:
        assert len(verdicts.standing()) == 1
    assert path.read_bytes() == before


def test_a_state_of_another_format_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    State(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 7")
    raw.close()
    before = path.read_bytes()
    with pytest.raises(RankbenchError, match="another version"):
        State(path, read_only=True)
    assert path.read_bytes() == before
