"""Past evaluations, query sets, and every side against every set."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.encoders.card import Card, write_card
from engine.evaluation.history import FILE_NAME, past_runs
from engine.records import QuerySets
from engine.workspace import open_workspace

BM25 = ("--candidate", "bm25", "--split", "all")


def named(tmp_path: Path, *queries: str) -> Path:
    file = tmp_path / "queries.txt"
    file.write_text("# picked by hand\n\n" + "\n".join(queries) + "\n", encoding="utf-8")
    return file


def test_an_evaluation_is_kept_with_what_it_rests_on(workspace: Path, rankbench: Any) -> None:
    assert rankbench("runs", "-w", workspace).err.startswith("No evaluation is kept yet")
    found = rankbench("eval", "-w", workspace, *BM25, "--json").json
    (run,) = rankbench("runs", "-w", workspace, "--json").json
    assert (run["command"], run["candidate"], run["baseline"]) == ("eval", "bm25", "base")
    assert run["n"] == found["queries"] == 12
    assert run["delta"]["ndcg@10"] == found["delta"]["ndcg@10"]
    assert run["means"]["candidate"]["ndcg@10"] == found["candidate"]["ndcg@10"]
    assert {"catalog", "template", "judgments", "measures", "queries"} <= set(run["inputs"])
    assert run["inputs"]["baseline encoder"]
    one = rankbench("runs", "1", "-w", workspace)
    assert one.code == 0 and "bm25" in one.out and run["inputs"]["catalog"] in one.out


def test_a_kept_interval_of_a_few_queries_is_not_told(workspace: Path, rankbench: Any) -> None:
    rankbench("eval", "-w", workspace, *BM25)
    kept = workspace / "reports" / FILE_NAME
    line = json.loads(kept.read_text())
    few = {**line, "n": 5, "delta": {"ndcg@10": {**line["delta"]["ndcg@10"], "n": 5}}}
    kept.write_text(json.dumps(line) + "\n" + json.dumps(few) + "\n")  # as older versions did
    whole, old = rankbench("runs", "-w", workspace).out.splitlines()[1:]
    assert " to " in whole and "too few" not in whole
    assert " too few " in old and " to " not in old
    assert "(too few), p —" in rankbench("runs", "2", "-w", workspace).out
    found = [run["delta"]["ndcg@10"] for run in rankbench("runs", "-w", workspace, "--json").json]
    assert found[0] == line["delta"]["ndcg@10"]
    assert [found[1][key] for key in ("low", "high", "p")] == [None, None, None]
    assert found[1]["mean"] == found[0]["mean"]


def test_runs_of_one_question_are_a_series_and_what_changed_is_named(
    workspace: Path, rankbench: Any
) -> None:
    rankbench("eval", "-w", workspace, *BM25)
    rankbench("eval", "-w", workspace, *BM25)
    rankbench("flag", "canopy tent", "p03", "E", "-w", workspace)
    rankbench("eval", "-w", workspace, *BM25)
    rankbench("eval", "-w", workspace, *BM25, "--candidates", "judged")
    first, same, judged, other = rankbench("runs", "-w", workspace, "--json").json
    assert (first["previous"], first["changed"]) == (None, [])
    assert (same["previous"], same["changed"]) == (1, [])
    assert (judged["previous"], judged["changed"]) == (2, ["the judgments"])
    assert other["previous"] is None
    lines = rankbench("runs", "--all", "-w", workspace).out.splitlines()
    since = [line.rsplit("  ", 1)[1].strip() for line in lines]
    assert since == ["since", "first", "±0.0000", "the judgments changed", "first"]
    two = rankbench("runs", "2", "3", "-w", workspace)
    told = two.out.splitlines()
    (place,) = (n for n, line in enumerate(told) if line.startswith("They do not compare"))
    assert told[place] == "They do not compare: the judgments changed."
    (table,) = (n for n, line in enumerate(told) if line.startswith("candidate's mean"))
    assert place < table  # nobody reads on to what stands below the figures
    assert "They rest on the same inputs." in rankbench("runs", "1", "2", "-w", workspace).out
    both = rankbench("runs", "2", "4", "-w", workspace, "--json").json
    assert both["changed"] == ["the candidates", "the judgments"]


def test_a_run_file_that_was_overwritten_is_another_input(
    workspace: Path, tmp_path: Path, rankbench: Any
) -> None:
    file = tmp_path / "prod.run"
    asked = ("--candidate", f"run:{file}", "--split", "all")
    for product in ("p01", "p01", "p03"):
        file.write_text(f"q00 Q0 {product} 1 1 prod\n")
        assert rankbench("eval", "-w", workspace, *asked).code == 0
    same = rankbench("runs", "1", "2", "-w", workspace).out
    assert "They rest on the same inputs." in same
    other = rankbench("runs", "2", "3", "-w", workspace).out
    assert "what differs: the candidate's rankings." in other
    since = [
        line.rsplit("  ", 1)[1]
        for line in rankbench("runs", "--all", "-w", workspace).out.splitlines()[2:]
    ]
    assert since[0] == "±0.0000" and since[1].endswith(", new rankings")
    first, second, third = rankbench("runs", "-w", workspace, "--json").json
    assert first["inputs"]["candidate encoder"] == second["inputs"]["candidate encoder"]
    assert third["changed"] == ["the candidate's rankings"]


def test_two_candidates_over_the_same_inputs_compare(workspace: Path, rankbench: Any) -> None:
    rankbench("eval", "-w", workspace, *BM25)
    rankbench("eval", "-w", workspace, "--candidate", "base", "--split", "all")
    both = rankbench("runs", "1", "2", "-w", workspace).out
    assert "They rest on the same inputs; what differs: the candidate." in both
    found = rankbench("eval", "-w", workspace, *BM25, "--json").json
    (row,) = [line.split() for line in both.splitlines() if line.startswith("ndcg@10  ")]
    assert row[3] == row[6] == f"{found['floor']['ndcg@10']:.4f}"  # a random ranking's, twice
    rankbench("flag", "canopy tent", "p03", "E", "-w", workspace)
    rankbench("eval", "-w", workspace, *BM25)
    other = rankbench("runs", "2", "4", "-w", workspace).out
    assert "They do not compare: the judgments changed. Different too: the candidate." in other


def test_new_weights_under_the_same_name_are_told(workspace: Path, rankbench: Any) -> None:
    asked = ("--baseline", "bm25", "--candidate", "base", "--split", "all")
    rankbench("eval", "-w", workspace, *asked)
    kept = workspace / "reports" / FILE_NAME
    line = json.loads(kept.read_text())
    line["inputs"]["candidate encoder"] = "f" * 16
    kept.write_text(json.dumps(line) + "\n")
    rankbench("eval", "-w", workspace, *asked)
    assert rankbench("runs", "-w", workspace).out.splitlines()[2].endswith("±0.0000, new weights")


def test_both_modes_of_judging_are_series_of_their_own(workspace: Path, rankbench: Any) -> None:
    rankbench("eval", "-w", workspace, *BM25)
    kept = workspace / "reports" / FILE_NAME
    older = json.loads(kept.read_text())
    del older["judgments"], older["floor"]  # as lines were before
    kept.write_text(json.dumps(older) + "\n")
    rankbench("flag", "canopy tent", "p03", "E", "-w", workspace)
    for judgments in ("imported", "all", "imported"):
        rankbench("eval", "-w", workspace, *BM25, "--judgments", judgments)
    told = rankbench("runs", "-w", workspace, "--json").json
    assert [run["judgments"] for run in told] == ["all", "imported", "all", "imported"]
    assert [run["previous"] for run in told] == [None, None, 1, 2]
    assert [run["changed"] for run in told] == [[], [], ["the judgments"], []]
    assert "all, imported judgments" in rankbench("runs", "-w", workspace).out
    two = rankbench("runs", "3", "4", "-w", workspace).out
    assert "They do not compare: whose judgments count changed." in two
    assert rankbench("runs", "1", "-w", workspace).code == 0


def test_a_damaged_line_is_counted_and_the_others_stay(workspace: Path, rankbench: Any) -> None:
    rankbench("eval", "-w", workspace, *BM25)
    with (workspace / "reports" / FILE_NAME).open("a") as file:
        file.write('{"made": 1\n')
    rankbench("eval", "-w", workspace, *BM25)
    done = rankbench("runs", "--all", "-w", workspace)
    assert len(done.out.splitlines()) == 3 and "1 line of the history" in done.err
    rankbench("runs", "9", "-w", workspace).assert_error(1, "no run 9", "rankbench runs")
    assert rankbench("runs", "1", "2", "3", "-w", workspace).code == 2


def test_evaluations_at_the_same_time_are_all_kept(workspace: Path) -> None:
    command = [sys.executable, "-m", "workbench", "eval", "-w", str(workspace), *BM25]
    several = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(3)]
    assert [process.wait() for process in several] == [0, 0, 0]
    runs, damaged = past_runs(open_workspace(workspace))
    assert [run.number for run in runs] == [1, 2, 3] and not damaged


def test_a_set_of_queries_is_evaluated_alone(
    workspace: Path, tmp_path: Path, rankbench: Any
) -> None:
    file = named(tmp_path, "Face  Mask", "hose", "nobody asked this")
    done = rankbench("import", "queries", file, "--set", "home", "-w", workspace)
    assert done.code == 0 and "home: 2 judged queries" in done.out
    assert "nobody asked this" in done.err
    found = rankbench("eval", "-w", workspace, *BM25, "--set", "home", "--per-query", "--json").json
    assert (found["set"], found["queries"]) == ("home", 2)
    assert {row["query"] for row in found["per_query"]} == {"face mask", "hose"}
    (run,) = rankbench("runs", "-w", workspace, "--set", "home", "--json").json
    assert run["query_set"] == "home"
    rankbench("eval", "-w", workspace, "--set", "away").assert_error(1, "away", "home")
    taken = rankbench("import", "queries", file, "--set", "test", "-w", workspace)
    taken.assert_error(2, "name of a split", "something else")


def test_one_list_makes_a_set_and_protects_the_same_queries(
    workspace: Path, tmp_path: Path, rankbench: Any
) -> None:
    more = tmp_path / "more.csv"
    more.write_text("query_id,query,product_id,label\nn2,pegs,p03,E\n")
    assert rankbench("import", "judgments", more, "-w", workspace).code == 0
    file = named(tmp_path, "hoses", "Hose", "hose", "n2")
    rankbench("import", "queries", file, "--set", "mine", "-w", workspace)
    evaluated = rankbench("eval", "-w", workspace, *BM25, "--set", "mine", "--per-query", "--json")
    gate = ("gate", "-w", workspace, "--baseline", "bm25", *BM25, "--protect", file, "--json")
    in_set = {row["query_id"] for row in evaluated.json["per_query"]}
    assert in_set == {row["query_id"] for row in rankbench(*gate).json["protected"]}
    assert in_set == {"q05", "n2"}


def test_judgments_can_be_imported_as_a_set(
    workspace: Path, tmp_path: Path, rankbench: Any
) -> None:
    file = tmp_path / "more.csv"
    file.write_text("query_id,query,product_id,label\n1,hose,p09,E\n2,garden,p09,E\n")
    bad = rankbench("import", "judgments", file, "--set", "a b", "-w", workspace)
    bad.assert_error(2, "cannot name", "letters")
    found = rankbench("eval", "-w", workspace, *BM25, "--json").json
    assert found["queries"] == 12  # A refused name imports nothing.
    assert rankbench("import", "judgments", file, "--set", "new", "-w", workspace).code == 0
    with QuerySets(workspace / "records.db") as sets:
        assert sets.sizes() == {"new": 2}
    found = rankbench("eval", "-w", workspace, *BM25, "--set", "new", "--json").json
    assert found["queries"] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("queries", "FILE"), 2, "--set NAME"),
        (("flags", "FILE", "--set", "x"), 2, "--set"),
        (("queries", "EMPTY", "--set", "x"), 1, "no query"),
        (("queries", "UNKNOWN", "--set", "x"), 1, "empty"),
    ],
)
def test_a_set_that_cannot_be_made_says_why(
    workspace: Path, tmp_path: Path, rankbench: Any, arguments: Any, code: int, word: str
) -> None:
    (tmp_path / "empty.txt").write_text("# nothing\n")
    (tmp_path / "unknown.txt").write_text("never judged\n")
    files = {
        "FILE": named(tmp_path, "hose"),
        "EMPTY": tmp_path / "empty.txt",
        "UNKNOWN": tmp_path / "unknown.txt",
    }
    given = [files.get(argument, argument) for argument in arguments]
    rankbench("import", *given, "-w", workspace).assert_error(code, word)


def test_every_side_meets_every_set(workspace: Path, tmp_path: Path, rankbench: Any) -> None:
    rankbench("import", "queries", named(tmp_path, "hose"), "--set", "one", "-w", workspace)
    cells = rankbench("eval", "--every", "-w", workspace, "--json").json
    assert {cell["side"] for cell in cells} == {"bm25"}
    by_set = {cell["query_set"]: cell for cell in cells}
    assert by_set["all"]["n"] == 12 and by_set["one"]["n"] == 1
    whole = rankbench("eval", "-w", workspace, *BM25, "--json").json
    assert by_set["all"]["delta"] == whole["delta"]["ndcg@10"]
    assert by_set["all"]["candidate"] == pytest.approx(whole["candidate"]["ndcg@10"])
    splits = [by_set[name]["n"] for name in ("train", "dev", "test") if name in by_set]
    assert sum(splits) == 12
    assert by_set["all"]["floor"] == pytest.approx(whole["floor"]["ndcg@10"])
    rankbench("flag", "canopy tent", "p03", "E", "-w", workspace)
    counted = rankbench("eval", "--every", "-w", workspace, "--json").json
    assert counted != cells
    imported = ("eval", "--every", "--judgments", "imported", "-w", workspace)
    assert rankbench(*imported, "--json").json == cells
    assert "imported judgments alone" in rankbench(*imported).err
    shown = rankbench("eval", "--every", "-w", workspace)
    assert shown.out.splitlines()[1].endswith("random")
    assert "against base" in shown.out and "one" in shown.out


def test_a_cell_that_is_fragile_is_marked_in_words(
    fragile_sides: list[object], rankbench: Any
) -> None:
    cells = rankbench("eval", "--every", *fragile_sides, "--json").json
    whole = next(cell for cell in cells if cell["query_set"] == "all")
    assert whole["delta"]["high"] < 0 and whole["fragile"] is True
    shown = rankbench("eval", "--every", *fragile_sides)
    for cell, line in zip(cells, shown.out.splitlines()[2:], strict=True):
        assert line.endswith("  fragile") is cell["fragile"], line
    assert "fragile: the interval excludes 0" in shown.err


@pytest.mark.parametrize(
    "given",
    [
        ("--split", "test"), ("--set", "one"), ("--candidates", "judged"), ("--runs", "DIR"),
        ("--per-query",), ("--by", "split"), ("--cosines",),
    ],
)  # fmt: skip
def test_what_every_cannot_do_is_refused(made: Path, rankbench: Any, given: Any) -> None:
    rankbench("eval", "--every", *given, "-w", made).assert_error(2, "--every", given[0])


def test_a_set_that_is_replaced_is_told_with_both_sizes(
    workspace: Path, tmp_path: Path, rankbench: Any
) -> None:
    name = ("--set", "home", "-w", workspace)
    first = rankbench("import", "queries", named(tmp_path, "hose", "ez up", "face mask"), *name)
    assert first.out == "home: 3 judged queries\n"
    again = rankbench("import", "queries", named(tmp_path, "hose"), *name)
    assert again.out == "home: 1 judged query; replaces the set of that name, which had 3\n"
    told = rankbench("import", "queries", named(tmp_path, "hose", "lamp"), *name, "--json").json
    assert told == {"set": "home", "queries": 1, "replaced": 1, "unknown": ["lamp"]}
    more = tmp_path / "more.csv"
    more.write_text("query,product_id,label\nhose,p09,E\ngarden,p09,E\n")
    told = rankbench("import", "judgments", more, *name)
    assert "home: 2 judged queries; replaces the set of that name, which had 1" in told.err


def seen_by_base(workspace: Path, *queries: str) -> None:
    write_card(workspace / "encoders" / "base", Card("base", base="tiny", trained_queries=queries))


def test_queries_left_out_because_they_are_seen_are_counted(
    workspace: Path, tmp_path: Path, rankbench: Any
) -> None:
    seen_by_base(workspace, "hose", "trainers", "glass lid")
    listed = named(tmp_path, "hose", "trainers", "face mask", "ez up")
    rankbench("import", "queries", listed, "--set", "mine", "-w", workspace)
    asked = ("-w", workspace, "--candidate", "bm25")
    told = rankbench("eval", *asked)
    assert "9 of 12 queries: 3 left out, seen by base." in told.err
    told = rankbench("eval", *asked, "--set", "mine")
    assert "2 of 4 queries: 2 left out, seen by base." in told.err
    found = rankbench("eval", *asked, "--set", "mine", "--json").json
    assert (found["queries"], found["asked"]) == (2, 4)
    assert found["left_out"] == {"seen": 2, "by": {"base": 2}}
    whole = rankbench("eval", *asked, "--split", "all")
    assert "left out, seen" not in whole.err
    kept = rankbench("runs", "-w", workspace, "--set", "mine")
    assert "2/4" in kept.out.splitlines()[1]
    one = rankbench("runs", "2", "-w", workspace).out
    assert "n 2 of 4: 2 left out, seen by base" in one
    gate = rankbench("gate", *asked, "--rule", "ndcg@10 >= base - 1")
    assert "9 of 12 queries: 3 left out, seen by base." in gate.err
    rankbench("import", "queries", named(tmp_path, "hose"), "--set", "mine", "-w", workspace)
    none = rankbench("eval", *asked, "--set", "mine")
    none.assert_error(1, "The one query of the set mine is left out", "--split all")


def test_the_list_names_the_command_and_both_scores_and_takes_equal_runs_together(
    workspace: Path, rankbench: Any
) -> None:
    asked = ("-w", workspace, *BM25)
    for _ in range(3):
        found = rankbench("eval", *asked, "--json").json
    rankbench("gate", *asked, "--rule", "ndcg@10 >= base - 1")
    rankbench("eval", *asked)
    head, *lines = rankbench("runs", "-w", workspace).out.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["3", "×3", "eval"],
        ["4", "gate", lines[1].split()[2]],
        ["5", "eval", lines[2].split()[2]],
    ]
    assert "other's  ndcg@10" in head
    scores = " ".join(f"{found[side]['ndcg@10']:.4f}" for side in ("baseline", "candidate"))
    assert all(f" 12 {scores} " in " ".join(line.split()) for line in lines)
    assert lines[0].endswith("first") and lines[1].endswith("±0.0000")
    each = rankbench("runs", "--all", "-w", workspace).out.splitlines()
    assert [line.split()[0] for line in each[1:]] == ["1", "2", "3", "4", "5"]
    assert [run["number"] for run in rankbench("runs", "-w", workspace, "--json").json] == [
        1, 2, 3, 4, 5,
    ]  # fmt: skip


def test_a_run_with_another_result_is_no_repetition(workspace: Path, rankbench: Any) -> None:
    rankbench("eval", "-w", workspace, *BM25)
    rankbench("flag", "canopy tent", "p03", "E", "-w", workspace)
    rankbench("eval", "-w", workspace, *BM25)
    assert "×" not in rankbench("runs", "-w", workspace).out
