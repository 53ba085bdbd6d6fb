"""`rankbench holes` and `rankbench doubtful`, on the little shop."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.conftest import JUDGED, Rankbench

ALL = ["--candidate", "bm25", "--split", "all"]


def test_holes_agree_with_eval_and_follow_a_grade(workspace: Path, rankbench: Rankbench) -> None:
    told = rankbench("holes", "-w", workspace, *ALL, "-k", "1000", "--json").json
    measured = rankbench("eval", "-w", workspace, *ALL, "--json").json
    assert told["queries"] == measured["queries"] == len(JUDGED)
    assert told["bounds"]["ndcg@10"] == pytest.approx(measured["bounds"]["ndcg@10"], abs=1e-12)
    mean = measured["delta"]["ndcg@10"]["mean"]
    assert told["delta"]["ndcg@10"] == pytest.approx(mean, abs=1e-12)
    for side in ("baseline", "candidate"):
        assert told[side]["judged@10"] == pytest.approx(measured[side]["judged@10"])
    queue = told["queue"]
    assert told["holes"] == len(queue) > 20
    assert all(hole["product_id"] not in JUDGED[hole["query"]] for hole in queue)
    assert min(queue[0]["baseline"] or 99, queue[0]["candidate"] or 99) <= 10
    first = queue[0]
    means = {}
    for grade in "EI":
        flagged = rankbench("flag", first["query"], first["product_id"], grade, "-w", workspace)
        assert flagged.code == 0
        again = rankbench("holes", "-w", workspace, *ALL, "--json").json
        assert again["holes"] == told["holes"] - 1 and again["queries"] == told["queries"]
        means[grade] = again["delta"]["ndcg@10"]
    assert means["E"] - means["I"] == pytest.approx(first["swing"], abs=1e-12)
    unseen = rankbench("holes", "-w", workspace, "--candidate", "bm25", "--json").json
    assert unseen["queries"] == told["queries"]


def test_the_holes_of_a_set_are_those_between_its_bounds(
    workspace: Path, tmp_path: Path, rankbench: Rankbench
) -> None:
    listed = tmp_path / "queries.txt"
    listed.write_text("hose\nface mask\n")
    assert rankbench("import", "queries", listed, "--set", "home", "-w", workspace).code == 0
    asked = (*ALL, "--set", "home", "-w", workspace)
    told = rankbench("holes", *asked, "-k", "1000", "--json").json
    measured = rankbench("eval", *asked, "--json").json
    assert (told["set"], told["queries"]) == ("home", 2)
    assert told["bounds"]["ndcg@10"] == pytest.approx(measured["bounds"]["ndcg@10"], abs=1e-12)
    assert {hole["query"] for hole in told["queue"]} == {"hose", "face mask"}
    assert rankbench("holes", *asked).out.startswith("bm25 against base, 2 queries (home, all)")
    rankbench("holes", "--set", "away", "-w", workspace).assert_error(1, "away", "home")


def test_holes_in_words(workspace: Path, rankbench: Rankbench) -> None:
    told = rankbench("holes", "-w", workspace, *ALL, "-k", "3")
    lines = told.out.splitlines()
    assert lines[0] == "bm25 against base, 12 queries (all)"
    assert "judged@10" in lines[1] and "n 12" in lines[1]
    assert "with every hole judged" in lines[2] and "n 12" in lines[2]
    assert lines[5].startswith("query") and lines[5].endswith("swing") and len(lines) == 9
    assert "-k shows more" in told.err and "rankbench flag" in told.err
    rankbench("holes", "-w", workspace, "--split", "nowhere").assert_error(2, "nowhere")
    rankbench("holes", "-w", workspace, "--candidate", "none").assert_error(1, "none")


def test_doubtful_judgments_are_listed_and_kept(
    workspace: Path, tmp_path: Path, rankbench: Rankbench
) -> None:
    assert rankbench("doubtful", "-w", workspace, "--json").json["counts"] == {
        "contradictory": 0,
        "duplicate": 0,
        "suspicious": 0,
    }
    other = tmp_path / "other.csv"
    other.write_text(
        "query_id,query,product_id,label\nn1,Hose,p09,I\nn2,nozzle,p10,E\nn3,Nozzles,p10,E\n"
        "n4,lid \x1b[31mred,p14,E\n"
    )
    assert rankbench("import", "judgments", other, "-w", workspace).code == 0
    before = rankbench("eval", "-w", workspace, *ALL, "--json").json
    told = rankbench("doubtful", "-w", workspace, "--json").json
    (doubt,) = told["contradictory"]
    assert doubt["product_id"] == "p09" and set(doubt["evidence"].values()) == {"E", "I"}
    assert doubt["title"] == "Garden hose 15 m"
    assert [d["product_id"] for d in told["duplicate"]] == ["p10"]
    assert told["sides"] == ["bm25", "base"]
    other.write_text("query_id,query,product_id,label\nn2,nozzle,p10,E\n")
    kept = rankbench("eval", "-w", workspace, *ALL, "--json").json
    assert rankbench("import", "judgments", other, "-w", workspace).code == 0
    assert rankbench("eval", "-w", workspace, *ALL, "--json").json == kept
    (doubt,) = rankbench("doubtful", "-w", workspace, "--json").json["contradictory"]
    # The row was taken out of the file, and counts on: it is told, as what it is.
    assert doubt["evidence"] == {"judgments.csv": "E", "other.csv, earlier import": "I"}
    shown = rankbench("doubtful", "-w", workspace)
    assert "contradictory: 1" in shown.out and "\x1b" not in shown.out
    assert "Nothing was changed." in shown.err
    assert rankbench("eval", "-w", workspace, *ALL, "--json").json == before
