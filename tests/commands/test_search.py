"""`search`: one comparison, as a table and as JSON."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import pytest

MEASURES = ("ndcg", "ndcg@10", "rbo_ideal", "mrr@10", "recall@50", "judged@10")
FLOORED = ("ndcg", "ndcg@10", "rbo_ideal")


def test_json_has_the_keys_that_others_rely_on(made: Path, rankbench: Any) -> None:
    result = rankbench("search", "trainers", "-w", made, "--candidate", "bm25", "-k", 3, "--json")
    found = result.json
    assert {"query", "split", "seen", "elapsed_ms", "rbo", "baseline", "candidate", "delta"} <= set(
        found
    )
    assert found["query"] == "trainers"
    assert (found["baseline"]["encoder"], found["candidate"]["encoder"]) == ("base", "bm25")
    for side in ("baseline", "candidate"):
        assert {"encoder", "build", "hits", *MEASURES} <= set(found[side])
        assert len(found[side]["hits"]) <= 3
        for hit in found[side]["hits"]:
            assert set(hit) == {
                "rank",
                "product_id",
                "title",
                "score",
                "grade",
                "other_rank",
                "verdict",
                "overrules",
            }
    assert set(found["delta"]) == set(MEASURES)
    assert set(found["floor"]) == set(FLOORED)
    assert all(0 < found["floor"][name] < 1 for name in FLOORED)
    before, after = found["baseline"]["ndcg"], found["candidate"]["ndcg"]
    assert found["delta"]["ndcg"] == pytest.approx(after - before)


def test_an_unjudged_query_has_null_measures(made: Path, rankbench: Any) -> None:
    found = rankbench("search", "never judged", "-w", made, "--json").json
    assert found["split"] is None
    assert all(found["baseline"][measure] is None for measure in MEASURES)
    assert found["floor"] == dict.fromkeys(FLOORED)


def test_the_table_shows_both_sides_and_the_measures(made: Path, rankbench: Any) -> None:
    result = rankbench("search", "hose", "-w", made, "--candidate", "bm25")
    assert result.code == 0, result.err
    assert "Garden hose 15 m" in result.out
    for word in ("base", "bm25", "ndcg@10", "delta", "random", "rbo"):
        assert word in result.out


def test_bm25_needs_no_index(shop: Path, tmp_path: Path, rankbench: Any) -> None:
    root = tmp_path / "w"
    assert rankbench("init", root, "--catalog", shop / "products.csv").code == 0
    found = rankbench(
        "search", "hose", "-w", root, "--baseline", "bm25", "--candidate", "bm25", "--json"
    )
    assert found.json["baseline"]["hits"][0]["product_id"] in ("p09", "p10")
    rankbench("search", "hose", "-w", root).assert_error(1, "not indexed", "rankbench index")


@pytest.mark.parametrize("query", ["", "   ", "\t\n"])
def test_an_empty_query_is_one_error(query: str, made: Path, rankbench: Any) -> None:
    rankbench("search", query, "-w", made).assert_error(2, "empty")


def test_a_query_of_control_characters_is_one_error(made: Path, rankbench: Any) -> None:
    rankbench("search", "\x07\x1b", "-w", made).assert_error(1, "empty")


@pytest.mark.parametrize("query", ["🏕️🏕️", "'; drop table items; --", "[/] *:* (", "ﷺ" * 50])
def test_odd_queries_are_answered(query: str, made: Path, rankbench: Any) -> None:
    assert rankbench("search", query, "-w", made).code == 0
    assert rankbench("search", query, "-w", made, "--json").json["query"]


def test_ten_megabytes_of_query_are_cut(
    made: Path, rankbench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("canopy tent " * 900_000))
    result = rankbench("search", "-", "-w", made)
    assert result.code == 0, result.err[:500]
    assert len(result.out) < 20_000


@pytest.mark.parametrize(
    ("side", "code", "word"),
    [
        ("nosuch", 1, "nosuch"),
        ("hybrid:nosuch", 1, "nosuch"),
        ("hybrid:", 2, "hybrid"),
        ("run:", 2, "run"),
        ("run:no/such.run", 1, "such.run"),
    ],
)
def test_a_wrong_side_is_one_error(
    side: str, code: int, word: str, made: Path, rankbench: Any
) -> None:
    result = rankbench("search", "tent", "-w", made, "--candidate", side)
    result.assert_error(code, word)


def test_a_damaged_index_is_one_error_and_index_mends_it(workspace: Path, rankbench: Any) -> None:
    for path in (workspace / "lance").glob("vec_*/data/*"):
        path.write_bytes(b"")
    result = rankbench("search", "tent", "-w", workspace)
    result.assert_error(1, "rankbench index")
    assert rankbench("index", "-w", workspace).code == 0
    assert rankbench("search", "tent", "-w", workspace).code == 0


@pytest.fixture
def short_run(tmp_path: Path) -> str:
    """A run that has two of the judged queries, one of them with products of another catalog."""
    path = tmp_path / "short.csv"
    path.write_text("query,product_id,rank\ntrainers,p06,1\ntrainers,p13,2\nface mask,x1,1\n")
    return f"run:{path}"


@pytest.mark.parametrize("query", ["hose", "face mask"])
def test_a_query_that_a_run_lacks_earns_nothing(
    query: str, short_run: str, made: Path, rankbench: Any
) -> None:
    options = ["search", query, "-w", made, "--baseline", "bm25", "--candidate", short_run]
    found = rankbench(*options, "--json").json
    assert found["candidate"]["unanswered"] and not found["baseline"]["unanswered"]
    assert [found["candidate"][measure] for measure in MEASURES] == [0.0] * len(MEASURES)
    assert found["delta"]["ndcg"] == -found["baseline"]["ndcg"] < 0
    shown = rankbench(*options)
    assert "the run has no such query" in shown.err
    assert "nothing to compare" in shown.out and "rbo between the sides  0" not in shown.out


def test_products_that_a_run_does_not_rank_come_last_by_id(
    short_run: str, made: Path, rankbench: Any
) -> None:
    options = ["-w", made, "--baseline", "bm25", "--candidate", short_run]
    found = rankbench("search", "trainers", *options, "--json").json["candidate"]
    assert not found["unanswered"] and found["mrr@10"] == 0
    assert 0 < found["ndcg"] < 1  # p04 and p05, Exact, after p06 and p13


def test_a_query_that_a_run_lacks_and_nobody_judged_has_no_measures(
    short_run: str, made: Path, rankbench: Any
) -> None:
    options = ["-w", made, "--baseline", "bm25", "--candidate", short_run, "--json"]
    found = rankbench("search", "canopy", *options).json["candidate"]
    assert found["unanswered"] and all(found[measure] is None for measure in MEASURES)


def test_the_time_is_the_search_and_not_the_loading(
    made: Path, rankbench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.ranking import comparer

    def slowly(*arguments: Any) -> Any:
        time.sleep(0.5)
        return comparer.open_full_text_side(*arguments)

    monkeypatch.setattr(comparer.Comparer, "_open_side", lambda self, *_: slowly(self.ws))
    found = rankbench("search", "hose", "-w", made, "--candidate", "bm25", "--json").json
    assert 0 < found["elapsed_ms"] < 400
