"""A new workspace's databases, opened by several at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.records import Verdicts
from engine.state import State


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
