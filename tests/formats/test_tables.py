from __future__ import annotations

import gzip
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import RankbenchError
from engine.formats.delimited import parse_delimited
from engine.formats.tables import load_table, read_table

ROWS = [("1", "Red shoe, size 9"), ("2", "Zelt – „groß“")]


def written(tmp_path: Path, name: str, content: bytes | str) -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|", "^", "~", "\x01"])
@pytest.mark.parametrize("name", ["x.csv", "x.txt"])
def test_any_delimiter_is_found(tmp_path: Path, delimiter: str, name: str) -> None:
    lines = [f"id{delimiter}title{delimiter}price"]
    lines += [f'{key}{delimiter}"{title}"{delimiter}5' for key, title in ROWS]
    frame = read_table(written(tmp_path, name, "\n".join(lines)))
    assert frame.columns == ["id", "title", "price"]
    assert frame.select("id", "title").rows() == ROWS


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ('a,b\n1,"x\ny"\n2,z\n', [("1", "x\ny"), ("2", "z")]),
        ('a,b\n1,"5"" pipe"\n', [("1", '5" pipe')]),
        ('a,b\n1,"say \\"hi\\", you"\n', [("1", 'say "hi", you')]),
        ('a,b\n1,5" pipe\n2,"open\n', [("1", '5" pipe'), ("2", '"open')]),
        ('a,b\n1,"open\n2,x\n3,close"\n', [("1", '"open'), ("2", "x"), ("3", 'close"')]),
        ('a,b\n1, "x, y"\n', [("1", "x, y")]),
        ('a\tb\n1\t"open\n2\t5" x\n3\t"""x"""\n', [("1", '"open'), ("2", '5" x'), ("3", '"x"')]),
        ("a,b\r\n1,x\r\n\r\n2,y\r\n", [("1", "x"), ("2", "y")]),
        ("a,b\r1,x\r2,y\r", [("1", "x"), ("2", "y")]),
        ("\n\na,b\n1,x\n", [("1", "x")]),
        ("sep=;\na;b\n1;x, y\n", [("1", "x, y")]),
        ("a,b\n1,x,\n", [("1", "x")]),
        ("a,b\n1\n2,y\n", [("1", None), ("2", "y")]),
        ("a,b\n1,\x07y\n", [("1", "\x07y")]),
    ],
    ids=[
        "newline in a cell", "doubled quote", "backslash quote", "inch marks", "stray quote",
        "space before a quote", "tabs without quoting", "windows", "old mac", "leading blank lines",
        "excel sep line", "trailing delimiter", "short line", "control character",
    ],
)  # fmt: skip
def test_the_csv_that_people_have(tmp_path: Path, content: str, rows: list[tuple]) -> None:
    assert read_table(written(tmp_path, "x.csv", content)).rows() == rows


def test_headers_are_made_unique_and_trimmed(tmp_path: Path) -> None:
    frame = read_table(written(tmp_path, "x.csv", "a, a ,,b\n1,2,3,4\n"))
    assert frame.columns == ["a", "a_2", "column_3", "b"]


@pytest.mark.parametrize(
    ("encoding", "title"),
    [
        ("utf-8", "Zelt – „groß“"),
        ("utf-8-sig", "Zelt – „groß“"),
        ("utf-16", "赤いドレス"),
        ("utf-16-le", "red dress é"),
        ("utf-16-be", "red dress é"),
        ("utf-32", "red dress é"),
        ("cp1252", "Café crème – „dark“ 5 €"),
        ("cp1250", "Žluťoučký kůň příšerně"),
        ("cp932", "赤いドレス ランニングシューズ"),
        ("gb18030", "红色连衣裙男士跑鞋"),
        ("cp1251", "красное платье кроссовки мужские"),
    ],
)
def test_encodings_are_told_apart(tmp_path: Path, encoding: str, title: str) -> None:
    content = "".join(["id,title\n", *(f"{n},{title}\n" for n in range(3))])
    table = load_table(written(tmp_path, "x.csv", content.encode(encoding)))
    assert table.frame.columns == ["id", "title"]
    assert table.frame["title"].to_list() == [title] * 3
    guessed = not encoding.startswith("utf-8") and encoding not in ("utf-16", "utf-32")
    assert any("guess" in note for note in table.notes) == guessed


def test_json_in_its_three_shapes(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "title": "Shoe", "bullets": ["a", "b"], "price": 9.5},
        {"id": 2, "title": None, "more": {"x": [1]}, "price": 3.0, "new": True},
    ]
    expected = [
        ("1", "Shoe", "a b", "9.5", None, None),
        ("2", None, None, "3", '{"x": [1]}', "true"),
    ]
    lines = "\n\n".join(json.dumps(row) for row in rows)
    shapes = {"a.json": json.dumps(rows), "b.jsonl": lines, "c.json": lines}
    shapes["d.json"] = json.dumps({"products": rows, "count": 2})
    for name, content in shapes.items():
        assert read_table(written(tmp_path, name, content)).rows() == expected, name


