"""Other tools compute the same figures from the run files: ir_measures and pytrec_eval."""

from __future__ import annotations

from urllib.parse import quote

import ir_measures
import pytest
import pytrec_eval
from ir_measures import RR, Judged, P, R, nDCG

from engine.catalog.queries import JudgedQuery
from engine.errors import RankbenchError
from engine.evaluation.evaluate import evaluate
from engine.evaluation.runs import whole_gains, write_runs
from tests.evaluation.fake_sides import ScoredSide, make_catalog, make_queries

GAINS = {"E": 1.0, "S": 0.1, "C": 0.01, "I": 0.0}
CATALOG = make_catalog(1500)
QUERIES = [
    *make_queries(CATALOG),
    JudgedQuery("unscorable", "no gain", grades={CATALOG[3]: "I"}),
    JudgedQuery("no-exact", "no exact", grades={CATALOG[4]: "S", CATALOG[5]: "I"}),
]
MEASURES = {
    "ndcg@10": nDCG @ 10,
    "mrr@10": RR(rel=100) @ 10,
    "recall@50": R(rel=100) @ 50,
    "precision@10": P(rel=100) @ 10,
    "judged@10": Judged @ 10,
}


@pytest.fixture(scope="module", params=["catalog", "judged"])
def written(request, tmp_path_factory):
    sides = [ScoredSide(f"side {x}", CATALOG, QUERIES, x) for x in (0.5, 0.9)]
    found = evaluate(
        *sides, QUERIES, CATALOG, gains=GAINS, candidates=request.param, keep_rankings=True
    )
    return found, write_runs(tmp_path_factory.mktemp("runs") / "new", found)


def test_exactly_the_queries_of_the_mean_are_written(written) -> None:
    found, (baseline, candidate, qrels) = written
    expected = {quote(row.query_id) for row in found.rows}
    assert "unscorable" not in expected and "no-exact" in expected
    for path in (baseline, candidate, qrels):
        lines = path.read_text().splitlines()
        assert {line.split()[0] for line in lines} == expected
    assert "gone" not in {line.split()[2] for line in qrels.read_text().splitlines()}
    assert {line.split()[3] for line in qrels.read_text().splitlines()} == {"0", "1", "10", "100"}


def test_scores_fall_from_the_depth_to_one(written) -> None:
    lines = [line.split() for line in written[1][0].read_text().splitlines()]
    first = [line for line in lines if line[0] == lines[0][0]]
    assert [int(line[4]) for line in first] == list(range(len(first), 0, -1))
    assert [int(line[3]) for line in first] == list(range(1, len(first) + 1))


@pytest.mark.parametrize("side", ["baseline", "candidate"])
def test_ir_measures_agrees(written, side: str) -> None:
    found, paths = written
    measures = {**MEASURES, "ndcg": nDCG} if found.candidates == "judged" else MEASURES
    run = list(ir_measures.read_trec_run(str(paths[side == "candidate"])))
    qrels = list(ir_measures.read_trec_qrels(str(paths[2])))
    theirs = {
        (item.query_id, item.measure): item.value
        for item in ir_measures.iter_calc(list(measures.values()), qrels, run)
    }
    for row in found.rows:
        for name, measure in measures.items():
            ours = getattr(row, side)[name]
            assert ours == pytest.approx(theirs[quote(row.query_id), measure], abs=1e-6), name
    means = ir_measures.calc_aggregate(list(measures.values()), qrels, run)
    for name, measure in measures.items():
        assert getattr(found, side).means[name] == pytest.approx(means[measure], abs=1e-6)


@pytest.mark.parametrize("side", ["baseline", "candidate"])
def test_pytrec_eval_agrees(written, side: str) -> None:
    found, paths = written
    with paths[2].open() as file:
        qrels = pytrec_eval.parse_qrel(file)
    with paths[side == "candidate"].open() as file:
        run = pytrec_eval.parse_run(file)
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg", "ndcg_cut.10"}).evaluate(run)
    exact = pytrec_eval.RelevanceEvaluator(qrels, {"recall.50"}, relevance_level=100).evaluate(run)
    for row in found.rows:
        ours, key = getattr(row, side), quote(row.query_id)
        assert ours["ndcg@10"] == pytest.approx(theirs[key]["ndcg_cut_10"], abs=1e-6)
        assert ours["recall@50"] == pytest.approx(exact[key]["recall_50"], abs=1e-6)
        if found.candidates == "judged":
            assert ours["ndcg"] == pytest.approx(theirs[key]["ndcg"], abs=1e-6)


@pytest.mark.parametrize(
    ("gains", "whole"),
    [
        ((1, 0.1, 0.01, 0), (100, 10, 1, 0)),
        ((3, 2, 1, 0), (3, 2, 1, 0)),
        ((4, 2, 0, 0), (2, 1, 0, 0)),
        ((1, 0.25, 0.125, 0), (8, 2, 1, 0)),
        ((0.3, 0.3, 0.3, 0.3), (1, 1, 1, 1)),
        ((0, 0, 0, 0), (0, 0, 0, 0)),
    ],
)
def test_relevances_are_the_smallest_whole_multiples(gains, whole) -> None:
    assert tuple(whole_gains(dict(zip("ESCI", gains, strict=True))).values()) == whole


def test_gains_that_no_qrels_can_hold_are_refused() -> None:
    with pytest.raises(RankbenchError, match="multiple"):
        whole_gains({"E": 1.0, "S": 1e-12})
    with pytest.raises(RankbenchError, match="negative"):
        whole_gains({"E": 1.0, "S": -1.0})


def test_rankings_that_were_not_kept_cannot_be_written(tmp_path) -> None:
    side = ScoredSide("base", CATALOG, QUERIES)
    found = evaluate(side, side, QUERIES[:1], CATALOG, gains=GAINS)
    with pytest.raises(RankbenchError, match="not kept"):
        write_runs(tmp_path, found)
    assert not list(tmp_path.iterdir())
