from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.catalog.queries import Added
from engine.catalog.splits import ANY_PRODUCTS
from engine.errors import RankbenchError
from engine.formats.judgments import JudgmentFile, read_judgments
from engine.records import Records, database
from tests.permissions import as_anybody

ROOT = Path(__file__).parents[2]


def judged(tmp_path: Path, text: str, name: str = "j.csv") -> tuple[JudgmentFile, Path]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_judgments(path), path


def lone(count: int, start: int = 0) -> str:
    rows = [f"{n:03d},thing{n},p{n},E\n" for n in range(start, start + count)]
    return "query_id,query,product_id,label\n" + "".join(rows)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    with Records(tmp_path / "records.db") as opened:
        yield opened


def test_what_was_imported_comes_back(records: Records, tmp_path: Path) -> None:
    text = (
        "query_id,query,product_id,label,stratum,split\n"
        "2,tent,z,S,plain,test\n1,shoe,b,E,,train\n1,shoe,a,I,,train\n"
    )
    file, source = judged(tmp_path, text)
    assert records.add_judgments(file, source) == Added(1)
    first, second = records.judged_queries()
    assert (first.query_id, first.query, list(first.grades.items())) == (
        "1", "shoe", [("b", "E"), ("a", "I")],
    )  # fmt: skip
    assert first.columns == {} and second.columns == {"stratum": "plain"}
    assert first.split == "" and records.judged_queries("other") == []
    kept = records.imports()[0]
    assert kept["kind"] == "judgments:csv" and len(str(kept["sha256"])) == 64
    assert kept["mapping"] == {"scale": "letters", "grades": {"E": "E", "S": "S", "I": "I"}}


def test_the_newest_import_of_a_pair_counts_and_nothing_is_lost(
    records: Records, tmp_path: Path
) -> None:
    header = "query_id,query,product_id,label\n"
    records.add_judgments(*judged(tmp_path, header + "1,shoe,a,E\n1,shoe,b,E\n"))
    before = records.judgments_hash()
    records.add_judgments(*judged(tmp_path, header + "1,Shoe!,a,I\n", "k.csv"))
    (query,) = records.judged_queries()
    assert query.query == "Shoe!" and query.grades == {"a": "I", "b": "E"}
    assert records.judgments_hash() != before
    with sqlite3.connect(records.path) as raw:
        assert raw.execute("SELECT count(*) FROM judgments").fetchone() == (3,)
    assert [row["id"] for row in records.imports()] == [1, 2]


def test_the_hash_follows_the_judgments_and_not_their_order(tmp_path: Path) -> None:
    header = "query_id,query,product_id,label\n"
    hashes = []
    for n, text in enumerate(["1,x,a,E\n1,x,b,I\n", "1,x,b,I\n1,x,a,E\n", "1,x,a,E\n1,x,b,S\n"]):
        with Records(tmp_path / f"{n}.db") as records:
            records.add_judgments(*judged(tmp_path, header + text))
            hashes.append(records.judgments_hash())
    assert hashes[0] == hashes[1] != hashes[2]
    assert len(hashes[0]) == 16


def test_splits_are_assigned_once_and_never_move(records: Records, tmp_path: Path) -> None:
    records.add_judgments(*judged(tmp_path, lone(20)))
    assert records.assign_missing_splits(seed=3).queries == 20
    first = records.splits()
    assert Counter(first.values()) == {"train": 12, "dev": 3, "test": 5}
    assert {query.query_id: query.split for query in records.judged_queries()} == first
    records.add_judgments(*judged(tmp_path, lone(20, start=20)))
    assert records.assign_missing_splits(seed=4).queries == 20
    assert first.items() <= records.splits().items()
    assert Counter(records.splits().values()) == {"train": 24, "dev": 6, "test": 10}
    assert records.assign_missing_splits(seed=5).queries == 0
    moved = dict.fromkeys(first, "dev")
    assert records.set_splits(moved) == 0 and first.items() <= records.splits().items()


