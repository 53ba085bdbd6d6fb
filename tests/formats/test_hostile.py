"""Whatever the bytes, every reader gives sound rows or one clear error."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import RankbenchError
from engine.formats.judgments import JudgmentFile, read_judgments, read_queries
from engine.formats.products import read_products
from engine.formats.runs import read_run
from engine.formats.tables import read_table

PIECES = (
    "query", "product_id", "label", "id", "title", "rank", "query_id", "split", "train", ",", "\t",
    ";", "|", '"', '""', "\n", "\r\n", "\r", " ", "E", "S", "1", "0", "0.5", "x", "é", "\\", '\\"',
    "{", "}", "[", "]", ":", "null", "NaN", "\0", "\x01", "\ufeff", "1e400", "-", "٣", "<num>",
    "sep=;\n", "<top>", "q1 Q0 a 1 2 t\n", "q1 0 a 1\n", "query,product_id,label\n", "id,title\n",
    '{"query":"x","product_id":"a","label":"E"}\n', '"judgmentRatings"',
    '[{"query":"x","ratings":[{"docId":"a","rating":1}]}]',
)  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
contents = st.one_of(
    st.binary(max_size=300), texts.map(str.encode), texts.map(lambda text: text.encode("utf-16"))
)
READERS = (
    read_table,
    read_products,
    read_judgments,
    lambda path: read_judgments(path, scale="order"),
    lambda path: read_judgments(path, queries=path),
    read_queries,
    read_run,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(contents, st.sampled_from(["x.csv", "x.json", "x.txt", "x.tsv", "x.jsonl", "label.csv"]))
def test_every_reader_gives_sound_rows_or_one_clear_error(
    place: Path, content: bytes, name: str
) -> None:
    path = place / name
    path.write_bytes(content)
    for reader in READERS:
        try:
            read = reader(path)
        except RankbenchError as error:
            assert error.todo and not set("\r\n") & set(error.what + error.todo)
            continue
        if isinstance(read, JudgmentFile):
            pairs = read.frame.select("query_id", "product_id")
            assert pairs.height and not pairs.is_duplicated().any()
            assert read.frame.null_count().sum_horizontal()[0] == 0
            assert set(read.frame["grade"]) <= set("ESCI")
            assert read.queries["query_id"].is_unique().all()
