"""Which workspace a command is about, and that the commands it suggests are about the same."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest


def suggested(text: str) -> list[list[str]]:
    """The words after `rankbench` of every command between backticks."""
    return [shlex.split(found) for found in re.findall(r"`rankbench([^`]*)`", text)]


@pytest.fixture
def elsewhere(made: Path, tmp_path: Path) -> Path:
    """A copy of the made workspace, in a directory whose name has a space in it."""
    return Path(shutil.copytree(made, tmp_path / "my shop"))


def test_a_suggested_command_works_as_it_is_printed(
    elsewhere: Path, tiny_encoder_dir: Path, rankbench: Any
) -> None:
    options = ["--add", tiny_encoder_dir, "--name", "twin"]
    added = rankbench("encoders", "-w", elsewhere, *options)
    [index] = suggested(added.err)
    assert index == ["index", "--encoder", "twin", "-w", str(elsewhere)]
    error = rankbench("search", "hose", "-w", elsewhere, "--candidate", "twin")
    error.assert_error(1, "not indexed")
    assert suggested(error.err) == [index]
    assert rankbench(*index).code == 0
    assert rankbench("search", "hose", "-w", elsewhere, "--candidate", "twin").code == 0


def test_init_suggests_the_workspace_it_made(shop: Path, tmp_path: Path, rankbench: Any) -> None:
    made = rankbench("init", tmp_path / "w", "--catalog", shop / "products.csv")
    assert suggested(made.err) == [["index", "-w", str(tmp_path / "w")]]
    again = rankbench("init", tmp_path / "w", "--catalog", shop / "products.csv")
    again.assert_error(1, "--force")


def test_in_the_workspace_itself_nothing_is_added(
    made: Path, rankbench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    error = rankbench("search", "hose", "--candidate", "nosuch")
    assert suggested(error.err) == [["encoders", "--add", "ID"]]


def test_a_catalog_that_lost_a_column_suggests_init_for_this_workspace(
    shop: Path, tmp_path: Path, rankbench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, catalog = tmp_path / "w", tmp_path / "p.csv"
    catalog.write_text("id,title\na,Tent\n")
    assert rankbench("init", root, "--catalog", catalog).code == 0
    catalog.write_text("id,name\na,Tent\n")
    [init] = suggested(rankbench("index", "-w", root).err)
    assert init[-2:] == ["-w", str(root)]
    monkeypatch.chdir(root)
    [init] = suggested(rankbench("index").err)
    assert init[-2:] == ["-w", "."]


@pytest.mark.parametrize("same", [True, False])
def test_two_workspaces_are_an_error_unless_they_are_one(
    same: bool, made: Path, tmp_path: Path, rankbench: Any
) -> None:
    other = made / "." if same else tmp_path
    for arguments in (
        ["-w", made, "encoders", "-w", other],
        ["encoders", "-w", made, "-w", other],
    ):
        result = rankbench(*arguments)
        if same:
            assert result.code == 0, result.err
        else:
            result.assert_error(2, "two workspaces", str(made), str(tmp_path))


def test_the_demos_workspace_is_named_where_it_is_taken_by_default(
    made: Path, tmp_path: Path, rankbench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    demo = Path(shutil.copytree(made, tmp_path / "data" / "rankbench" / "demo"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    result = rankbench("encoders", "--json")
    assert result.code == 0 and result.json[0]["name"] == "base"
    assert len(result.err.splitlines()) == 1 and str(demo) in result.err
    assert "index --encoder twin" not in result.err
    assert rankbench("encoders", "--json", "-w", demo).err == ""
    monkeypatch.chdir(demo)
    assert rankbench("encoders", "--json").err == ""
