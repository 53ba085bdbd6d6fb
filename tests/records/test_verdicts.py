"""Verdicts: appended, undone and redone by act, shared by equivalents, the person's word wins."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from engine.catalog.queries import JudgedQuery
from engine.errors import RankbenchError
from engine.records import Records, Verdicts, database, merge
from engine.records.verdicts import Verdict


@pytest.fixture
def verdicts(tmp_path: Path) -> Verdicts:
    return Verdicts(tmp_path / "records.db")


def grades(verdicts: Verdicts) -> list[tuple[str, str, str]]:
    return [(v.query, v.product_id, v.grade) for v in verdicts.standing()]


def test_a_verdict_keeps_what_was_seen(verdicts: Verdicts) -> None:
    seen = Verdict("Ez  Up\x07", "p1", "I", True, "a tent pole", "base", 3, "abc123")
    verdicts.add([seen], "ann")
    (kept,) = verdicts.standing()
    assert (kept.query, kept.grade, kept.bad, kept.note) == ("Ez Up", "I", True, "a tent pole")
    assert (kept.side, kept.rank, kept.encoder, kept.judge) == ("base", 3, "abc123", "ann")
    assert kept.given > 1e9 and kept.number == 1


def test_undo_gives_the_earlier_grade_back_and_redo_the_later(verdicts: Verdicts) -> None:
    verdicts.add([Verdict("tent", "p1", "S")], "ann")
    verdicts.add([Verdict("tent", "p1", "I")], "ann")
    assert grades(verdicts) == [("tent", "p1", "I")]
    act = verdicts.undo("ann")
    assert act is not None and act.verdicts[0].grade == "I"
    assert grades(verdicts) == [("tent", "p1", "S")]
    verdicts.undo("ann")
    assert grades(verdicts) == [] and verdicts.undo("ann") is None
    verdicts.redo("ann")
    assert grades(verdicts) == [("tent", "p1", "S")]
    verdicts.redo("ann")
    assert grades(verdicts) == [("tent", "p1", "I")] and verdicts.redo("ann") is None
    assert [row["action"] for row in verdicts.history()] == [
        "grade", "grade", "undo", "undo", "redo", "redo",
    ]  # fmt: skip


def test_a_new_verdict_ends_redo(verdicts: Verdicts) -> None:
    verdicts.add([Verdict("tent", "p1", "S")], "ann")
    verdicts.undo("ann")
    verdicts.add([Verdict("tent", "p2", "I")], "ann")
    assert verdicts.redo("ann") is None
    assert grades(verdicts) == [("tent", "p2", "I")]


def test_undo_takes_back_only_ones_own_and_a_file_as_a_whole(verdicts: Verdicts) -> None:
    verdicts.add([Verdict("tent", "p1", "S")], "bob")
    imported = [Verdict("tent", f"p{n}", "I", judge="eve") for n in range(3)]
    verdicts.add(imported, "ann")
    assert len(verdicts.standing()) == 4
    act = verdicts.undo("ann")
    assert act is not None and len(act.verdicts) == 3
    assert [v.judge for v in verdicts.standing()] == ["bob"]
    assert verdicts.undo("ann") is None


def test_a_clock_that_jumps_back_changes_no_order(
    verdicts: Verdicts, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts.add([Verdict("tent", "p1", "S")], "ann")
    monkeypatch.setattr("time.time", lambda: 1.0)
    verdicts.add([Verdict("tent", "p1", "E")], "ann")
    assert grades(verdicts) == [("tent", "p1", "E")]
    undone = verdicts.undo("ann")
    assert undone is not None and undone.verdicts[0].grade == "E"


def test_an_act_that_cannot_be_kept_keeps_nothing(verdicts: Verdicts) -> None:
    with pytest.raises(RankbenchError, match="not a grade"):
        verdicts.add([Verdict("tent", "p1", "E"), Verdict("tent", "p2", "X")], "ann")
    with pytest.raises(RankbenchError, match="query"):
        verdicts.add([Verdict(" \x00", "p1", "E")], "ann")
    assert verdicts.history() == []


def test_a_workspace_from_before_verdicts_gets_their_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "records.db"
    monkeypatch.setattr(database, "SCHEMA", 1)
    monkeypatch.setattr(database, "_STEPS", database._STEPS[:1])
    Records(path).close()
    monkeypatch.undo()
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (1,)
    with Verdicts(path) as verdicts:
        verdicts.add([Verdict("tent", "p1", "E")], "ann")
        assert len(verdicts.standing()) == 1
    with Records(path) as records:
        assert records.judged_queries() == []


def test_two_processes_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from engine.records import Verdicts\n"
        "from engine.records.verdicts import Verdict\n"
        "with Verdicts(Path(sys.argv[1])) as v:\n"
        "    for n in range(40): v.add([Verdict('q', f'{sys.argv[2]}{n}', 'I')], sys.argv[2])\n"
    )
    path = tmp_path / "records.db"
    Verdicts(path).close()
    work = [subprocess.Popen([sys.executable, "-c", code, str(path), who]) for who in ("a", "b")]
    assert [process.wait() for process in work] == [0, 0]
    with Verdicts(path) as verdicts:
        assert len(verdicts.standing()) == 80
        assert [row["id"] for row in verdicts.history()] == list(range(1, 81))


def test_the_persons_word_wins_and_both_are_kept() -> None:
    imported = [JudgedQuery("q1", "ez up", "test", {"p1": "E", "p2": "S"})]
    merged = merge(imported, [Verdict("Ez Up", "p1", "I", True), Verdict("ez up", "p3", "E")])
    (query,) = merged.queries
    assert query.grades == {"p1": "I", "p2": "S", "p3": "E"} and query.split == "test"
    word = merged.words["q1"]["p1"]
    assert word.overrules and word.imported == "E" and word.bad
    assert not merged.words["q1"]["p3"].overrules


def test_the_most_judges_decide_and_the_newest_where_they_are_even() -> None:
    said = [
        Verdict("tent", "p1", grade, judge=judge, number=number)
        for number, (judge, grade) in enumerate([("a", "E"), ("b", "E"), ("c", "I")])
    ]
    word = merge([], said).words["verdict:tent"]["p1"]
    assert word.grade == "E" and word.disputed and len(word.verdicts) == 3
    assert merge([], said[1:]).words["verdict:tent"]["p1"].grade == "I"
    again = [*said, Verdict("tents", "p1", "I", judge="a", number=9)]
    assert merge([], again).words["verdict:tent"]["p1"].grade == "I"


def test_equivalents_share_until_one_is_separated(verdicts: Verdicts) -> None:
    verdicts.add([Verdict("Running Shoes", "p1", "I")], "ann")
    imported = [JudgedQuery("q1", "running shoe", "", {"p1": "E"})]
    shared = merge(imported, verdicts.standing())
    assert shared.other_spellings("running shoe") == ("Running Shoes",)
    assert shared.queries[0].grades == {"p1": "I"}
    verdicts.separate("running  shoe", "ann")
    alone = verdicts.separated()
    assert alone == {"running shoe"}
    merged = merge(imported, verdicts.standing(), alone)
    assert merged.other_spellings("running shoe", alone) == ()
    assert merged.queries[0].grades == {"p1": "E"}
    assert [q.imported for q in merged.queries] == [True, False]
    undone = verdicts.undo("ann")
    assert undone is not None and undone.separated == "running shoe"
    assert verdicts.separated() == frozenset()
