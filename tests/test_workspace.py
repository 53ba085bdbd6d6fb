"""Workspaces: made once, opened safely, refused clearly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import RankbenchError
from engine.workspace import FILE_NAME, Settings, create, open_workspace


def test_settings_come_back_as_they_were_written(tmp_path: Path) -> None:
    settings = Settings(name='odd "name" ünï', columns={"title": "product title"}, rbo_p=0.95)
    assert open_workspace(create(tmp_path / "ws", settings).root).settings == settings


def test_saving_keeps_a_persons_comments(tmp_path: Path) -> None:
    ws = create(tmp_path / "ws", Settings())
    file = ws.root / FILE_NAME
    file.write_text(file.read_text() + "# mine\n")
    ws.save(replace(ws.settings, theme="dark"))
    assert "# mine" in file.read_text()
    assert open_workspace(ws.root).settings.theme == "dark"


def test_a_second_workspace_in_one_place_is_refused(tmp_path: Path) -> None:
    create(tmp_path / "ws", Settings())
    with pytest.raises(RankbenchError, match="already"):
        create(tmp_path / "ws", Settings())


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("version = 99", "newer"),
        ("version = [", "cannot be read"),
        ('rbo_p = "x"', "rbo_p"),
        ("unchanged = inf", "unchanged"),
        ("rbo_p = 1.0", "rbo_p"),
        ("baseline = 5", "baseline"),
        ("gains = 3", "gains"),
        ("gains = {E = 1.0}", "lack grade"),
        ('gains = {E = "x", S = 0.1, C = 0.01, I = 0.0}', "gains"),
        ("unchanged = -1.0", "unchanged"),
    ],
)
def test_a_bad_setting_is_named(tmp_path: Path, line: str, word: str) -> None:
    (tmp_path / FILE_NAME).write_text(line + "\n")
    with pytest.raises(RankbenchError, match=word) as caught:
        open_workspace(tmp_path)
    assert caught.value.todo


def test_a_directory_that_is_no_workspace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RankbenchError, match="not a Rankbench workspace"):
        open_workspace(tmp_path)


def test_the_writers_place_is_held_by_one(tmp_path: Path) -> None:
    ws = create(tmp_path / "ws", Settings())
    with (
        ws.writer_lock(),
        pytest.raises(RankbenchError, match="Another process"),
        ws.writer_lock(),
    ):
        pass
    with ws.writer_lock():
        pass
