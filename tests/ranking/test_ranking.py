"""Sides and comparisons on the tiny shop, through the surface that screens and commands use."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.encoders.card import Card, write_card
from engine.encoders.registry import add
from engine.errors import RankbenchError, UsageError
from engine.index.build import build_index, remove_encoder
from engine.index.store import read_items, write_items
from engine.measures.ndcg import ndcg
from engine.ranking.comparer import Comparer
from engine.ranking.comparison import SEARCH_MEASURES
from engine.ranking.sides import FUSION_K, by_score, parse_side, with_missing
from engine.records import Verdict, Verdicts
from engine.workspace import Workspace
from workbench.widgets.delta_line import measure_groups


@pytest.fixture
def ws(tiny_workspace: Workspace) -> Workspace:
    build_index(tiny_workspace)
    return tiny_workspace


@pytest.fixture
def comparer(ws: Workspace) -> Comparer:
    return Comparer(ws)


def test_both_sides_answer_the_same_query_and_the_delta_is_their_difference(
    comparer: Comparer,
) -> None:
    found = comparer.compare("Red  Sneakers", "base", "bm25", k=7)
    assert (found.query_id, found.split) == ("q00", "train")
    assert len(found.baseline.hits) == len(found.candidate.hits) == 7
    for name in SEARCH_MEASURES:
        before, after = found.baseline.measures[name], found.candidate.measures[name]
        assert before is not None and after is not None
        assert found.delta[name] == pytest.approx(after - before)
    assert found.rbo is not None and 0 <= found.rbo <= 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.query = "other"  # type: ignore[misc]


def test_hits_carry_grades_and_their_rank_on_the_other_side(comparer: Comparer) -> None:
    found = comparer.compare("blue tent", "base", "bm25", k=220)
    ranks = {hit.product_id: hit.rank for hit in found.candidate.hits}
    grades = comparer.find_query("blue tent").grades
    for hit in found.baseline.hits:
        assert hit.grade == grades.get(hit.product_id)
        assert hit.other_rank == ranks.get(hit.product_id)
        if hit.other_rank is not None:
            assert hit.movement == hit.other_rank - hit.rank


def test_measures_do_not_depend_on_the_hits_shown(comparer: Comparer) -> None:
    short, long = (comparer.compare("green lamp", "base", "bm25", k=k) for k in (1, 100))
    assert short.baseline.measures == long.baseline.measures
    assert short.rbo == long.rbo


def test_catalog_ndcg_is_what_a_hand_count_gives(comparer: Comparer) -> None:
    found = comparer.compare("white pillow", "base", "bm25", k=10)
    gains = comparer.ws.settings.gains
    grades = comparer.find_query("white pillow").grades
    ranked = [gains[hit.grade] if hit.grade else 0.0 for hit in found.baseline.hits]
    judged = [gains[grade] for grade in grades.values()]
    assert found.baseline.measures["ndcg@10"] == pytest.approx(ndcg(ranked, judged, 10))


def test_an_unjudged_query_has_movements_and_overlap_but_no_scores(comparer: Comparer) -> None:
    found = comparer.compare("umbrella for rain", "base", "bm25")
    assert found.query_id is None and found.judged == 0
    assert set(found.baseline.measures.values()) == {None}
    assert set(found.delta.values()) == {None}
    assert found.rbo is not None


def test_hybrid_fuses_reciprocal_ranks(comparer: Comparer) -> None:
    query = "red sneaker lace"
    cosine = comparer.side("base").rank(query, 220).ranks()
    words = comparer.side("bm25").rank(query).ranks()
    expected = {
        product: 1 / (FUSION_K + rank)
        + (1 / (FUSION_K + words[product]) if product in words else 0)
        for product, rank in cosine.items()
    }
    fused = comparer.side("hybrid:base").rank(query, 220)
    assert fused.product_ids == by_score(expected).product_ids
    np.testing.assert_allclose(fused.scores, by_score(expected).scores)


@pytest.mark.parametrize("name", ["base", "bm25", "hybrid:base"])
def test_judged_rankings_hold_every_judged_product_once(comparer: Comparer, name: str) -> None:
    grades = comparer.find_query("black kettle").grades
    ranking = comparer.side(name).rank_judged("black kettle", grades)
    assert sorted(ranking.product_ids) == sorted(grades)
    assert list(ranking.scores) == sorted(ranking.scores, reverse=True)


def test_products_bm25_does_not_match_come_last_by_id() -> None:
    ranking = with_missing(by_score({"b": 2.0}), ["c", "b", "a"])
    assert ranking.product_ids == ("b", "a", "c")


def test_a_run_file_is_a_side_by_query_id_or_text(comparer: Comparer, tmp_path: Path) -> None:
    run = tmp_path / "prod.run"
    run.write_text("q00 Q0 p002 1 9 x\nq00 Q0 p001 2 8 x\nq00 Q0 gone 3 7 x\n")
    found = comparer.compare("red sneaker", "base", f"run:{run}")
    assert [hit.product_id for hit in found.candidate.hits] == ["p002", "p001"]
    assert comparer.compare("never asked", "base", f"run:{run}").candidate.hits == ()
    with pytest.raises(RankbenchError):
        comparer.compare("red sneaker", "base", f"run:{tmp_path / 'none.run'}")


def test_seen_follows_the_cards_of_an_encoder_and_its_parents(
    ws: Workspace, tiny_encoder_dir: Path
) -> None:
    path = add(ws, str(tiny_encoder_dir), "second").path
    build_index(ws, "second")
    assert Comparer(ws).default_candidate() == "bm25"
    write_card(
        path,
        Card(
            name="second",
            recipe={"name": "infonce"},
            trained_queries=("blue lamp",),
            selection_queries=("red lamp",),
            inherited_queries=("red sneaker",),
        ),
    )
    comparer = Comparer(ws)
    found = comparer.compare("Red sneakers", "base", "second")
    assert not found.baseline.seen and found.candidate.seen and found.seen
    assert not comparer.compare("blue sneaker", "base", "second").seen
    assert comparer.default_candidate() == "second"


def test_an_encoder_with_an_unreadable_card_does_not_stop_the_others(
    ws: Workspace, tiny_encoder_dir: Path
) -> None:
    path = add(ws, str(tiny_encoder_dir), "bad").path
    build_index(ws, "bad")
    (path / "card.json").write_text("{")
    sides = {side.name: side for side in Comparer(ws).sides()}
    assert sides["base"].ready
    assert not sides["bad"].ready and "card.json" in sides["bad"].why
    remove_encoder(ws, "bad")
    assert "bad" not in {side.name for side in Comparer(ws).sides()}


def test_an_index_made_by_other_weights_is_refused(ws: Workspace) -> None:
    config = ws.encoders_dir / "base" / "config_sentence_transformers.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "prompts": {"query": "q: "}}))
    with pytest.raises(RankbenchError, match="other weights"):
        Comparer(ws).compare("tent", "base", "bm25")
    build_index(ws)
    assert Comparer(ws).compare("tent", "base", "bm25").baseline.hits


def test_products_that_left_the_catalog_are_not_answered_before_the_index_follows(
    ws: Workspace,
) -> None:
    write_items(ws, read_items(ws, ["product_id", "title"])[5:])
    found = Comparer(ws).compare("red sneaker", "base", "bm25", k=300)
    for side in (found.baseline, found.candidate):
        assert all(hit.title for hit in side.hits)
        assert not {"p000", "p004"}.intersection(hit.product_id for hit in side.hits)


def test_a_run_of_other_queries_is_refused(comparer: Comparer, tmp_path: Path) -> None:
    run = tmp_path / "other.run"
    run.write_text("x1 Q0 p002 1 9 x\n")
    with pytest.raises(RankbenchError, match="none of them"):
        comparer.side(f"run:{run}")


def test_sides_say_why_they_cannot_answer(tiny_workspace: Workspace) -> None:
    comparer = Comparer(tiny_workspace)
    sides = {side.name: side for side in comparer.sides()}
    assert sides["bm25"].ready
    assert not sides["base"].ready and "rankbench index" in sides["base"].why
    with pytest.raises(RankbenchError, match="not indexed"):
        comparer.compare("tent", "base", "bm25")
    assert comparer.compare("tent", "bm25", "bm25").baseline.hits
    build_index(tiny_workspace)
    assert comparer.compare("tent", "base", "bm25").baseline.hits


@pytest.mark.parametrize("query", ["", "   ", "\x00\n\t", "\u200b"])
def test_an_empty_query_is_one_clear_error(comparer: Comparer, query: str) -> None:
    with pytest.raises(RankbenchError, match="empty"):
        comparer.compare(query, "base", "bm25")


@pytest.mark.parametrize("query", ['"red tent"', "red 'tent'", "+red -tent", "red tent*", "(tent"])
def test_operators_are_words_to_bm25(comparer: Comparer, query: str) -> None:
    plain = comparer.side("bm25").rank("red tent").product_ids
    assert set(comparer.side("bm25").rank(query, 5).product_ids) <= set(plain)
    assert comparer.compare(query, "bm25", "hybrid:base").baseline.hits


@pytest.mark.parametrize(
    "query", ["😀😀", "' OR 1=1 --", '"', "[/]", "a" * 10_000_000, "\x1b[31m x"]
)
def test_odd_queries_are_answered(comparer: Comparer, query: str) -> None:
    found = comparer.compare(query, "base", "bm25")
    assert len(found.baseline.hits) == 20
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize("name", ["", "hybrid:", "run:", "hybrid:nope", "nope"])
def test_an_unknown_side_is_one_clear_error(comparer: Comparer, name: str) -> None:
    with pytest.raises((RankbenchError, UsageError)):
        parse_side(name)
        comparer.side(name)


def test_a_product_is_told_whole_and_a_gone_one_is_empty(comparer: Comparer) -> None:
    assert comparer.product("p000") == {"product_id": "p000", "title": "red men sneaker classic"}
    assert comparer.product("it's not there") == {}


def test_bm25_answers_without_torch(ws: Workspace) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from engine.workspace import open_workspace\n"
        "from engine.ranking.comparer import Comparer\n"
        f"c = Comparer(open_workspace(Path({str(ws.root)!r})))\n"
        "assert c.compare('tent', 'bm25', 'bm25').baseline.hits\n"
        "print([m for m in ('torch', 'transformers', 'sentence_transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_side_that_finds_no_judged_product_has_no_measure_over_them(ws: Workspace) -> None:
    with Verdicts(ws.records_path) as verdicts:
        verdicts.add([Verdict("zzqx", "p000", "E"), Verdict("zzqx", "p010", "I")], "ann")
        verdicts.add([Verdict("kettle zzqx", "p000", "E")], "ann")
        verdicts.add([Verdict("blue zzqx", "p000", "I")], "ann")
    comparer = Comparer(ws)
    for query in ("zzqx", "kettle zzqx"):
        found = comparer.compare(query, "base", "bm25")
        assert bool(found.candidate.hits) == (query != "zzqx") and found.candidate.found_none
        for name in ("ndcg", "rbo_ideal"):
            assert found.baseline.own[name] == found.baseline.measures[name] is not None
            # The number is as the evaluation has it, unmatched products by id.
            assert found.candidate.measures[name] > 0 and found.delta[name] is not None
            assert found.candidate.own[name] is None and found.own_delta(name) is None
        for name in ("ndcg@10", "mrr@10", "recall@50"):
            assert found.candidate.own[name] == 0 and found.own_delta(name) is not None
        assert not found.baseline.found_none
        line = "".join(text for group in measure_groups(found) for _, text in group)
        assert "→ –" in line
        assert ("bm25 found none of the judged" in line) == (query != "zzqx")
    # Nothing to gain: every order is the ideal one.
    found = comparer.compare("blue zzqx", "base", "bm25")
    for side in (found.baseline, found.candidate):
        assert [side.measures[name] for name in ("ndcg", "ndcg@10", "rbo_ideal")] == [None] * 3
        assert side.measures["mrr@10"] == 0
    comparer.close()
