"""Judgments and verdicts in step: what another process says shows at the next look."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from engine.catalog.queries import JudgedQuery, judgments_hash
from engine.errors import RankbenchError
from engine.formats.judgments import read_judgments
from engine.records import Judged, Records, Verdict, Verdicts, database
from engine.records.importing import import_verdicts
from engine.records.judge import judge_name
from engine.records.listing import list_verdicts
from engine.workspace import Settings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Records with the queries "running shoe" and "tent"."""
    file = tmp_path / "judgments.csv"
    file.write_text("query_id,query,product_id,label\n1,running shoe,a,E\n1,running shoe,b,S\n")
    with Records(tmp_path / "records.db") as records:
        records.add_judgments(read_judgments(file), file)
    return tmp_path / "records.db"


def say(path: Path, *verdicts: Verdict, author: str = "ann") -> None:
    with Verdicts(path) as records:
        records.add(list(verdicts), author)


def test_what_another_connection_says_shows_at_the_next_look(path: Path) -> None:
    judged = Judged(path)
    assert judged.find("Running  Shoes").grades == {"a": "E", "b": "S"}  # type: ignore[union-attr]
    assert judged.shared_from("running shoe") == ()
    say(path, Verdict("running shoes", "a", "I", True), Verdict("lamp", "c", "E"))
    found = judged.find("running shoe")
    assert found is not None and found.grades == {"a": "I", "b": "S"}
    assert judged.words(found)["a"].overrules and judged.words(found)["a"].bad
    assert judged.shared_from("running shoe") == ("running shoes",)
    assert judged.shared_from("running shoes") == ()
    lamp = judged.find("lamp")
    assert lamp is not None and not lamp.imported and lamp.grades == {"c": "E"}
    assert [query.query for query in judged.queries()] == ["running shoe"]
    assert judged.imported()[0].grades == {"a": "E", "b": "S"}
    with Verdicts(path) as records:
        records.undo("ann")
    assert judged.find("lamp") is None
    assert judged.queries() == judged.imported()


def test_a_separate_query_is_a_query_of_its_own(path: Path) -> None:
    say(path, Verdict("running shoes", "a", "I"))
    with Verdicts(path) as records:
        records.separate("running shoe", "ann")
    judged = Judged(path)
    assert judged.find("running shoe").grades["a"] == "E"  # type: ignore[union-attr]
    assert judged.find("Running Shoe").grades == {"a": "I"}  # type: ignore[union-attr]
    assert judged.shared_from("running shoe") == ()
    with Verdicts(path) as records, pytest.raises(RankbenchError, match="empty"):
        records.separate(" \x07", "ann")


def test_forgotten_imports_are_read_again(path: Path, tmp_path: Path) -> None:
    judged = Judged(path)
    assert len(judged.queries()) == 1
    file = tmp_path / "more.csv"
    file.write_text("query_id,query,product_id,label\n9,tent,a,E\n")
    with Records(path) as records:
        records.add_judgments(read_judgments(file), file)
    assert len(judged.queries()) == 1
    judged.forget()
    assert len(judged.queries()) == 2
    judged.close()
    assert judged.find("tent") is not None


