"""`eval`: the query set through both sides."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest


def test_json_has_the_keys_that_others_rely_on(made: Path, rankbench: Any) -> None:
    options = ["-w", made, "--candidate", "bm25", "--split", "all", "--per-query", "--json"]
    found = rankbench("eval", *options).json
    assert {"queries", "excluded", "split", "candidates", "inputs"} <= set(found)
    assert {"catalog", "judgments", "measures"} <= set(found["inputs"])
    assert (found["split"], found["candidates"]) == ("all", "catalog")
    assert found["baseline"]["encoder"] == "base"
    assert found["candidate"]["encoder"] == "bm25"
    assert found["baseline"]["ndcg"] is None  # full depth is for judged candidates
    keys = {"mean", "low", "high", "p", "improved", "unchanged", "harmed"}
    assert keys <= set(found["delta"]["ndcg@10"])
    assert len(found["per_query"]) == found["queries"] == 12
    row = found["per_query"][0]
    assert {"query_id", "query", "split", "seen", "baseline", "candidate", "delta"} <= set(row)


def test_means_are_of_the_queries(made: Path, rankbench: Any) -> None:
    options = ["-w", made, "--candidate", "bm25", "--split", "all", "--per-query", "--json"]
    found = rankbench("eval", *options, "--candidates", "judged").json
    values = [row["baseline"]["ndcg"] for row in found["per_query"]]
    assert found["baseline"]["ndcg"] == pytest.approx(math.fsum(values) / len(values))


def test_runs_are_files_that_are_sides(made: Path, tmp_path: Path, rankbench: Any) -> None:
    options = ["-w", made, "--split", "all"]
    result = rankbench("eval", *options, "--candidate", "bm25", "--runs", tmp_path / "runs")
    assert result.code == 0, result.err
    names = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert names == ["baseline.run", "candidate.run", "qrels.txt"]
    run = f"run:{tmp_path / 'runs' / 'baseline.run'}"
    again = rankbench("eval", *options, "--candidate", run, "--json").json
    assert again["candidate"]["ndcg@10"] == pytest.approx(again["baseline"]["ndcg@10"])
    assert again["rbo"] == pytest.approx(1.0)


def test_the_table_names_set_and_n(made: Path, rankbench: Any) -> None:
    options = ["-w", made, "--candidate", "bm25", "--split", "all", "--by", "split", "--per-query"]
    result = rankbench("eval", *options[:-3], "--per-query")
    assert result.code == 0, result.err
    assert "12 queries (all), candidates: catalog" in result.out
    for word in ("ndcg@10", "95 % interval", "random", "rbo between the sides", "womens trainers"):
        assert word in result.out


def test_groups_show_the_threshold_and_the_random_floor(made: Path, rankbench: Any) -> None:
    options = ["-w", made, "--candidate", "bm25", "--split", "all", "--by", "split"]
    result = rankbench("eval", *options)
    assert result.code == 0, result.err
    groups = result.out[result.out.index("ndcg@10 by split") :].splitlines()
    assert "+/=/- at 0.01" in groups[0] and groups[0].split()[-1] == "random"
    assert all(0 < float(line.split()[-1]) < 1 for line in groups[1:] if line)


def test_a_split_whose_queries_are_all_left_out_says_so(
    shop: Path, tmp_path: Path, rankbench: Any
) -> None:
    foreign = tmp_path / "judgments.csv"
    foreign.write_text("query_id,query,product_id,label\nq1,hose,elsewhere,E\nq2,tent,p01,I\n")
    root = tmp_path / "w"
    init = ["--catalog", shop / "products.csv", "--judgments", foreign]
    assert rankbench("init", root, *init).code == 0
    sides = ["--baseline", "bm25", "--candidate", "bm25"]
    result = rankbench("eval", "-w", root, *sides, "--split", "all")
    assert result.code == 0, result.err
    assert "2 queries without a positive grade" in result.err
    assert "every query of this split" in result.err and "No query is in" not in result.err


def test_cosines_come_with_their_margin(made: Path, rankbench: Any) -> None:
    options = ["-w", made, "--candidate", "bm25", "--split", "all", "--cosines", "--json"]
    found = rankbench("eval", *options).json
    assert -1 <= found["baseline"]["title_cosine"] <= 1
    assert found["baseline"]["title_margin"] is not None
    assert found["baseline"]["description_cosine"] is None  # the shop has none
    assert found["candidate"]["title_cosine"] is None  # bm25 has no vectors
    again = rankbench("eval", *options).json  # from the cache now
    assert again["baseline"]["title_cosine"] == found["baseline"]["title_cosine"]


def test_a_column_that_no_query_has_is_one_error(made: Path, rankbench: Any) -> None:
    options = ["-w", made, "--candidate", "bm25", "--split", "all", "--by", "nosuch"]
    rankbench("eval", *options).assert_error(2, "nosuch")


def test_a_workspace_without_judgments_says_what_to_do(
    shop: Path, tmp_path: Path, rankbench: Any
) -> None:
    root = tmp_path / "w"
    assert rankbench("init", root, "--catalog", shop / "products.csv").code == 0
    options = ["-w", root, "--baseline", "bm25", "--candidate", "bm25"]
    rankbench("eval", *options).assert_error(1, "judged queries", "import judgments")


def test_judgments_can_be_imported_later(shop: Path, tmp_path: Path, rankbench: Any) -> None:
    root = tmp_path / "w"
    assert rankbench("init", root, "--catalog", shop / "products.csv").code == 0
    result = rankbench("import", "judgments", shop / "judgments.csv", "-w", root, "--json")
    assert result.json["judgments"] == 30
    options = ["-w", root, "--baseline", "bm25", "--candidate", "bm25", "--split", "all"]
    assert rankbench("eval", *options, "--json").json["queries"] == 12


def test_a_bad_import_changes_nothing(workspace: Path, tmp_path: Path, rankbench: Any) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("query,product_id,label\ntent,p01,E\ntent,p02,superb\n")
    rankbench("import", "judgments", bad, "-w", workspace).assert_error(1, "superb")
    options = ["-w", workspace, "--candidate", "bm25", "--split", "all", "--json"]
    assert rankbench("eval", *options).json["queries"] == 12
