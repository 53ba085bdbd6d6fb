from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import RankbenchError
from engine.formats.runs import read_run, write_qrels, write_run
from engine.formats.trec import decode_id, encode_id, parse_qrels

ids = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=8)
spaced = st.lists(ids, min_size=1, max_size=3).map(" ".join)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(spaced, st.lists(spaced, min_size=1, max_size=6, unique=True), min_size=1))
def test_a_written_run_reads_back(
    tmp_path_factory: pytest.TempPathFactory, run: dict[str, list[str]]
) -> None:
    path = tmp_path_factory.mktemp("run") / "a.run"
    write_run(path, run)
    assert read_run(path) == run


@given(st.text(min_size=1).filter(lambda text: not set(text) & set("\x0b\x0c\x1c\x1d\x1e\x1f\x85")))
def test_ids_travel_as_one_token(text: str) -> None:
    token = encode_id(text)
    assert len(token.split()) == 1
    if not any(c.isspace() and c not in " \t\n\r" for c in text):
        assert decode_id(token) == text


def test_the_lines_are_what_trec_eval_reads(tmp_path: Path) -> None:
    path = tmp_path / "new" / "base.run"
    write_run(path, {"q1": ["b", "a"], "q 2": ["c d"]}, "my tag")
    assert path.read_text().splitlines() == [
        "q1 Q0 b 1 2 my_tag",
        "q1 Q0 a 2 1 my_tag",
        "q%202 Q0 c%20d 1 1 my_tag",
    ]
    assert [item.name for item in path.parent.iterdir()] == ["base.run"]


def test_qrels_are_whole_numbers(tmp_path: Path) -> None:
    path = tmp_path / "qrels.txt"
    write_qrels(path, {"q1": {"a": 100, "b b": 0}})
    assert path.read_text() == "q1 0 a 100\nq1 0 b%20b 0\n"
    assert parse_qrels(path.read_text(), path)["product_id"].to_list() == ["a", "b b"]
    with pytest.raises(RankbenchError):
        write_qrels(path, {"q1": {"a": 0.5}})  # type: ignore[dict-item]
    assert path.read_text().startswith("q1 0 a 100")


@pytest.mark.parametrize(
    ("text", "run"),
    [
        ("q1 Q0 a 2 0.5 t\nq1 Q0 b 1 0.9 t\n", {"q1": ["b", "a"]}),
        ("q1 Q0 a 2 1.0 t\nq1 Q0 b 1 1.0 t\n", {"q1": ["b", "a"]}),
        ("q1 Q0 a 1 2\n\nq2 Q0 a 1 2\n", {"q1": ["a"], "q2": ["a"]}),
        ("q1 Q0 a 1 9 t\nq1 Q0 a 2 8 t\nq1 Q0 b 3 7 t\n", {"q1": ["a", "b"]}),
        ("query_id,product_id,rank\n1,b,2\n1,a,1\n", {"1": ["a", "b"]}),
        ("query,docid,score\nred shoe,b,.2\nred shoe,a,.9\nred shoe,c,\n",
         {"red shoe": ["a", "b", "c"]}),
        ("query,product_id\ntent,b\nshoe,x\ntent,a\n", {"tent": ["b", "a"], "shoe": ["x"]}),
        ('{"query_id": "1", "doc_id": "a", "position": 1}\n', {"1": ["a"]}),
    ],
)  # fmt: skip
def test_runs_are_read_in_both_forms(tmp_path: Path, text: str, run: dict) -> None:
    path = tmp_path / "x.run"
    path.write_text(text)
    found = read_run(path)
    assert found == run and list(found) == list(run)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "empty"),
        ("q1 Q0 a 1 2 t\nq1 Q0 a\n", "Line 2"),
        ("q1 Q0 a 1 2 t\nq1 Q0 a x y t\n", "Line 2"),
        ("a,b\n1,2\n", "not a run"),
    ],
)
def test_a_file_that_is_no_run_is_one_clear_error(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "x.run"
    path.write_text(text)
    with pytest.raises(RankbenchError, match=what):
        read_run(path)
    with pytest.raises(RankbenchError):
        read_run(tmp_path / "none")


def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RankbenchError, match="Cannot write"):
        write_run(tmp_path / "file" / "a.run", {"q": ["a"]})
