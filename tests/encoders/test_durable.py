"""What is renamed into place is on the disk by then, and the order of encoders is their age."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.catalog.queries import JudgedQuery
from engine.encoders.card import Card, write_card
from engine.encoders.registry import list_encoders, publish
from engine.encoders.save import flush
from engine.training.recipe import load_recipe
from engine.training.train import train
from engine.workspace import Settings, Workspace, create


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return create(tmp_path / "shop", Settings())


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """What is flushed and what is renamed, in order; directories are known by their number."""
    said: list[tuple[str, Path]] = []
    opened: dict[int, Path] = {}
    really = {name: getattr(os, name) for name in ("open", "fsync", "rename", "replace")}

    def open_(path: Any, *arguments: Any, **options: Any) -> int:
        number = really["open"](path, *arguments, **options)
        opened[number] = Path(os.fsdecode(path))
        return number

    def fsync(number: int) -> None:
        said.append(("flush", opened[number]))
        really["fsync"](number)

    def moving(name: str) -> Any:
        def move(source: Any, target: Any) -> None:
            said.append(("move", Path(source)))
            really[name](source, target)

        return move

    monkeypatch.setattr(os, "open", open_)
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", moving("rename"))
    monkeypatch.setattr(os, "replace", moving("replace"))
    return said


def everything_was_flushed(words: list[tuple[str, Path]], moved: Path, into: Path) -> None:
    """Each file that now lies in `into` was flushed in `moved` before that became `into`."""
    at = words.index(("move", moved))
    files = [path.relative_to(into) for path in into.rglob("*")]
    assert files
    assert {moved, *(moved / path for path in files)} <= {path for _, path in words[:at]}
    assert ("flush", into.parent) in words[at:]


def test_a_trained_encoder_is_flushed_before_its_rename(
    tiny_encoder_dir: Path,
    tiny_texts: dict[str, str],
    tiny_queries: list[JudgedQuery],
    tmp_path: Path,
    words: list[tuple[str, Path]],
) -> None:
    recipe = load_recipe("adapter").with_set(["epochs=1"])
    queries = [query for query in tiny_queries if query.split == "train"]
    out = tmp_path / "made"
    train(recipe, tiny_encoder_dir, queries, [], tiny_texts, out)
    everything_was_flushed(words, tmp_path / ".made.partial", out)


def test_an_encoder_is_flushed_before_it_is_published(
    ws: Workspace, tmp_path: Path, words: list[tuple[str, Path]]
) -> None:
    work = tmp_path / "work"
    (work / "1_Pooling").mkdir(parents=True)
    (work / "1_Pooling/config.json").write_text("{}")
    (work / "modules.json").write_text("[]")
    write_card(work, Card("mine"))
    assert ("flush", work / "card.json.tmp") in words[
        : words.index(("move", work / "card.json.tmp"))
    ]
    everything_was_flushed(words, *(work, publish(ws, work, "mine")))


def test_a_file_system_without_fsync_of_directories_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(number: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    flush(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Invalid"):
        flush(tmp_path / "file")


def test_a_new_card_makes_no_encoder_the_newest(ws: Workspace) -> None:
    cards = {
        "older": Card("older", created="2026-03-01T10:00:00+00:00"),
        "newer": Card("newer", created="2026-03-02T09:00:00+02:00"),
        "added": Card("added"),
    }
    for name, card in cards.items():
        (ws.encoders_dir / name).mkdir()
        (ws.encoders_dir / name / "modules.json").write_text("[]")
        write_card(ws.encoders_dir / name, card)
    # What has no time of its own is as old as its directory: between the two.
    between = time.mktime((2026, 3, 1, 20, 0, 0, 0, 0, 0))
    os.utime(ws.encoders_dir / "added", (between, between))
    # A verdict on the older one, drawn late.
    write_card(ws.encoders_dir / "older", replace(cards["older"], verdict={"call": "safe to try"}))
    names = [info.name for info in list_encoders(ws)]
    assert names == ["base", "older", "added", "newer"]
