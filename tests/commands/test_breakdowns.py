"""`eval --by` derived columns, and a weight that arrives however it is brought."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

OPTIONS = ["--baseline", "bm25", "--candidate", "bm25", "--split", "all"]


def weights(shop: Path) -> pl.DataFrame:
    judged = pl.read_csv(shop / "judgments.csv")
    queries = judged.select("query_id", "query").unique(maintain_order=True)
    return queries.with_row_index("n").select(
        "query_id", (1000 / (pl.col("n") + 1)).alias("weight")
    )


@pytest.mark.parametrize("how", ["judgments.csv", "judgments.parquet", "queries"])
def test_a_weight_arrives(shop: Path, tmp_path: Path, rankbench, how: str) -> None:
    judged, known = pl.read_csv(shop / "judgments.csv"), weights(shop)
    path, further = tmp_path / how, []
    if how == "queries":
        path = shop / "judgments.csv"
        texts = judged.select("query_id", "query").unique(maintain_order=True)
        texts.join(known, on="query_id").write_csv(tmp_path / "q.csv")
        further = ["--queries", tmp_path / "q.csv"]
    else:
        joined = judged.join(known, on="query_id")
        joined.write_csv(path) if path.suffix == ".csv" else joined.write_parquet(path)
    root = tmp_path / "w"
    assert rankbench("init", root, "--catalog", shop / "products.csv").code == 0
    assert rankbench("import", "judgments", path, *further, "-w", root).code == 0
    found = rankbench("eval", "-w", root, *OPTIONS, "--by", "head", "--per-query", "--json").json
    rows = {row["query_id"]: row["weight"] for row in found["per_query"]}
    assert rows == pytest.approx(dict(known.iter_rows()))
    # 1000/n for n to 12: the first two make 48 % of the sum, the first nine 91 %.
    assert {value: group["queries"] for value, group in found["by"]["head"].items()} == {
        "head": 3, "torso": 6, "tail": 3,
    }  # fmt: skip
    assert found["weighted"]["ndcg@10"]["n_effective"] == pytest.approx(
        known["weight"].sum() ** 2 / (known["weight"] ** 2).sum()
    )
    # A later file that knows no weight takes none away.
    assert rankbench("import", "judgments", shop / "judgments.csv", "-w", root).code == 0
    result = rankbench("eval", "-w", root, *OPTIONS, "--by", "head")
    assert result.code == 0, result.err
    assert "weighted by traffic" in result.out and "effective n" in result.out
    group = result.out[result.out.index("ndcg@10 by head") :].splitlines()
    assert [line.split()[0] for line in group[1:4]] == ["head", "torso", "tail"]
    assert group[0].endswith("weighted delta")


def test_a_value_whose_queries_are_all_left_out_has_its_row(
    shop: Path, tmp_path: Path, rankbench
) -> None:
    judged = pl.read_csv(shop / "judgments.csv").join(weights(shop), on="query_id")
    head = pl.col("weight").rank("dense", descending=True) <= 3
    # The three most searched are of the train split, which bm25 was not made from: ask for test.
    judged = judged.with_columns(
        split=pl.when(head).then(pl.lit("train")).otherwise(pl.lit("test"))
    )
    judged.write_csv(tmp_path / "j.csv")
    root = tmp_path / "w"
    init = ["--catalog", shop / "products.csv", "--judgments", tmp_path / "j.csv"]
    assert rankbench("init", root, *init).code == 0
    asked = ["-w", root, *OPTIONS[:-1], "test", "--by", "head"]
    result = rankbench("eval", *asked)
    rows = result.out[result.out.index("ndcg@10 by head") :].splitlines()[1:4]
    assert [row.split()[0] for row in rows] == ["head", "torso", "tail"]
    assert "all 3 left out" in rows[0] and rows[0].split()[-3:] == ["0", "—", "—"]
    assert "they are not in test; `--split all`" in result.err
    found = rankbench("eval", *asked, "--json").json
    assert list(found["by"]["head"]) == ["torso", "tail"]
    assert found["outside"] == {"head": {"head": 3}}
    assert "left out" not in rankbench("eval", "-w", root, *OPTIONS, "--by", "head").out


def test_derived_columns_need_nothing(made: Path, rankbench) -> None:
    found = rankbench("eval", "-w", made, *OPTIONS, "--by", "negation", "--json").json
    groups = found["by"]["negation"]
    assert {value: group["queries"] for value, group in groups.items()} == {
        "negated": 1, "plain": 11,
    }  # fmt: skip
    assert "weighted" not in found and "weighted" not in groups["plain"]
    lengths = rankbench("eval", "-w", made, *OPTIONS, "--by", "length", "--json").json
    assert list(lengths["by"]["length"]) == ["1", "2", "3-4"]


def test_what_is_not_known_is_one_error(made: Path, rankbench) -> None:
    rankbench("eval", "-w", made, *OPTIONS, "--by", "head").assert_error(1, "traffic", "weight")
    rankbench("eval", "-w", made, *OPTIONS, "--by", "category").assert_error(1, "category=NAME")
    rankbench("eval", "-w", made, *OPTIONS, "--by", "colour").assert_error(2, "negation")


def test_categories_come_from_the_catalog(shop: Path, tmp_path: Path, rankbench) -> None:
    products = pl.read_csv(shop / "products.csv").with_columns(
        pl.when(pl.col("name").str.contains("(?i)tent|hose"))
        .then(pl.lit("Garden > ") + pl.col("brand"))
        .otherwise(pl.when(pl.col("brand") == "Velsano").then(pl.lit("Shoes")))
        .alias("category")
    )
    products.write_csv(tmp_path / "p.csv")
    root = tmp_path / "w"
    init = ["--catalog", tmp_path / "p.csv", "--judgments", shop / "judgments.csv"]
    assert rankbench("init", root, *init).code == 0
    found = rankbench("eval", "-w", root, *OPTIONS, "--by", "category", "--json").json
    counts = {value: group["queries"] for value, group in found["by"]["category"].items()}
    # canopy tent, ez up, hose; trainers (of two categories one has none), shoe laces
    assert counts == {"": 7, "Garden": 3, "Shoes": 2}


def test_a_weight_that_is_no_number_is_said_and_not_guessed(
    shop: Path, tmp_path: Path, rankbench
) -> None:
    known = weights(shop).with_columns(
        pl.when(pl.col("query_id") == pl.col("query_id").first())
        .then(pl.lit("3,5"))
        .otherwise(pl.lit("1,250"))
        .alias("weight")
    )
    path = tmp_path / "judgments.csv"
    pl.read_csv(shop / "judgments.csv").join(known, on="query_id").write_csv(path)
    options = ["--catalog", shop / "products.csv", "--judgments", path]
    result = rankbench("init", tmp_path / "w", *options)
    assert result.code == 0, result.err
    [line] = [line for line in (result.out + result.err).splitlines() if "weights" in line]
    assert "1 query without one" in line and line.endswith("3,5")
    again = rankbench("import", "judgments", path, "-w", tmp_path / "w", "--json").json
    assert list(again["unread_weights"].values()) == ["3,5"]
    found = rankbench("eval", "-w", tmp_path / "w", *OPTIONS, "--per-query", "--json").json
    assert {row["weight"] for row in found["per_query"]} == {None, 1250.0}