def test_json_nan_and_half_a_surrogate_are_survived(tmp_path: Path) -> None:
    frame = read_table(written(tmp_path, "x.jsonl", '{"a": NaN, "b": "\\ud800x"}'))
    assert frame.rows() == [(None, "?x")]


def test_parquet_becomes_text(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame(
        {
            "id": [1.0, 2.0, None],
            "price": [1.5, float("nan"), 2.0],
            "tags": [["a", "b"], [], None],
            "raw": [b"x", None, b"\xff"],
            "kind": pl.Series(["k", "k", None], dtype=pl.Categorical),
            "in_stock": [True, False, None],
        }
    ).write_parquet(path)
    assert read_table(path).rows() == [
        ("1", "1.5", "a b", "x", "k", "true"),
        ("2", None, None, None, "k", "false"),
        (None, "2.0", None, "\ufffd", None, None),
    ]


@pytest.mark.parametrize("name", ["x.csv.gz", "x.jsonl.gz", "x.parquet.gz", "x.csv"])
def test_gzip_is_unpacked_whatever_its_name(tmp_path: Path, name: str) -> None:
    plain = tmp_path / "plain"
    frame = pl.DataFrame({"a": ["1"], "b": ["x"]})
    if "parquet" in name:
        frame.write_parquet(plain)
    elif "json" in name:
        frame.write_ndjson(plain)
    else:
        frame.write_csv(plain)
    path = written(tmp_path, name, gzip.compress(plain.read_bytes()))
    assert read_table(path).rows() == [("1", "x")]


def test_a_ten_megabyte_cell_is_read(tmp_path: Path) -> None:
    cell = "x," * 5_000_000
    frame = read_table(written(tmp_path, "x.csv", f'id,title\n1,"{cell}"\n2,y\n'))
    assert len(frame["title"][0]) == 10_000_000 and frame["title"][1] == "y"


HOSTILE = {
    "empty": b"",
    "blank": b" \n\n",
    "header.csv": b"id,title\n",
    "header.jsonl": b"[]",
    "binary": bytes(range(256)) * 40,
    "zeros": bytes(5000),
    "ragged.csv": b"a,b\n1,x\n2,x,y,z\n3,x\n",
    "quote.csv": b'a,b,c\n1,x,"y\n2,x\n',
    "broken.jsonl": b'{"a": 1}\n{"a": \n',
    "numbers.json": b"[1, 2]",
    "deep.json": b"[" * 200_000,
    "long.json": b'[{"a": ' + b"9" * 10_000 + b"}]",
    "not.parquet": b"a,b\n1,2\n",
    "broken.parquet": b"PAR1" + b"x" * 100 + b"PAR1",
    "broken.csv.gz": gzip.compress(b"a,b\n1,2\n" * 500)[:40],
    "book.xlsx": b"PK\x03\x04" + b"x" * 100,
    "half.csv": b"\xff\xfea\x00,\x00b",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_cannot_be_read_is_one_clear_error(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name, HOSTILE[name])
    with pytest.raises(RankbenchError) as caught:
        read_table(path)
    assert caught.value.what.count("\n") == 0 and name in caught.value.what
    assert caught.value.todo and caught.value.todo.count("\n") == 0


def test_a_missing_file_and_a_directory_are_clear_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path, tmp_path / ("x" * 300)):
        with pytest.raises(RankbenchError) as caught:
            read_table(path)
        assert caught.value.todo


def test_the_line_that_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(RankbenchError, match=r"Line 3 .* 4 fields, the header has 2"):
        read_table(written(tmp_path, "x.csv", HOSTILE["ragged.csv"]))
    with pytest.raises(RankbenchError, match=r"Line 2 .* not JSON"):
        read_table(written(tmp_path, "x.jsonl", HOSTILE["broken.jsonl"]))


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=12)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=6), st.sampled_from(",;|"))
def test_what_a_csv_writer_quotes_comes_back(rows: list[tuple[str, str]], delimiter: str) -> None:
    def quoted(cell: str) -> str:
        return '"' + cell.replace('"', '""') + '"'

    # Lines inside a cell that each have the header's fields are taken for a stray quote.
    rows = [
        tuple(cell.replace(delimiter, "") if "\n" in cell else cell for cell in row) for row in rows
    ]
    lines = ["left" + delimiter + "right", *(delimiter.join(map(quoted, row)) for row in rows)]
    frame, _ = parse_delimited("\n".join(lines) + "\n", Path("x.csv"))
    expected = [tuple(cell or None for cell in row) for row in rows if any(row)]
    assert frame.rows() == expected


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_end_in_anything_but_a_table_or_our_error(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        for name in ("x.csv", "x.json"):
            path = Path(directory) / name
            path.write_bytes(content)
            try:
                frame = read_table(path)
            except RankbenchError:
                continue
            assert frame.height and set(frame.dtypes) == {pl.String}
