"""Cross-validation on the tiny shop: pooling, resuming, and what it leaves behind."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.catalog.queries import JudgedQuery
from engine.catalog.splits import folds as make_folds
from engine.catalog.splits import link_groups
from engine.encoders.card import Card, write_card
from engine.encoders.load import load_encoder
from engine.errors import RankbenchError
from engine.experiments.crossval import crossval
from engine.experiments.fold import inner_split
from engine.experiments.store import LOCK, clear, held
from engine.formats.runs import read_run
from engine.measures.ndcg import ndcg
from engine.training.outcome import Cancelled
from engine.training.recipe import Recipe, load_recipe
from engine.workspace import DEFAULT_GAINS

Texts = dict[str, str]
Queries = list[JudgedQuery]


@pytest.fixture
def recipe() -> Recipe:
    return load_recipe("infonce").with_set(["max_steps=4", "lr=1e-3", "dev_products=80"])


def bm25(texts: Texts) -> Any:
    """A stand-in with bm25's shape: products by how many words they share with the query."""

    def rank(query: str) -> list[str]:
        words = set(query.split())
        found = [(-len(words & set(t.split())), p) for p, t in texts.items()]
        return [p for score, p in sorted(found) if score < 0]

    return rank


def test_every_query_is_scored_once_by_an_encoder_that_never_saw_it(
    tiny_encoder_dir: Path, tiny_texts: Texts, queries: Queries, recipe: Recipe, tmp_path: Path
) -> None:
    out = tmp_path / "cv"
    encoders = tmp_path / "encoders"
    events: list[dict[str, Any]] = []
    result = crossval(
        recipe,
        tiny_encoder_dir,
        tiny_texts,
        queries,
        out,
        folds=3,
        seeds=(0, 1),
        bm25=bm25(tiny_texts),
        progress=events.append,
        devices=["cpu"],
    )
    assert result.queries == 40 and result.excluded == 0 and len(result.runs) == 6
    fold_of = make_folds(queries, 3)
    for fold in range(3):
        for seed in (0, 1):
            data = json.loads((out / f"fold{fold}-seed{seed}.json").read_text())
            assert set(data["queries"]) == {q for q, f in fold_of.items() if f == fold}
            # A third was held out, a seventh of the rest chose, the others trained.
            assert data["train_queries"] + data["dev_queries"] == 40 - len(data["queries"])
            assert data["dev_queries"] > 0
    # No encoder stays, neither registered nor in a corner of the directory.
    assert not encoders.exists()
    assert not [p for p in out.rglob("*") if p.is_dir() or p.suffix == ".safetensors"]

    row = result.row("ndcg@10")
    per_query = {item["query_id"]: item for item in result.per_query}
    tuned = [item["tuned"]["ndcg@10"] for item in per_query.values()]
    base = [item["base"]["ndcg@10"] for item in per_query.values()]
    assert row.means["tuned"] == pytest.approx(np.mean(tuned))
    assert row.deltas["base"].mean == pytest.approx(np.mean(tuned) - np.mean(base))
    assert row.deltas["base"].n == 40 and row.deltas["bm25"].n == 40
    assert set(result.strata) == {"stratum=even", "stratum=odd"}
    assert result.strata["stratum=odd"][0].deltas["base"].n == 20
    assert result.unchanged == 0.01
    for name in ("ndcg", "ndcg@10", "rbo_ideal"):
        assert 0 < (result.row(name).floor or 0) < 1
    assert result.row("mrr@10").floor is None and "random" not in result.row("mrr@10").by_fold
    sizes = [sum(place == fold for place in fold_of.values()) for fold in range(3)]
    assert np.average(row.by_fold["random"], weights=sizes) == pytest.approx(row.floor)
    assert json.loads((out / "result.json").read_text())["queries"] == 40
    assert {e["run"] for e in events if "run" in e} == {1, 2, 3, 4, 5, 6}

    # The table can be made again from the run files alone.
    for measure, files in (("ndcg@10", ".run"), ("ndcg", ".judged.run")):
        for query in queries:
            values = []
            for seed in (0, 1):
                name = f"fold{fold_of[query.query_id]}-seed{seed}{files}"
                ranked = read_run(out / name)[query.query_id]
                gains = [DEFAULT_GAINS.get(query.grades.get(p, "I"), 0.0) for p in ranked]
                every = [DEFAULT_GAINS[grade] for grade in query.grades.values()]
                values.append(ndcg(gains, every, 10 if measure == "ndcg@10" else None))
            found = per_query[query.query_id]["tuned"][measure]
            assert found == pytest.approx(np.mean(values), abs=1e-9)


