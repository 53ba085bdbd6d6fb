"""Search logs: what counts as one search, in each form a log comes in."""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from engine.catalog.normalise import normalise_query
from engine.errors import RankbenchError
from engine.formats.search_log import read_search_log

ESCI = Path(os.environ.get("RANKBENCH_ESCI", Path(__file__).parents[3] / "shared/data/esci-small"))
REAL = ESCI / "ubi_queries.ndjson.gz"


def ubi(path: Path, *rows: dict[str, str | None]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_rows_of_one_ubi_search_count_once_and_what_follows_a_search_is_none(tmp_path) -> None:
    def row(search: str | None, text: str | None, action: str | None = None, said: str = ""):
        return {"query_id": search, "user_query": text, "action_name": action, "message": said}

    path = ubi(
        tmp_path / "events.ndjson",
        # The hits and two facets of one request; then other words under the same id.
        *[row("a", "Red Kettle")] * 3,
        row("a", "kettle"),
        # Another search of the same query, then what was seen and clicked.
        row("b", "red kettles", "search"),
        row("b", "red kettles", "impression"),
        row("b", "red kettles", "click"),
        # Only its impressions are logged.
        row("c", "hose", "impression"),
        row("c", "hose", "impression"),
        # Without an id every search is one, and a click none.
        row(None, "hose", "search"),
        row(None, "hose", "search"),
        row(None, "hose", "click"),
        # As Chorus writes it: the text is the message.
        row("d", None, "search", "tent"),
        row("e", None, "page_exit", "bye"),
        row("f", " ", "search"),
    )
    log = read_search_log(path)
    assert log.queries == {
        "red kettle": ("Red Kettle", 2), "kettle": ("kettle", 1), "hose": ("hose", 3),
        "tent": ("tent", 1),
    }  # fmt: skip
    assert (log.format, log.searches, log.repeated) == ("ubi", 7, 5)
    assert log.dropped == {"without a query": 1}


def test_a_table_may_bring_counts_and_rows_of_a_query_add_up(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("Search Term;Searches\nkettle;40\nhose;x\nKettles;2\nKETTLE;3\n;9\ntent;0\n")
    log = read_search_log(path)
    assert log.queries == {"kettle": ("kettle", 45)} and log.counted == "Searches"
    assert log.dropped == {"whose count is no number above 0": 2, "without a query": 1}
    path.write_text("query,when\nkettle,1\nhose,2\nkettle,3\n")
    assert read_search_log(path).queries == {"kettle": ("kettle", 2), "hose": ("hose", 1)}


def test_plain_lines_are_searches_whatever_characters_they_hold(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text('red, blue dress\n#1 dad mug\n5" pan\n{curly} [x]\nRed,  blue dress \n')
    queries = read_search_log(path).queries
    assert sorted(queries.values()) == [
        ("#1 dad mug", 1), ('5" pan', 1), ("red, blue dress", 2), ("{curly} [x]", 1),
    ]  # fmt: skip
    with gzip.open(tmp_path / "log.gz", "wt") as file:
        file.write(path.read_text())
    assert read_search_log(tmp_path / "log.gz").queries == queries


def test_a_table_under_unknown_names_is_refused_not_read_as_lines(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("suchwort;anzahl\nkessel;3\nschlauch;2\n")
    with pytest.raises(RankbenchError, match="suchwort, anzahl") as told:
        read_search_log(path)
    assert "`query`" in told.value.todo
    path.write_text(" \n\n")
    with pytest.raises(RankbenchError):
        read_search_log(path)


@pytest.mark.skipif(not REAL.exists(), reason="esci-small is absent (RANKBENCH_ESCI names it)")
def test_the_real_sample_agrees_with_a_count_by_hand() -> None:
    with gzip.open(REAL, "rt") as file:
        rows = [json.loads(line) for line in file]
    searches = {
        (row["query_id"], normalise_query(row["user_query"])) for row in rows if row["user_query"]
    }
    expected = Counter(key for _, key in searches if key)
    log = read_search_log(REAL)
    assert {key: count for key, (_, count) in log.queries.items()} == expected