def test_a_new_query_joins_the_split_of_its_group(records: Records, tmp_path: Path) -> None:
    records.add_judgments(*judged(tmp_path, lone(20)))
    records.assign_missing_splits()
    header = "query_id,query,product_id,label\n"
    twins = "".join(f"new{n},Thing{n}!,x{n},E\n" for n in range(20))
    records.add_judgments(*judged(tmp_path, header + twins))
    records.assign_missing_splits()
    splits = records.splits()
    assert all(splits[f"new{n}"] == splits[f"{n:03d}"] for n in range(20))


def test_the_files_own_split_is_kept(records: Records, tmp_path: Path) -> None:
    rows = [
        f"{n},thing{n},p,E,{split}\n"
        for n, split in enumerate(["train", "Validation", "TEST", "dev", "", "fold7"])
    ]
    header = "query_id,query,product_id,label,split\n"
    records.add_judgments(*judged(tmp_path, header + "".join(rows)))
    records.assign_missing_splits()
    splits = records.splits()
    assert [splits[str(n)] for n in range(4)] == ["train", "dev", "test", "dev"]
    assert {splits["4"], splits["5"]} <= {"train", "dev", "test"}


def test_made_ids_follow_the_text_over_imports(records: Records, tmp_path: Path) -> None:
    header = "query,product_id,label\n"
    records.add_judgments(*judged(tmp_path, header + "shoe,a,E\ntent,b,E\n"))
    records.add_judgments(*judged(tmp_path, header + "lamp,c,E\ntent,d,I\nsofa,e,E\n"))
    found = {query.query: query for query in records.judged_queries()}
    assert {text: query.query_id for text, query in found.items()} == {
        "shoe": "q0001", "tent": "q0002", "lamp": "q0003", "sofa": "q0004",
    }  # fmt: skip
    assert found["tent"].grades == {"b": "E", "d": "I"}


def test_ids_of_two_files_that_mean_other_queries_are_kept_apart(
    records: Records, tmp_path: Path
) -> None:
    header = "query_id,query,product_id,label\n"
    records.add_judgments(*judged(tmp_path, header + "1,red shoe,a,E\n"))
    second = judged(tmp_path, header + "1,green tent,a,I\n1-2,lamp,b,E\n", "k.csv")
    for _ in range(2):  # imported again, the same ids are found again
        added = records.add_judgments(*second)
        found = {query.query: (query.query_id, query.grades) for query in records.judged_queries()}
        assert found == {
            "red shoe": ("1", {"a": "E"}),
            "green tent": ("1-3", {"a": "I"}),
            "lamp": ("1-2", {"b": "E"}),
        }
        changed = {**added.renamed, **added.joined}
        assert changed == {"1": "1-3"}
    assert records.imports()[1]["mapping"]["query_ids"] == {"1": "1-3"}  # type: ignore[index]


def test_a_text_known_under_another_id_joins_its_query(records: Records, tmp_path: Path) -> None:
    header = "query_id,query,product_id,label\n"
    records.add_judgments(*judged(tmp_path, header + "1,red shoe,a,E\n2,tent,b,E\n"))
    added = records.add_judgments(
        *judged(tmp_path, header + "2,Red Shoes,c,S\n9,lamp,d,E\n", "k.csv")
    )
    assert added.joined == {"2": "1"} and added.renamed == {}
    assert {query.query_id: query.grades for query in records.judged_queries()} == {
        "1": {"a": "E", "c": "S"}, "2": {"b": "E"}, "9": {"d": "E"},
    }  # fmt: skip


def test_two_ids_of_one_file_with_one_text_stay_two(records: Records, tmp_path: Path) -> None:
    header = "query_id,query,product_id,label\n"
    text = header + "1,shoe,a,E\n2,shoe,a,I\n"
    for name in ("j.csv", "k.csv"):
        assert records.add_judgments(*judged(tmp_path, text, name)).joined == {}
        grades = {query.query_id: query.grades for query in records.judged_queries()}
        assert grades == {"1": {"a": "E"}, "2": {"a": "I"}}
    more = header + "7,shoe,a,E\n8,shoe,a,E\n9,shoes,a,E\n"
    assert records.add_judgments(*judged(tmp_path, more)).joined == {"7": "1", "8": "2"}
    assert [query.query_id for query in records.judged_queries()] == ["1", "2", "9"]