def test_the_cosines_are_over_pairs_and_can_be_made_again_from_the_files(
    tiny_encoder_dir: Path, tiny_texts: Texts, queries: Queries, tmp_path: Path
) -> None:
    recipe = load_recipe("adapter").with_set(["epochs=2"])
    described = {product: f"{text} of {product}" for product, text in tiny_texts.items()}
    some = dict(list(described.items())[::2])
    result = crossval(
        recipe,
        tiny_encoder_dir,
        tiny_texts,
        queries,
        tmp_path,
        folds=2,
        seeds=(0, 1),
        fields={"title": tiny_texts, "description": some},
        devices=["cpu"],
    )
    encoder = load_encoder(tiny_encoder_dir, "cpu")
    for field, texts in (("title", tiny_texts), ("description", some)):
        cosines: dict[str, list[float]] = {"E": [], "I": []}
        for query in queries:
            vector = encoder.encode_queries([query.query])[0]
            for product, grade in query.grades.items():
                if grade in cosines and product in texts:
                    other = encoder.encode_documents([texts[product]])[0]
                    cosines[grade].append(float(vector @ other))
        row, margin = result.row(f"{field}_cosine"), result.row(f"{field}_margin")
        exact = np.mean(cosines["E"])
        assert row.means["base"] == pytest.approx(exact, abs=1e-6)
        assert margin.means["base"] == pytest.approx(exact - np.mean(cosines["I"]), abs=1e-6)
        # The tuned side's from the files of the folds, a pair's mean over its seeds.
        found: dict[tuple[str, str], list[float]] = {}
        for path in tmp_path.glob("fold*.cosines.csv"):
            with path.open(newline="") as file:
                for line in csv.DictReader(file):
                    if line["field"] == field and line["grade"] == "E":
                        key = (line["query_id"], line["product_id"])
                        found.setdefault(key, []).append(float(line["cosine"]))
        assert {len(values) for values in found.values()} == {2}
        tuned = np.mean([np.mean(values) for values in found.values()])
        assert row.means["tuned"] == pytest.approx(tuned, abs=1e-9)
        delta = row.deltas["base"]
        assert delta.mean == pytest.approx(tuned - row.means["base"], abs=1e-9)
        assert delta.low < delta.mean < delta.high
        assert row.relative() == pytest.approx(delta.mean / row.means["base"])
        # Each fold's mean is of that fold's pairs alone.
        held_out = {item["query_id"]: item["fold"] for item in result.per_query}
        for fold in range(2):
            mine = [np.mean(v) for (query, _), v in found.items() if held_out[query] == fold]
            assert row.by_fold["tuned"][fold] == pytest.approx(np.mean(mine), abs=1e-9)
        assert row.over_folds()["tuned"] == pytest.approx(np.mean(row.by_fold["tuned"]))
        assert min(row.by_fold["base"]) < row.means["base"] < max(row.by_fold["base"])
    saved = json.loads((tmp_path / "result.json").read_text())
    assert saved["cosines"][0]["measure"] == "title_cosine"
    assert len(saved["cosines"][0]["by_fold"]["base"]) == 2
    # Contributions to a mean over pairs are no improvements and harms.
    assert "harmed" not in saved["cosines"][0]["deltas"]["base"]
    assert "harmed" in saved["table"][0]["deltas"]["base"]
    assert saved["table"][0]["relative"]["base"] == pytest.approx(result.table[0].relative())


def test_a_rerun_goes_on_from_the_folds_that_ended(
    tiny_encoder_dir: Path, tiny_texts: Texts, queries: Queries, recipe: Recipe, tmp_path: Path
) -> None:
    out = tmp_path / "cv"

    def run(**more: Any) -> Any:
        return crossval(
            recipe, tiny_encoder_dir, tiny_texts, queries, out, folds=3, devices=["cpu"], **more
        )

    with pytest.raises(Cancelled):
        run(should_stop=lambda: (out / "fold0-seed0.json").exists())
    done = (out / "fold0-seed0.json").read_bytes()
    assert not (out / "fold1-seed0.json").exists()
    (out / ".work-dead").mkdir()
    events: list[dict[str, Any]] = []
    result = run(progress=events.append)
    assert (out / "fold0-seed0.json").read_bytes() == done
    assert {e["fold"] for e in events if "fold" in e} == {1, 2}
    assert not (out / ".work-dead").exists()

    again = crossval(
        recipe, tiny_encoder_dir, tiny_texts, queries, tmp_path / "fresh", folds=3, devices=["cpu"]
    )
    assert again.per_query == result.per_query


def test_a_fold_stopped_while_it_trained_is_not_kept(
    tiny_encoder_dir: Path, tiny_texts: Texts, queries: Queries, tmp_path: Path
) -> None:
    """What a stopped run has by then is an encoder, but not the recipe's."""
    recipe = load_recipe("adapter").with_set(["epochs=20", "dev_products=60", "batch_size=8"])
    events: list[dict[str, Any]] = []

    def run(**more: Any) -> Any:
        return crossval(
            recipe, tiny_encoder_dir, tiny_texts, queries, tmp_path, folds=10, devices=["cpu"],
            progress=events.append, **more,
        )  # fmt: skip

    with pytest.raises(Cancelled):
        run(should_stop=lambda: any(event.get("phase") == "dev" for event in events))
    assert any(event.get("phase") == "dev" for event in events)
    assert not list(tmp_path.glob("fold*"))


