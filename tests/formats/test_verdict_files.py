"""Verdicts in files and back: nothing lost in the CSV, the rest as far as a format can carry it."""

from __future__ import annotations

import csv
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.catalog.normalise import clean_query
from engine.catalog.queries import JudgedQuery
from engine.errors import RankbenchError
from engine.formats.exporting import as_judged, not_carried, write_judged
from engine.formats.judgments import read_judgments
from engine.formats.trec import topics_beside
from engine.formats.verdicts import COLUMNS, iso_time, read_verdicts, write_verdicts
from engine.records import Verdict

FULL = Verdict(
    "ez up", "p1", "I", True, "a tent pole", "base", 3, "abc123", "ann", 1_700_000_000.123456
)
HOSTILE = (
    "two\nlines\r\nand a third\rone",
    'quotes " and "" and, commas; tabs\t',
    "=HYPERLINK(1)",
    r"C:\new\x41 \\ \u2028",
    "⛺️ 👨‍👩‍👧 خيمة \u202eoverride\u202c [/] \x1b[31m \x00 \u2028\u2029\x85\ufeff",
    " spaces ",
)
text = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
query = text.map(clean_query).filter(bool)
verdict = st.builds(
    Verdict,
    query=query,
    product_id=text.filter(bool),
    grade=st.sampled_from("ESCI"),
    bad=st.booleans(),
    note=text | st.sampled_from(HOSTILE),
    side=text,
    rank=st.none() | st.integers(1, 10_000),
    encoder=text,
    judge=text,
    given=st.floats(1.0, 4e9).map(lambda seconds: round(seconds, 6)),
)


def by_place(verdicts: object) -> dict[tuple[str, str, str], Verdict]:
    return {(v.query, v.product_id, v.judge): v for v in verdicts}  # type: ignore[attr-defined]


@settings(max_examples=150, deadline=None)
@given(st.lists(verdict, min_size=1, max_size=6))
def test_the_csv_carries_everything_one_line_a_verdict(said: list[Verdict]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "flags.csv"
        standing = by_place(said)
        write_verdicts(path, standing.values())
        written = path.read_bytes()
        read = read_verdicts(path)
        assert read.format == "csv" and by_place(read.verdicts) == standing
        assert [v.given for v in read.verdicts] == sorted(v.given for v in said_of(standing))
        assert written.count(b"\n") == len(standing) + 1 and b"\r" not in written
        write_verdicts(path, reversed(read.verdicts))
        assert path.read_bytes() == written


def said_of(standing: dict[tuple[str, str, str], Verdict]) -> list[Verdict]:
    return list(standing.values())


@pytest.mark.parametrize("note", HOSTILE)
def test_hostile_text_survives(note: str, tmp_path: Path) -> None:
    path = tmp_path / "flags.csv"
    write_verdicts(path, [replace(FULL, note=note, product_id=note)])
    assert read_verdicts(path).verdicts == (replace(FULL, note=note, product_id=note),)
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2


def test_the_csv_is_sorted_and_reads_as_one_expects(tmp_path: Path) -> None:
    path = tmp_path / "flags.csv"
    other = Verdict("alpha", "p9", "E", judge="bob", given=1.5)
    assert write_verdicts(path, [FULL, replace(FULL, judge="al"), other]) == 3
    lines = path.read_text().splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert lines[1] == "alpha,p9,E,false,,,,,bob,1970-01-01T00:00:01.500000Z"
    assert "2023-11-14T22:13:20.123456Z" in lines[2]
    assert [line.split(",")[8] for line in lines[2:]] == ["al", "ann"]
    assert list(csv.DictReader(lines))[1]["rank"] == "3"


def test_a_csv_written_by_hand_or_saved_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "flags.csv"
    path.write_bytes(
        "\ufeffQuery;Product_ID;Grade;Bad;Given\r\ntent;p1;exact;;\r\n\r\n"
        "tent;p2;i;X;2024-05-06T07:08:09+02:00\r\n".encode()
    )
    first, second = read_verdicts(path).verdicts
    assert (first.grade, first.bad, first.given, first.judge) == ("E", False, 0.0, "")
    assert second.bad and iso_time(second.given) == "2024-05-06T05:08:09.000000Z"


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ("tent,p1,Q,,", "not a grade"),
        (",p1,E,,", "query and a product"),
        ("tent,,E,,", "query and a product"),
        ("tent,p1,E,maybe,", "bad is"),
        ("tent,p1,E,,yesterday", "no time"),
        ("tent,p1,E,,,more", "fields"),
        ('tent,"p1,E,,', "no CSV"),
    ],
)
def test_a_row_that_is_no_verdict_is_refused_with_its_line(
    row: str, word: str, tmp_path: Path
) -> None:
    path = tmp_path / "flags.csv"
    path.write_text(f"query,product_id,grade,bad,given\nlamp,p0,E,,\n{row}\n")
    with pytest.raises(RankbenchError, match=r"Line [34].*" + word):
        read_verdicts(path)


