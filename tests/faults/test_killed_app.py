"""The app killed while a person grades: what its screen had acknowledged is in the database."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from breaking import QUERY, ROUNDS, rankbench
from terminal import DOWN, Terminal

from engine.records import Verdicts
from engine.workspace import Workspace, open_workspace

# Characters of a title that half of 80 columns shows; they tell the tiny shop's apart.
SHOWN = 20
GRADES = {"e": "E", "s": "S", "c": "C", "i": "I", "x": "I"}
# `› 3 ▲2   E* 12.3 red men tent classic`: a grade and the mark of a person's word.
_MARKED = re.compile(r"([ESCI])([*!≠])\s+[\d.]+ (.+?)\s*$")


@pytest.fixture
def app(ws: Workspace) -> Iterator[Terminal]:
    terminal = Terminal(ws.root)
    yield terminal
    terminal.close()


def acknowledged(app: Terminal) -> dict[str, str]:
    """Title -> grade of the rows on the screen that carry a person's mark, of the left list."""
    found = {}
    for line in app.lines:
        if match := _MARKED.search(line.partition("│")[0]):
            found[match[3][:SHOWN]] = match[1]
    return found


def kept(ws: Workspace, titles: dict[str, str]) -> list[tuple[str, str]]:
    """Title and grade of every verdict in the database, oldest first."""
    with Verdicts(ws.records_path) as verdicts:
        return [(titles[v.product_id][:SHOWN], v.grade) for v in verdicts.kept()]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_every_verdict_that_the_screen_showed_is_kept(
    ws: Workspace, app: Terminal, tiny_texts: dict[str, str], chance: random.Random, number: int
) -> None:
    app.until(lambda: "judged queries" in app.page)
    app.press(QUERY)
    app.until(lambda: " tent " in app.lines[8] and "top 10" in app.page)
    seen: dict[str, str] = {}
    given: list[str] = []
    dies = time.monotonic() + (number + chance.random()) / ROUNDS * 1.5
    app.press(DOWN)
    while time.monotonic() < dies:
        key = chance.choice("escix")
        given.append(GRADES[key])
        app.press(key + DOWN)
        app.look(min(chance.random() * 0.06, max(0.0, dies - time.monotonic())))
        seen |= acknowledged(app)
    if number % 2:
        # The moment the screen says something new.
        given.append("E")
        app.press("e")
        app.until(lambda: bool(acknowledged(app).items() - seen.items()))
    app.kill()
    seen |= acknowledged(app)

    opened = open_workspace(ws.root)
    found = kept(opened, tiny_texts)
    # Where the list ends, one row got several words, the last of them not yet on the screen.
    assert not seen.items() - set(found)
    # In the order of the keys: none is lost between two that were kept, none is torn.
    assert [grade for _, grade in found] == given[: len(found)]
    assert seen or not number % 2
    assert rankbench("flags", "--json", "-w", ws.root).code == 0
    assert rankbench("flag", QUERY, "p001", "x", "-w", ws.root).code == 0


def test_the_next_app_shows_what_was_said_before_the_kill(ws: Workspace, app: Terminal) -> None:
    app.until(lambda: "judged queries" in app.page)
    app.press(QUERY)
    app.until(lambda: " tent " in app.lines[8] and "top 10" in app.page)
    app.press(DOWN + "x")
    app.until(lambda: bool(acknowledged(app)))
    app.kill()
    seen = acknowledged(app)
    again = Terminal(Path(ws.root))
    try:
        again.until(lambda: "1 verdict " in again.page)
        again.press(QUERY)
        again.until(lambda: acknowledged(again) == seen)
    finally:
        again.close()