def test_assigning_splits_says_what_linked_the_queries(records: Records, tmp_path: Path) -> None:
    records.add_judgments(*judged(tmp_path, lone(12)))
    assert records.assign_missing_splits().linked_by == ANY_PRODUCTS
    assert records.assign_missing_splits().linked_by == ""


def test_query_sets_are_apart(records: Records, tmp_path: Path) -> None:
    header = "query_id,query,product_id,label\n"
    records.add_judgments(*judged(tmp_path, header + "1,shoe,a,E\n"))
    records.add_judgments(*judged(tmp_path, header + "1,lamp,a,I\n"), query_set="holiday")
    assert records.judged_queries()[0].grades == {"a": "E"}
    assert records.judged_queries("holiday")[0].query == "lamp"
    assert records.set_splits({"1": "test"}, "holiday") == 1
    assert records.splits() == {}


def test_a_failing_import_leaves_nothing_behind(records: Records, tmp_path: Path) -> None:
    from dataclasses import replace

    import polars as pl

    file, source = judged(tmp_path, lone(3))
    broken = replace(file, frame=file.frame.with_columns(pl.lit("X").alias("grade")))
    with pytest.raises(RankbenchError):
        records.add_judgments(broken, source)
    assert records.imports() == [] and records.judged_queries() == []
    assert records.add_judgments(file, source).number == 1


def test_a_newer_version_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    Records(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 99")
    with pytest.raises(RankbenchError, match="newer") as caught:
        Records(path)
    assert "Upgrade" in caught.value.todo


def test_the_database_is_durable(records: Records) -> None:
    connection = records._connection
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA user_version").fetchone() == (database.SCHEMA,)


def test_a_file_that_is_no_database_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    path.write_bytes(b"not a database at all " * 100)
    with pytest.raises(RankbenchError, match="cannot be used"):
        Records(path)
    assert path.read_bytes().startswith(b"not a database")


def test_a_place_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RankbenchError) as caught:
        Records(tmp_path / "none" / "records.db")
    assert caught.value.todo


def test_a_locked_database_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "TIMEOUT_S", 0.1)
    with Records(tmp_path / "records.db") as records:
        other = sqlite3.connect(records.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RankbenchError, match="in use"):
            records.set_splits({"1": "test"})
        assert records.splits() == {}
        other.execute("ROLLBACK")
        other.close()
        assert records.set_splits({"1": "test"}) == 1


READ_ONLY = """
import sys
from pathlib import Path
from engine.errors import RankbenchError
from engine.records import Records
records = Records(Path(sys.argv[1]))
print(len(records.judged_queries()))
try:
    records.set_splits({"1": "test"})
except RankbenchError as error:
    print(error.what)
"""


def test_a_read_only_disk_can_be_read_and_says_so_when_written(tmp_path: Path) -> None:
    import shutil
    import tempfile

    place = Path(tempfile.mkdtemp())
    try:
        with Records(place / "records.db") as records:
            records.add_judgments(*judged(tmp_path, lone(3)))
        (place / "records.db").chmod(0o444)
        place.chmod(0o555)
        command = [sys.executable, "-c", READ_ONLY, str(place / "records.db")]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, preexec_fn=as_anybody
        )
    finally:
        place.chmod(0o755)
        shutil.rmtree(place)
    assert done.returncode == 0, done.stderr
    count, message = done.stdout.splitlines()
    assert count == "3" and "cannot be opened or written" in message


def test_threads_and_connections_write_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    shared = Records(path)
    failures: list[BaseException] = []

    def write(number: int, own: bool) -> None:
        try:
            records = Records(path) if own else shared
            for n in range(20):
                records.set_splits({f"{number}-{n}": "train"})
            if own:
                records.close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(n, n % 2 == 0)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [] and len(shared.splits()) == 120
    shared.close()


def test_opening_imports_nothing_heavy() -> None:
    code = (
        "import sys, tempfile, pathlib, engine.records as r\n"
        "r.Records(pathlib.Path(tempfile.mkdtemp()) / 'r.db').judged_queries()\n"
        "print([m for m in ('polars', 'numpy', 'scipy', 'pyarrow', 'torch') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
