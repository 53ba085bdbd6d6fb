"""What `eval --runs` writes, scored by ir_measures, says what `eval --json` says.

RANKBENCH_WORKSPACE names a further workspace, a real one, to hold to the same;
RANKBENCH_CANDIDATE its candidate side.
"""

from __future__ import annotations

import os
from pathlib import Path

import ir_measures
import pytest
from rbo import RankingSimilarity

from tests.commands.conftest import Rankbench

SAME = 1e-6
OTHERS = {
    "ndcg": "nDCG",
    "ndcg@10": "nDCG@10",
    "mrr@10": "RR(rel=100)@10",
    "recall@50": "R(rel=100)@50",
    "precision@10": "P(rel=100)@10",
}


@pytest.fixture(params=["tiny", "real"])
def judged(request: pytest.FixtureRequest) -> tuple[Path, str]:
    """A judged workspace and its candidate side."""
    if request.param == "tiny":
        return request.getfixturevalue("workspace"), "bm25"
    if "RANKBENCH_WORKSPACE" not in os.environ:
        pytest.skip("RANKBENCH_WORKSPACE names no workspace")
    return Path(os.environ["RANKBENCH_WORKSPACE"]), os.environ.get("RANKBENCH_CANDIDATE", "bm25")


@pytest.mark.parametrize("candidates", ["catalog", "judged"])
def test_written_runs_give_the_same_scores_elsewhere(
    candidates: str, judged: tuple[Path, str], tmp_path: Path, rankbench: Rankbench
) -> None:
    root, side = judged
    found = rankbench(
        "eval", "-w", root, "--candidate", side, "--candidates", candidates,
        "--split", "all", "--runs", tmp_path, "--per-query", "--json",
    )  # fmt: skip
    assert found.code == 0, found.err
    qrels = list(ir_measures.read_trec_qrels(str(tmp_path / "qrels.txt")))
    assert len({q.query_id for q in qrels}) == found.json["queries"]
    rows = {row["query_id"]: row for row in found.json["per_query"]}
    runs = {}
    for which in ("baseline", "candidate"):
        run = list(ir_measures.read_trec_run(str(tmp_path / f"{which}.run")))
        runs[which] = run
        for ours, theirs in OTHERS.items():
            if candidates == "catalog" and ours == "ndcg":
                assert found.json[which][ours] is None
                continue
            measure = ir_measures.parse_measure(theirs)
            scores = dict.fromkeys(rows, 0.0)
            for score in ir_measures.iter_calc([measure], qrels, run):
                scores[score.query_id] = score.value
            for query_id, row in rows.items():
                assert row[which][ours] == pytest.approx(scores[query_id], abs=SAME), ours
            mean = sum(scores.values()) / len(scores)
            assert found.json[which][ours] == pytest.approx(mean, abs=SAME), ours
    for query_id, row in rows.items():
        lists = [ranked(runs[which], query_id)[:100] for which in ("baseline", "candidate")]
        expected = RankingSimilarity(*lists).rbo(p=0.9, ext=True)
        assert row["rbo"] == pytest.approx(expected, abs=SAME)


def ranked(run: list[ir_measures.ScoredDoc], query_id: str) -> list[str]:
    docs = [doc for doc in run if doc.query_id == query_id]
    return [doc.doc_id for doc in sorted(docs, key=lambda doc: -doc.score)]
