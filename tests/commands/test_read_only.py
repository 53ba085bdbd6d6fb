"""A workspace on a disk that cannot be written: what only reads works, the rest says so."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.permissions import as_anybody


@pytest.fixture
def read_only(workspace: Path) -> Iterator[Path]:
    every = [workspace, *workspace.rglob("*")]
    for path in every:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield workspace
    for path in every:
        path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.fixture
def rankbench_bound(rankbench_process: Any, tmp_path: Path) -> Any:
    if os.geteuid() == 0 and not Path("/proc/self/status").exists():
        pytest.skip("permissions do not bind root here")
    return lambda *arguments: rankbench_process(*arguments, preexec_fn=as_anybody)


def test_search_and_eval_read_a_workspace_that_cannot_be_written(
    read_only: Path, rankbench_bound: Any
) -> None:
    found = rankbench_bound("search", "hose", "-w", read_only, "--json").json
    assert found["baseline"]["encoder"] == "base" and found["baseline"]["hits"]
    options = ["-w", read_only, "--candidate", "bm25", "--split", "all", "--json"]
    assert rankbench_bound("eval", *options).json["queries"] == 12


def test_verdicts_are_listed_and_a_new_one_is_refused(
    read_only: Path, rankbench_bound: Any
) -> None:
    assert rankbench_bound("flags", "--json", "-w", read_only).json == []
    told = rankbench_bound("flag", "hose", "p10", "x", "-w", read_only)
    told.assert_error(1, "cannot be", "writ")
    assert told.out == ""


def test_what_writes_is_one_error(read_only: Path, tmp_path: Path, rankbench_bound: Any) -> None:
    rankbench_bound("index", "-w", read_only).assert_error(1, "cannot", "writ")
    (tmp_path / "j.csv").write_text("query,product_id,label\nlamp,p01,I\n")
    told = rankbench_bound("import", "judgments", tmp_path / "j.csv", "-w", read_only)
    told.assert_error(1, "cannot be", "writ")
    train = rankbench_bound("train", "--recipe", "adapter", "-w", read_only)
    train.assert_error(1, "cannot", "writ")


def test_a_read_only_session_upgrades_no_older_records(workspace: Path, rankbench: Any) -> None:
    with sqlite3.connect(workspace / "records.db") as raw:
        for table in ("log_queries", "logs", "query_sets"):
            raw.execute(f"DROP TABLE {table}")
        raw.execute("PRAGMA user_version = 2")
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
    before = (workspace / "records.db").read_bytes()
    for command in (["--read-only"], ["--read-only", "present"], ["serve"]):
        told = rankbench("-w", workspace, *command)
        told.assert_error(1, "older Rankbench", "records 2", "without --read-only")
    assert (workspace / "records.db").read_bytes() == before
    assert rankbench("flags", "-w", workspace).code == 0
    # Now only the terminal is missing.
    rankbench("-w", workspace, "--read-only").assert_error(1, "needs a terminal")
