"""`import log`: searches become the weights of the judged queries, and no more than that."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from engine.records import Records


def written(path: Path, searches: dict[str, int]) -> Path:
    """A log with a row for each search, as UBI has it."""
    texts = [text for text, times in searches.items() for _ in range(times)]
    rows = [{"query_id": f"s{n}", "user_query": text} for n, text in enumerate(texts)]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


LOG = {"hose": 30, "Trainers": 6, "trainer": 3, "face mask": 1, "garden gnome": 50, "gnomes": 10}


def test_a_log_weights_the_judged_queries_and_says_what_share_they_carry(
    workspace: Path, tmp_path: Path, rankbench
) -> None:
    path = written(tmp_path / "log.ndjson", LOG)
    told = rankbench("import", "log", path, "-w", workspace)
    assert told.code == 0, told.err
    assert "100 for 5 queries" in told.out
    assert "3 of 12 judged queries searched for: 40 searches, 40.0 % of the traffic" in told.out
    result = rankbench("eval", "-w", workspace, "--split", "all", "--per-query", "--json").json
    weights = {row["query"]: row["weight"] for row in result["per_query"]}
    known = {query: weight for query, weight in weights.items() if weight is not None}
    assert len(weights) == 12 and known == {"hose": 30, "trainers": 9, "face mask": 1}
    rows = [row for row in result["per_query"] if row["weight"] is not None]
    mean = np.average([r["delta"]["ndcg@10"] for r in rows], weights=[r["weight"] for r in rows])
    assert result["weighted"]["ndcg@10"]["delta"] == pytest.approx(mean)
    assert result["weighted"]["ndcg@10"]["n_effective"] == pytest.approx(40**2 / (900 + 81 + 1))


def test_the_newest_log_counts_and_what_nobody_judged_is_kept(
    workspace: Path, tmp_path: Path, rankbench
) -> None:
    rankbench("import", "log", written(tmp_path / "old.ndjson", LOG), "-w", workspace)
    (tmp_path / "new.txt").write_text("hose\nhose\ngnome, large\n")
    found = rankbench("import", "log", tmp_path / "new.txt", "-w", workspace, "--json").json
    assert (found["searches"], found["queries"], found["judged_in_log"]) == (3, 2, 1)
    assert found["share"] == pytest.approx(2 / 3) and found["number"] == 2
    with Records(workspace / "records.db") as records:
        weights = {query.query: query.weight for query in records.judged_queries()}
        assert weights.pop("hose") == 2 and set(weights.values()) == {None}
        assert records.logged_queries() == [("hose", 2), ("gnome, large", 1)]
        # The older log is not gone.
        assert records._query("SELECT count(*) FROM log_queries WHERE log_id = 1") == [(5,)]
    # What is exported is what was imported: a log's counts are no column of a judgment file.
    assert rankbench("export", "judgments", tmp_path / "out.csv", "-w", workspace).code == 0
    assert "weight" not in (tmp_path / "out.csv").read_text().splitlines()[0]


def test_the_weight_of_a_query_file_stands_above_the_log_and_it_is_said(
    workspace: Path, tmp_path: Path, rankbench
) -> None:
    own = tmp_path / "own.csv"
    own.write_text("query,product_id,label,weight\nhose,p09,E,7\n")
    assert rankbench("import", "judgments", own, "-w", workspace).code == 0
    told = rankbench("import", "log", written(tmp_path / "log.ndjson", LOG), "-w", workspace)
    assert "1 judged query keeps the weight of the query file" in told.err
    with Records(workspace / "records.db") as records:
        weights = {query.query: query.weight for query in records.judged_queries()}
    assert (weights["hose"], weights["trainers"], weights["glass lid"]) == (7, 9, None)


def test_a_log_that_is_none_changes_nothing(workspace: Path, tmp_path: Path, rankbench) -> None:
    (tmp_path / "log.csv").write_text("wort;zahl\nhose;3\ntent;2\n")
    told = rankbench("import", "log", tmp_path / "log.csv", "-w", workspace)
    told.assert_error(1, "no column of queries", "wort, zahl")
    told = rankbench("import", "log", tmp_path / "log.csv", "-w", workspace, "--set", "x")
    told.assert_error(2, "takes no")
    with Records(workspace / "records.db") as records:
        assert records.logged_queries() == []
        assert {query.weight for query in records.judged_queries()} == {None}


def weights_of(workspace: Path) -> dict[str, float]:
    with Records(workspace / "records.db") as records:
        found = {query.query: query.weight for query in records.judged_queries()}
    return {query: weight for query, weight in found.items() if weight is not None}


def test_a_log_is_taken_back_and_the_one_before_it_counts_again(
    workspace: Path, tmp_path: Path, rankbench
) -> None:
    asked = ("import", "log", "--undo", "-w", workspace)
    rankbench(*asked).assert_error(1, "no search log", "import log")
    old = written(tmp_path / "old.ndjson", LOG)
    new = written(tmp_path / "new.ndjson", {"hose": 2})
    rankbench("import", "log", old, "-w", workspace)
    before = weights_of(workspace)
    assert "`rankbench import log --undo" in rankbench("import", "log", new, "-w", workspace).err
    assert weights_of(workspace) == {"hose": 2}
    told = rankbench(*asked)
    assert told.code == 0 and "new.ndjson" in told.out and "2 searches for 1 query" in told.out
    assert "old.ndjson weights the queries" in told.err
    assert weights_of(workspace) == before
    told = rankbench(*asked, "--json").json
    assert (told["number"], told["queries"], told["searches"], told["before"]) == (1, 5, 100, "")
    assert weights_of(workspace) == {}
    rankbench(*asked).assert_error(1, "no search log")
    # Both are kept, and the file can come again.
    with Records(workspace / "records.db") as records:
        assert records._query("SELECT count(DISTINCT log_id) FROM log_queries") == [(2,)]
        assert records.logged_queries() == []
    rankbench("import", "log", new, "-w", workspace)
    assert weights_of(workspace) == {"hose": 2}
    rankbench(*asked[:3], old, *asked[3:]).assert_error(2, "import log --undo")
