"""`rankbench crossval`: out-of-fold scores, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def test_crossval_pools_every_query_and_goes_on(workspace: Path, rankbench: Any) -> None:
    options = ["-w", workspace, "--recipe", "adapter", "--set", "epochs=1", "--folds", 2]
    first = rankbench("crossval", *options, "--seeds", 1, "--json")
    assert first.code == 0, first.err
    assert first.json["queries"] == 12
    again = rankbench("crossval", *options, "--seeds", 1)
    assert "12 queries, 2 folds" in again.out
    base, bm25 = again.out.index("tuned - base"), again.out.index("tuned - bm25")
    for part in (again.out[base:bm25], again.out[bm25:]):
        for word in ("ndcg@10", "95 % interval", " p ", "+/=/- at 0.01", "random"):
            assert word in part
    assert len(rankbench("encoders", "-w", workspace, "--json").json) == 1  # folds are thrown away


def test_crossval_with_too_many_folds_is_one_error(made: Path, rankbench: Any) -> None:
    result = rankbench("crossval", "-w", made, "--recipe", "adapter", "--folds", 50)
    assert result.code == 1 and "50 folds" in result.err


def test_what_crossval_cannot_run_is_refused_before_a_fold(
    workspace: Path, tmp_path: Path, rankbench: Any
) -> None:
    def refused(*options: str, word: str) -> None:
        told = rankbench("crossval", "-w", workspace, *options)
        told.assert_error(2, word)
        assert "fold 1" not in told.err and not list(workspace.glob("reports/crossval-*"))

    refused("--recipe", "flags", word="nobody flagged")
    refused("--recipe", "adapter", "--by", "nope", word="leave --by out")
    (tmp_path / "j.csv").write_text("query_id,query,product_id,label\ns1,ear plugs,p01,E\n")
    (tmp_path / "q.csv").write_text("query_id,query,season,aisle\ns1,ear plugs,summer,3\n")
    files = [tmp_path / "j.csv", "--queries", tmp_path / "q.csv"]
    assert rankbench("import", "judgments", *files, "-w", workspace).code == 0
    refused("--recipe", "adapter", "--by", "nope", word="aisle, season")


def test_crossval_tells_a_narrowed_linking_rule(
    workspace: Path, tmp_path: Path, rankbench: Any
) -> None:
    rows = [f"word{n},{p},{g}\n" for n in range(30) for p, g in (("p01", "E"), ("p02", "E"))]
    rows += [f"word{n},p03,I\n" for n in range(30)]
    (tmp_path / "j.csv").write_text("query,product_id,label\n" + "".join(rows))
    assert rankbench("import", "judgments", tmp_path / "j.csv", "-w", workspace).code == 0
    options = ["--recipe", "adapter", "--set", "epochs=1", "--folds", 2, "--seeds", 1]
    shown = rankbench("crossval", "-w", workspace, *options)
    assert shown.code == 0, shown.err
    assert "linked: " in shown.out and "only shared Exact products" in shown.out
