"""`import judgments --weight`: what the weight is, and what it was, is said."""

from __future__ import annotations

from pathlib import Path

from engine.records import Records


def test_a_weight_is_said_and_what_it_changed_can_be_taken_back(
    shop: Path, workspace: Path, rankbench
) -> None:
    def weights() -> set[float]:
        with Records(workspace / "records.db") as records:
            queries = records.judged_queries()
        return {q.file_weights.get(product, 1.0) for q in queries for product in q.grades}

    rows = len((shop / "judgments.csv").read_text().splitlines()) - 1
    asked = ("import", "judgments", shop / "judgments.csv", "-w", workspace)
    plain = rankbench(*asked)
    assert "in training" not in plain.out and weights() == {1.0}
    heavy = rankbench(*asked, "--weight", "3")
    assert f"0 new, 0 changed, {rows} as they were" in heavy.out
    assert f"each counts 3 times in training; {rows} of them counted otherwise" in heavy.out
    assert "import judgments --undo" in heavy.err and weights() == {3.0}
    again = rankbench(*asked, "--weight", "3", "--json").json
    assert (again["weight"], again["change"]["weighed"]) == (3.0, 0)
    light = rankbench(*asked)
    assert f"each counts once in training; {rows} of them" in light.out and weights() == {1.0}
    assert rankbench("import", "judgments", "--undo", "-w", workspace).code == 0
    assert weights() == {3.0}