def test_nothing_to_read_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "flags.csv"
    write_verdicts(path, [])
    with pytest.raises(RankbenchError, match="no verdict"):
        read_verdicts(path)
    with pytest.raises(RankbenchError, match="no file"):
        read_verdicts(tmp_path / "none.csv")
    with pytest.raises(RankbenchError, match="Cannot write"):
        write_verdicts(path / "under" / "a file", [FULL])


def test_times_that_no_calendar_has_are_left_empty() -> None:
    assert [iso_time(given) for given in (0.0, 1e300, float("nan"))] == ["", "", ""]


GRADES = {"red tent": {"a": "E", "b 1": "I"}, "title": {"c": "I"}, "<top> of a tent": {"a": "C"}}


def test_qrels_find_queries_whose_ids_have_white_space(tmp_path: Path) -> None:
    queries = [
        JudgedQuery("verdict:tent peg", "tent peg", "", {"p1": "E", "p2": "I"}),
        JudgedQuery("my id%20", "red tent", "", {"p3": "C"}),
    ]
    path, topics = write_judged(tmp_path / "j.qrels", queries, "trec")
    read = read_judgments(path, queries=topics, scale="0-3")
    assert {tuple(row) for row in read.frame.drop("value").iter_rows()} == {
        (q.query_id, q.query, product, grade)
        for q in queries
        for product, grade in q.grades.items()
    }
    assert read.dropped == {}


def test_topics_that_lie_about_are_read_with_qrels_alone(tmp_path: Path) -> None:
    queries = [JudgedQuery("q1", "tent peg", "", {"p1": "E", "p2": "I"})]
    topics_beside(tmp_path / "x.json").write_text("q1\ttent\nno topic\n")
    for name, form in (("x.json", "opensearch"), ("x.csv", "quepid")):
        write_judged(tmp_path / name, queries, form)
        assert {v.product_id for v in read_verdicts(tmp_path / name).verdicts} == {"p1", "p2"}
    (tmp_path / "x.qrels").write_text("q1 0 p1 3\n")
    with pytest.raises(RankbenchError, match="no topic"):
        read_verdicts(tmp_path / "x.qrels")


@pytest.mark.parametrize("form", ["quepid", "trec", "opensearch"])
@pytest.mark.parametrize("queries", [["red tent", "title"], ["title"], list(GRADES)])
def test_the_judgment_formats_carry_query_product_and_grade(
    form: str, queries: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "flags.txt"
    said = [Verdict(q, p, g, judge="x") for q in queries for p, g in GRADES[q].items()]
    judged = as_judged(said)
    paths = write_judged(path, judged, form)
    read = read_verdicts(path)
    assert {(v.query, v.product_id, v.grade) for v in read.verdicts} == {
        (v.query, v.product_id, v.grade) for v in said
    }
    assert any("scale 0-3" in note for note in read.notes)
    before = [file.read_bytes() for file in paths]
    write_judged(path, list(reversed(judged)), form)
    assert [file.read_bytes() for file in paths] == before


def test_judgments_are_read_back_whole_from_csv(tmp_path: Path) -> None:
    path = tmp_path / "judgments.csv"
    queries = [
        JudgedQuery("7", "red, tent", "dev", {"b": "S", "a": "E"}, {"stratum": "met"}),
        JudgedQuery("1", 'lamp 5"', "", {"c": "I"}, {"stratum": "never"}),
    ]
    assert write_judged(path, queries, "csv") == (path,)
    read = read_judgments(path)
    rows = set(read.frame.select("query_id", "query", "product_id", "grade").iter_rows())
    assert rows == {(q.query_id, q.query, p, g) for q in queries for p, g in q.grades.items()}
    columns = {row["query_id"]: row for row in read.queries.iter_rows(named=True)}
    assert (columns["7"]["split"], columns["7"]["stratum"]) == ("dev", "met")
    assert not_carried(queries, "csv") == []
    assert not_carried(queries, "quepid") == [
        "splits", "further columns of the queries", "query ids",
    ]  # fmt: skip


def test_ids_of_the_imported_queries_are_kept_and_others_numbered(tmp_path: Path) -> None:
    imported = [JudgedQuery("v0001", "red tent"), JudgedQuery("q2", "lamp")]
    said = [Verdict(q, "a", "I") for q in ("red tent", "red tents", "sofa")]
    found = {query.query: query.query_id for query in as_judged(said, imported)}
    assert found == {"red tent": "v0001", "red tents": "v0002", "sofa": "v0003"}
    write_judged(tmp_path / "q.txt", as_judged(said, imported), "trec")
    topics = topics_beside(tmp_path / "q.txt").read_text()
    assert topics.splitlines()[0] == "v0001\tred tent"
    assert not_carried([JudgedQuery("1", "x", "", {"a\u3000b": "E"})], "trec") == [
        "product ids with unusual white space (1)"
    ]