def test_a_base_that_has_seen_the_queries_is_refused(
    tiny_encoder_dir: Path, tiny_texts: Texts, queries: Queries, recipe: Recipe, tmp_path: Path
) -> None:
    base = Path(shutil.copytree(tiny_encoder_dir, tmp_path / "base"))
    card = Card("tuned", trained_queries=("elsewhere",), selection_queries=(queries[3].query,))
    write_card(base, replace(card, inherited_queries=(queries[5].query,)))
    with pytest.raises(RankbenchError, match="chosen on 2 of the 40 judged queries") as caught:
        crossval(recipe, base, tiny_texts, queries, tmp_path / "cv", folds=3)
    assert "rankbench init" in caught.value.todo and not (tmp_path / "cv").exists()


def test_judgments_without_a_right_product_are_told_at_once(
    tiny_encoder_dir: Path, tiny_texts: Texts, recipe: Recipe, tmp_path: Path
) -> None:
    wrong = [JudgedQuery("q", "red tent", "", {"p000": "I", "nowhere": "E"})]
    with pytest.raises(RankbenchError, match="None of the 1 judged queries has a right product"):
        crossval(recipe, tiny_encoder_dir, tiny_texts, wrong, tmp_path / "cv")
    assert not (tmp_path / "cv").exists()


def test_another_experiments_directory_is_refused(
    tiny_encoder_dir: Path, tiny_texts: Texts, queries: Queries, recipe: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(Cancelled):
        crossval(
            recipe,
            tiny_encoder_dir,
            tiny_texts,
            queries,
            tmp_path,
            folds=3,
            should_stop=lambda: True,
        )
    with pytest.raises(RankbenchError, match="recipe differ"):
        crossval(
            recipe.with_set(["lr=1e-5"]), tiny_encoder_dir, tiny_texts, queries, tmp_path, folds=3
        )


def test_the_adapter_ranks_without_encoding_the_catalog_again(
    tiny_encoder_dir: Path, tiny_texts: Texts, queries: Queries, tmp_path: Path
) -> None:
    events: list[dict[str, Any]] = []
    recipe = load_recipe("adapter").with_set(["epochs=2"])
    result = crossval(
        recipe,
        tiny_encoder_dir,
        tiny_texts,
        queries,
        tmp_path,
        folds=2,
        progress=events.append,
        devices=["cpu"],
    )
    assert result.row("ndcg@10").means["tuned"] is not None
    assert not [e for e in events if e.get("phase") == "indexing" and "fold" in e]


def test_the_inner_dev_split_keeps_linked_queries_together(queries: Queries) -> None:
    twins = [
        *queries,
        *[JudgedQuery(f"t{q.query_id}", f"{q.query}s", "", q.grades) for q in queries[:20]],
    ]
    train_queries, dev_queries = inner_split(twins, 0)
    assert 4 <= len(dev_queries) <= 14 and len(train_queries) + len(dev_queries) == 60
    groups = link_groups(twins)
    dev = {groups[q.query_id] for q in dev_queries}
    assert dev.isdisjoint(groups[q.query_id] for q in train_queries)
    assert inner_split(queries[:3], 0) == (queries[:3], [])


def test_a_directory_is_one_runs_alone(
    tiny_encoder_dir: Path, tiny_texts: Texts, queries: Queries, recipe: Recipe, tmp_path: Path
) -> None:
    (tmp_path / ".work-other").mkdir()
    (tmp_path / "fold0-seed0.json").touch()
    with held(tmp_path):
        with pytest.raises(RankbenchError, match="at work in"):
            crossval(recipe, tiny_encoder_dir, tiny_texts, queries, tmp_path, folds=3)
        with pytest.raises(RankbenchError, match="at work in"):
            clear(tmp_path)
    assert (tmp_path / ".work-other").exists()
    clear(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= {LOCK}


def test_a_query_counts_where_a_product_of_it_gains(
    tiny_encoder_dir: Path, tiny_texts: Texts, queries: Queries, tmp_path: Path
) -> None:
    """Not by the name of the grade: here I gains and C does not."""
    products = sorted(tiny_texts)
    more = [
        JudgedQuery("only-i", "only irrelevant", grades={products[-1]: "I"}),
        JudgedQuery("only-c", "only complement", grades={products[-2]: "C"}),
    ]
    result = crossval(
        load_recipe("adapter").with_set(["epochs=1"]),
        tiny_encoder_dir,
        tiny_texts,
        [*queries, *more],
        tmp_path,
        folds=2,
        gains={"E": 1.0, "S": 0.5, "C": 0.0, "I": 0.25},
        devices=["cpu"],
    )
    assert (result.queries, result.excluded) == (41, 1)
    assert "only-i" in {item["query_id"] for item in result.per_query}
    # Relevances in the smallest whole proportions.
    lines = (tmp_path / "qrels.txt").read_text().splitlines()
    assert {line.split()[3] for line in lines} == {"4", "1"}