def test_an_older_file_on_a_disk_that_cannot_be_written_has_no_verdicts(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE verdicts")
        connection.execute("PRAGMA user_version = 1")
    connection.close()

    def refuse(self: database.Database) -> None:
        raise sqlite3.OperationalError("attempt to write a readonly database")

    monkeypatch.setattr(database.Database, "_upgrade", refuse)
    monkeypatch.setattr(database.Database, "_can_write", lambda self: False)
    judged = Judged(path)
    assert judged.find("running shoes").grades == {"a": "E", "b": "S"}  # type: ignore[union-attr]
    assert judged.queries() == judged.imported()


def test_one_hash_of_judgments_whatever_ids_and_order() -> None:
    first = JudgedQuery("1", "tent", "", {"a": "E", "b": "I"})
    second = JudgedQuery("2", "lamp", "test", {"a": "S"})
    other = JudgedQuery("x", "tent", "dev", {"b": "I", "a": "E"})
    assert judgments_hash([first, second]) == judgments_hash([second, other])
    assert judgments_hash([first]) != judgments_hash([first, second])
    assert len(judgments_hash([])) == 16


def test_the_judge_is_named_by_setting_then_variable_then_login(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RANKBENCH_JUDGE", "  bob\n the\x1b builder ")
    assert judge_name(Settings(judge="ann")) == "ann"
    assert judge_name(Settings()) == "bob the builder"
    monkeypatch.setenv("RANKBENCH_JUDGE", "\udcff ")
    assert "\udcff" not in judge_name(Settings())
    monkeypatch.delenv("RANKBENCH_JUDGE")
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "carol")
    assert judge_name(Settings()) == "carol"


def test_a_broken_byte_of_a_terminal_is_kept_as_a_question(path: Path) -> None:
    say(path, Verdict("tent", "p\udcff", "I", note="caf\udce9"))
    with Verdicts(path) as records:
        (kept,) = records.standing()
    assert (kept.product_id, kept.note) == ("p?", "caf?")


def test_a_list_says_who_shares_and_what_a_later_word_replaced(path: Path) -> None:
    say(path, Verdict("running shoes", "a", "S"), Verdict("running shoe", "b", "S"))
    say(path, Verdict("Running Shoe", "a", "I"), Verdict("tent", "c", "E"))
    with Records(path) as records, Verdicts(path) as verdicts:
        imported, standing = records.judged_queries(), verdicts.standing()
    shoes, tent = list_verdicts(imported, standing)
    assert shoes.query == shoes.spellings[0] == "running shoe"
    assert set(shoes.spellings) == {"running shoe", "running shoes", "Running Shoe"}
    assert [(r.verdict.grade, r.counts, r.disagrees) for r in shoes.verdicts] == [
        ("S", False, True),
        ("I", True, True),
        ("S", True, False),
    ]
    assert (tent.query, tent.spellings) == ("tent", ("tent",))
    assert list_verdicts(imported, standing, (), "tents") == [tent]
    assert list_verdicts(imported, standing, (), "lamp") == []


def test_a_file_brings_what_is_new_and_no_old_opinion_back(path: Path) -> None:
    old = Verdict("tent", "a", "S", judge="bob", given=1_700_000_000.123456)
    new = Verdict("tent", "a", "I", judge="bob", given=1_700_000_001.0)
    timeless = Verdict("lamp", "b", "E")
    first = import_verdicts(path, [old, timeless], "ann")
    assert (len(first.added), first.known, first.number) == (2, 0, 1)
    say(path, new)
    again = import_verdicts(path, [old, timeless, timeless], "ann")
    assert (len(again.added), again.known, again.number) == (0, 3, 0)
    with Verdicts(path) as records:
        assert {(v.judge, v.grade) for v in records.standing()} == {("bob", "I"), ("ann", "E")}
        for _ in range(2):
            records.undo("ann")
        assert records.standing() == []
    assert len(import_verdicts(path, [old], "ann").added) == 1
    with pytest.raises(RankbenchError):
        import_verdicts(path, [new, Verdict("tent", "", "I")], "ann")


def test_an_opinion_older_than_what_its_judge_says_now_is_left_out_and_counted(path: Path) -> None:
    say(path, Verdict("tent", "a", "I", judge="bob", given=2000.0))
    # Never in these records: a file from another machine.
    late = [Verdict("tent", "a", "E", judge=judge, given=1000.0) for judge in ("bob", "cid")]
    done = import_verdicts(path, late, "ann")
    assert ([v.judge for v in done.added], done.known, done.older) == (["cid"], 0, 1)
    with Verdicts(path) as records:
        assert {(v.judge, v.grade) for v in records.standing()} == {("bob", "I"), ("cid", "E")}
    newer = Verdict("tent", "a", "S", judge="bob", given=3000.0)
    assert len(import_verdicts(path, [newer], "ann").added) == 1


def test_one_flag_needs_no_heavy_library(path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from engine.records import Judged, Verdicts, Verdict\n"
        "from engine.records.judge import judge_name\n"
        "import engine.index.known, engine.formats.verdicts, engine.ranking.side_name\n"
        "import workbench.commands.flag\n"
        f"p = pathlib.Path({str(path)!r})\n"
        "Verdicts(p).add([Verdict('tent', 'a', 'I')], 'ann')\n"
        "assert Judged(p).find('tent')\n"
        "print([m for m in ('torch', 'numpy', 'polars', 'lancedb') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
