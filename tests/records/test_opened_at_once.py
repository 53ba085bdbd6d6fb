"""A new workspace's databases, opened by several at the same moment."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.records import Verdicts
from engine.state import Build, State


@pytest.mark.parametrize("opened", [Verdicts, State])
def test_a_new_file_opens_for_all_who_come_at_once(
    opened: Callable[[Path], Any], tmp_path: Path
) -> None:
    failed: list[Exception] = []

    def open_it(path: Path, together: threading.Barrier) -> None:
        together.wait()
        try:
            opened(path).close()
        except Exception as error:
            failed.append(error)

    for number in range(60):
        together = threading.Barrier(3)
        path = tmp_path / f"{number}.db"
        threads = [threading.Thread(target=open_it, args=(path, together)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failed


def test_who_upgrades_a_state_second_keeps_what_the_first_wrote(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    build = Build("b1", "base", "f", "{title}", "base", 1, 4, 1, 1.0, 1.0)
    state = State(path)
    state.activate(build)
    state.close()
    found: list[Build | None] = []

    def open_second() -> None:
        second = State(path)
        found.append(second.active_build("base"))
        second.close()

    with closing(sqlite3.connect(path, isolation_level=None)) as first:
        version = first.execute("PRAGMA user_version").fetchone()[0]
        first.execute("PRAGMA user_version = 0")
        # The first one is in the middle of its upgrade while the second looks at the old format.
        first.execute("BEGIN IMMEDIATE")
        first.execute(f"PRAGMA user_version = {version}")
        thread = threading.Thread(target=open_second)
        thread.start()
        time.sleep(0.3)
        first.execute("COMMIT")
        thread.join()
    assert found == [build]
