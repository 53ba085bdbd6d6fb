"""`eval`: the query set through both sides."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from engine.evaluation.cosines import field_pairs
from engine.evaluation.query_set import evaluate_query_set
from engine.ranking.comparer import Comparer
from engine.workspace import open_workspace


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


def test_a_difference_of_cosines_comes_with_interval_p_and_n(
    made: Path, shop: Path, rankbench: Any
) -> None:
    same = ["-w", made, "--baseline", "base", "--candidate", "base", "--split", "all", "--cosines"]
    found = rankbench("eval", *same, "--json").json
    keys = {"mean", "low", "high", "p", "n"}  # no counts: they say nothing of a mean over pairs
    assert set(found["delta"]["title_cosine"]) == keys
    assert found["delta"]["title_cosine"]["mean"] == 0 and found["delta"]["title_cosine"]["n"] == 12
    assert "description_cosine" not in found["delta"]
    lines = rankbench("eval", *same).out.splitlines()
    [head] = [line for line in lines if line.startswith("cosine")]
    assert head.split() == ["cosine", "base", "base", "delta", "95", "%", "interval", "p", "n"]
    [line] = [line for line in lines if line.startswith("title_cosine")]
    assert line.split()[3:] == ["±0.0000", "±0.0000", "to", "±0.0000", "1.000", "12"]
    none = rankbench("eval", *same[:4], "--candidate", "bm25", *same[6:], "--json").json["delta"]
    assert "title_cosine" not in none


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


@pytest.mark.parametrize("candidates", ["catalog", "judged"])
def test_queries_that_a_run_lacks_are_counted_and_score_nothing(
    candidates: str, made: Path, tmp_path: Path, rankbench: Any
) -> None:
    (tmp_path / "r.csv").write_text("query,product_id,rank\nhose,p09,1\n")
    options = ["-w", made, "--baseline", "bm25", "--candidate", f"run:{tmp_path / 'r.csv'}"]
    options += ["--split", "all", "--candidates", candidates, "--runs", tmp_path / "runs"]
    found = rankbench("eval", *options, "--per-query", "--json").json
    assert (found["candidate"]["unanswered"], found["baseline"]["unanswered"]) == (11, 0)
    scores = {row["query"]: row["candidate"]["ndcg@10"] for row in found["per_query"]}
    assert scores.pop("hose") > 0.9 and set(scores.values()) == {0.0}
    assert found["candidate"]["rbo_ideal"] <= 1 / 12
    lines = (tmp_path / "runs" / "candidate.run").read_text().splitlines()
    assert {line.split()[0] for line in lines} == {"q05"}
    assert "no answer to 11 of the 12 queries" in rankbench("eval", *options).err


def test_queries_without_an_exact_product_are_counted(
    workspace: Path, tmp_path: Path, rankbench: Any
) -> None:
    (tmp_path / "j.csv").write_text("query,product_id,label\ngreen hose,p10,S\ntin,p11,C\n")
    assert rankbench("import", "judgments", tmp_path / "j.csv", "-w", workspace).code == 0
    options = ["-w", workspace, "--candidate", "bm25", "--split", "all"]
    assert rankbench("eval", *options, "--json").json["without_exact"] == 2
    assert "2 of the 14 queries have no Exact product" in rankbench("eval", *options).err


def test_few_queries_are_a_word_of_care_and_no_impossible_interval(
    made: Path, rankbench: Any
) -> None:
    options = ["-w", made, "--candidate", "bm25", "--split", "all"]
    assert "With n = 12 an interval is wide" in rankbench("eval", *options).err
    by_split = rankbench("eval", *options, "--by", "split", "--json").json["by"]["split"]
    deltas = [delta for group in by_split.values() for delta in group["delta"].values()]
    ends = [delta[end] for delta in deltas for end in ("low", "high") if delta[end] is not None]
    assert ends and all(-1 <= end <= 1 for end in ends)


def test_a_difference_that_one_query_would_cancel_is_said_to_be_fragile(
    fragile_sides: list[object], rankbench: Any
) -> None:
    asked = [*fragile_sides, "--split", "all"]
    delta = rankbench("eval", *asked, "--json").json["delta"]["ndcg@10"]
    assert delta["high"] < 0 and delta["fragile"]
    out = rankbench("eval", *asked).out
    assert f"one query more that moved {24 * -delta['mean']:.2f} the other way" in out


def test_what_so_many_queries_can_show_is_said(made: Path, rankbench: Any) -> None:
    options = ["-w", made, "--candidate", "bm25", "--split", "all"]
    delta = rankbench("eval", *options, "--json").json["delta"]["ndcg@10"]
    assert delta["visible"] > 0 and delta["sd"] > 0
    out = rankbench("eval", *options).out
    assert f"n = 12 shows a true ndcg@10 difference of {delta['visible']:.3f}" in out
    too_few = delta["low"] <= 0 <= delta["high"] and abs(delta["mean"]) < delta["visible"]
    assert ("too small to tell" in out) is too_few
    same = rankbench("eval", *options[:-3], "base", *options[-2:]).out
    assert "shows a true" not in same and "too small" not in same


def test_groups_and_queries_are_headed_by_the_sides_names(made: Path, rankbench: Any) -> None:
    options = ["-w", made, "--candidate", "bm25", "--split", "all"]
    out = rankbench("eval", *options, "--by", "split", "--per-query").out
    heads = [line for line in out.splitlines() if line.startswith(("ndcg@10 by", "query ("))]
    assert [line.split()[-1] for line in heads] == ["random", "delta"]
    assert all("base  bm25" in " ".join(line.split()).replace(" ", "  ") for line in heads)
    assert "candidate  " not in out and "baseline" not in out


def test_one_value_of_a_column_is_said_and_no_table_of_one_row(made: Path, rankbench: Any) -> None:
    unseen = rankbench("eval", "-w", made, "--candidate", "bm25", "--by", "seen")
    assert "ndcg@10 by seen" not in unseen.out
    assert "All 12 queries have one value of seen (unseen)" in unseen.err
    assert "--split all" in unseen.err
    options = ["-w", made, "--candidate", "bm25", "--split", "all", "--by", "seen"]
    whole = rankbench("eval", *options)
    assert "one value of seen (unseen)" in whole.err and "--split all" not in whole.err
    assert list(rankbench("eval", *options, "--json").json["by"]["seen"]) == ["unseen"]


def test_too_few_queries_have_a_mean_and_n_and_no_interval(
    workspace: Path, tmp_path: Path, rankbench: Any
) -> None:
    for n in (5, 6):
        queries = ["hose", "ez up", "face mask", "trainers", "frying pan", "glass lid"][:n]
        (tmp_path / "q.txt").write_text("\n".join(queries))
        rankbench("import", "queries", tmp_path / "q.txt", "--set", "few", "-w", workspace)
        options = ["-w", workspace, "--candidate", "bm25", "--set", "few", "--split", "all"]
        found = rankbench("eval", *options, "--json").json["delta"]["ndcg@10"]
        told = rankbench("eval", *options)
        [line] = [line for line in told.out.splitlines() if line.startswith("ndcg@10  ")]
        few = n < 6
        assert found["n"] == n and found["mean"] is not None
        assert all((found[key] is None) is few for key in ("low", "high", "p"))
        assert ("too few  —" in line) is few and f"{found['mean']:+.4f}" in line
        assert ("with n = 5 there is none, and no p; both begin at 6" in told.err) is few
    by = rankbench("eval", *options, "--by", "split")
    assert "too few" in by.out[by.out.index("ndcg@10 by split") :]


def test_a_place_that_is_not_there_is_refused_before_the_work(
    made: Path, tmp_path: Path, rankbench: Any
) -> None:
    nowhere = tmp_path / "none" / "deeper" / "out.html"
    asked = ["-w", made, "--candidate", "nosuch", "--split", "all"]  # the work itself would fail
    for command in (
        ["gate", "--rule", "ndcg@10 >= base", "--junit", nowhere],
        ["report", "-o", nowhere],
        ["eval", "--runs", nowhere],
    ):
        told = rankbench(*command, *asked)
        told.assert_error(1, "Cannot write", "deeper", "is not there", "Make the directory first")
    assert not (tmp_path / "none").exists()
    gate = ["gate", "--rule", "ndcg@10 >= base", "--junit"]
    for command in (gate, ["report", "--format", "html", "-o"]):
        rankbench(*command, tmp_path, *asked).assert_error(1, "is a directory", "Name a file in it")
    runs = tmp_path / "runs"
    done = rankbench("eval", "-w", made, "--candidate", "bm25", "--split", "all", "--runs", runs)
    assert done.code == 0 and (runs / "baseline.run").is_file()


def test_cosines_tell_how_far_they_are_and_keep_what_was_encoded(
    workspace: Path, rankbench: Any
) -> None:
    ws = open_workspace(workspace)
    comparer = Comparer(ws)
    rows = evaluate_query_set(comparer, "base", "bm25", split="all").rows
    comparer.close()
    shutil.rmtree(ws.cache_dir, ignore_errors=True)
    told: list[tuple[int, int]] = []
    first = field_pairs(ws, "base", rows, lambda *at: told.append(at))
    total = told[-1][1]
    assert told[0] == (0, total) and told[-1] == (total, total) and total > 5
    told.clear()
    assert field_pairs(ws, "base", rows, lambda *at: told.append(at)) == first
    assert told == [(total, total)]
    # A terminal is shown a bar; here the line that the work has begun stands alone.
    err = rankbench("eval", "-w", workspace, "--candidate", "bm25", "--cosines").err
    assert "Titles, descriptions by base …" in err


def test_a_side_no_better_than_chance_is_told(made: Path, tmp_path: Path, rankbench: Any) -> None:
    (tmp_path / "none.run").write_text("q00 Q0 nowhere 1 1 t\n")
    side = f"run:{tmp_path / 'none.run'}"
    told = rankbench("eval", "-w", made, "--candidate", side, "--split", "all").out
    assert "none.run scores no more than a random ranking" in told
    fine = rankbench("eval", "-w", made, "--candidate", "bm25", "--split", "all").out
    assert "than a random ranking" not in fine
