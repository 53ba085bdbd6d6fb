"""`flag`, `flags`, `undo`, `redo`, `separate`, and verdicts in files."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from engine.records import Records, Verdicts


@pytest.fixture
def rb(workspace: Path, rankbench: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A command on the workspace, by the judge ann."""
    monkeypatch.setenv("RANKBENCH_JUDGE", "ann")
    return lambda *arguments: rankbench(*arguments, "-w", workspace)


def test_a_flag_is_kept_listed_undone_and_redone(rb: Any, workspace: Path) -> None:
    kept = rb("flag", "hose", "p10", "x", "--note", "a nozzle", "--side", "base", "--rank", 2)
    assert kept.code == 0 and kept.out.startswith("kept 1: hose · p10 Hose nozzle")
    assert "I, flagged" in kept.out and "imported judgment says C" in kept.err
    (row,) = rb("flags", "--json").json
    assert {k: row[k] for k in ("query", "product_id", "grade", "bad", "note", "side", "rank")} == {
        "query": "hose", "product_id": "p10", "grade": "I", "bad": True, "note": "a nozzle",
        "side": "base", "rank": 2,
    }  # fmt: skip
    assert row["judge"] == "ann" and row["encoder"] and row["given"].endswith("Z")
    assert (row["imported"], row["overrules"], row["shared_with"]) == ("C", True, [])
    hit = next(
        hit
        for hit in rb("search", "hose", "--candidate", "bm25", "--json").json["candidate"]["hits"]
        if hit["product_id"] == "p10"
    )
    assert (hit["grade"], hit["verdict"], hit["overrules"]) == ("I", "flagged", True)
    shown = rb("search", "hose", "--candidate", "bm25")
    assert "Ix" in shown.out and "1 of them against an imported judgment" in shown.err
    undone = rb("undo")
    assert undone.code == 0 and "taken back: hose · p10" in undone.out
    assert rb("flags", "--json").json == []
    assert "again: hose · p10" in rb("redo").out
    assert len(rb("flags", "--json").json) == 1
    rb("redo").assert_error(1, "ann", "nothing to redo")
    assert [record["action"] for record in rb("flags", "--history", "--json").json] == [
        "grade", "undo", "redo",
    ]  # fmt: skip
    shown = rb("flags", "--history")
    assert shown.code == 0 and "act 1" in shown.out


def test_a_flag_that_another_process_undoes_at_once_was_kept(rb: Any, workspace: Path) -> None:
    with Verdicts(workspace / "records.db"):
        pass
    database = sqlite3.connect(workspace / "records.db")
    # As soon as the word is there, somebody takes it back.
    database.execute(
        "CREATE TRIGGER other AFTER INSERT ON verdicts WHEN NEW.action = 'grade' BEGIN"
        " INSERT INTO verdicts (action, batch, target, author, created)"
        " VALUES ('undo', NEW.id + 1, NEW.batch, NEW.author, NEW.created); END"
    )
    database.close()
    kept = rb("flag", "hose", "p10", "x")
    assert kept.code == 0 and kept.out.startswith("kept 1: hose · p10")
    assert rb("flags", "--json").json == []


def test_an_undo_says_what_stands_again(rb: Any) -> None:
    assert rb("flag", "hose", "p09", "S").code == 0
    assert rb("flag", "hose", "p09", "irrelevant").code == 0
    assert "S stands again" in rb("undo").out
    assert rb("undo", "--json").json["verdicts"][0]["grade"] == "S"
    rb("undo").assert_error(1, "nothing to undo")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["hose", "p10"], 2, "needs a query"),
        (["hose", "p10", "Q"], 2, "not a grade"),
        ([" ", "p10", "E"], 2, "empty"),
        (["hose", "P10", "E"], 1, "'p10'"),
        (["hose", "p100", "E"], 1, "p10"),
        (["hose", "zzzzzz", "E"], 1, "no product"),
        (["hose", "p10", "E", "--rank", "2"], 2, "--side"),
        (["hose", "p10", "E", "--side", "hybrid:"], 2, "encoder"),
    ],
)
def test_a_wrong_flag_is_one_error_and_keeps_nothing(
    words: list[str], code: int, said: str, rb: Any
) -> None:
    rb("flag", *words).assert_error(code, said)
    assert rb("flags", "--json").json == []


def test_a_query_needs_no_quotes_and_a_judge_can_be_named(rb: Any) -> None:
    found = rb("flag", "garden", "hose", "p09", "exact", "--judge", "bob", "--json").json
    assert (found["query"], found["grade"], found["judge"]) == ("garden hose", "E", "bob")
    assert found["title"] == "Garden hose 15 m"
    assert "garden hose" in rb("undo").out  # it is ann's own act


def test_an_undo_names_another_judge(rb: Any) -> None:
    rb("flag", "hose", "p10", "x", "--judge", "bob")
    rb("flag", "hose", "p09", "S")
    assert "(by" not in rb("undo").out
    undone = rb("undo")
    assert undone.code == 0 and "(by bob)" in undone.out
    assert "(by bob)" in rb("redo").out


def test_a_flag_of_a_held_out_query_says_that_it_trains_nothing(rb: Any, workspace: Path) -> None:
    with Records(workspace / "records.db") as records:
        query = {query.split: query.query for query in records.judged_queries()}
    told = rb("flag", query["test"], "p10", "x")
    assert told.code == 0 and "A test query" in told.err and "--include-test" in told.err
    assert "trains nothing" not in rb("flag", query["train"], "p10", "x").err


def test_the_ids_that_a_flag_needs_are_shown(rb: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rb("flag", "hose", "gone", "x").assert_error(1, "rankbench search QUERY --ids")
    for columns, options, shown in ((120, (), True), (70, (), False), (70, ("--ids",), True)):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert ("p09" in rb("search", "hose", *options).out) == shown


def test_the_judge_of_the_workspace_is_before_the_variable(rb: Any, workspace: Path) -> None:
    with (workspace / "workspace.toml").open("r+") as file:
        text = file.read().replace('judge = ""', 'judge = "carol"')
        file.seek(0)
        file.write(text)
    assert rb("flag", "hose", "p09", "E", "--json").json["judge"] == "carol"


def test_spellings_share_until_they_are_parted(rb: Any) -> None:
    said = rb("flag", "Hoses", "p09", "x")
    assert said.code == 0 and "E; both are kept" in said.err
    assert rb("search", "hose", "--json").json["shared_from"] == ["Hoses"]
    listed = rb("flags")
    assert "shared with Hoses" in listed.out and "says E" in listed.out
    assert "rankbench separate hose" in listed.err
    parted = rb("separate", "hose")
    assert "stands alone now, without Hoses" in parted.out
    assert "already" in rb("separate", "hose").out
    assert rb("search", "hose", "--json").json["shared_from"] == []
    assert "shared with" not in rb("flags").out
    assert "shares verdicts" in rb("undo").out
    assert rb("search", "hose", "--json").json["shared_from"] == ["Hoses"]
    assert len(rb("flags", "--query", "HOSE", "--json").json) == 1
    assert rb("flags", "--query", "tent", "--json").json == []


def test_disputes_and_kappa(rb: Any) -> None:
    for judge, grades in (("ann", "EE"), ("bob", "EI")):
        for product, grade in zip(("p04", "p05"), grades, strict=True):
            rb("flag", "trainers", product, grade, "--judge", judge)
    found = rb("flags", "--disputed", "--json").json
    (dispute,) = found["disputed"]
    assert dispute["product_id"] == "p05"
    assert dispute["grades"] == {"ann": "E", "bob": "I", "imported judgments": "E"}
    pairs = {tuple(pair["judges"]): pair for pair in found["agreement"]}
    assert pairs["ann", "bob"]["n"] == 2 and pairs["ann", "bob"]["kappa"] == 0.0
    assert pairs["ann", "imported judgments"]["kappa"] is None
    shown = rb("flags", "--disputed")
    assert "Cohen's kappa" in shown.out and "undefined" in shown.err
    rb("flags", "--disputed", "--history").assert_error(2, "different")


def test_a_workspace_without_verdicts_says_what_to_do(rb: Any) -> None:
    assert "rankbench flag QUERY" in rb("flags").err
    assert rb("flags", "--disputed").code == 0
    assert rb("flags", "--disputed", "--json").json == {"disputed": [], "agreement": []}
    assert rb("flags", "--history").code == 0


def test_eval_judges_with_and_without_verdicts(rb: Any) -> None:
    options = ["eval", "--candidate", "bm25", "--split", "all"]
    before = rb(*options, "--json").json
    rb("flag", "hose", "p09", "x")
    after, alone = (
        rb(*options, "--json").json,
        rb(*options, "--judgments", "imported", "--json").json,
    )
    assert (before["verdicts"], after["verdicts"], alone["verdicts"]) == (0, 1, 0)
    assert alone["inputs"] == before["inputs"] != after["inputs"]
    assert alone["baseline"] == before["baseline"]
    assert "1 grade by people's verdicts, 1 against" in rb(*options).err
    assert "imported judgments alone" in rb(*options, "--judgments", "imported").err


def test_a_csv_goes_out_and_comes_back_as_one_act(rb: Any, tmp_path: Path) -> None:
    note = 'two\nlines, "quoted" =1+1 ⛺️'
    rb("flag", "hose", "p10", "x", "--note", note, "--side", "bm25", "--rank", 1)
    rb("flag", "Hoses", "p09", "S", "--judge", "bob")
    before, file = rb("flags", "--json").json, tmp_path / "flags.csv"
    told = rb("export", "flags", file)
    assert told.code == 0 and "Wrote 2 verdicts" in told.err and "Not in" not in told.err
    assert "nothing new" in rb("import", "flags", file).out
    assert rb("import", "flags", file, "--json").json == {
        "added": 0, "known": 2, "older": 0, "number": None,
    }  # fmt: skip
    for _ in range(2):
        rb("undo")
    assert rb("flags", "--json").json == []
    told = rb("import", "flags", file)
    assert "kept 2 verdicts over 2 queries, by ann, bob" in told.out and "undo" in told.err
    again = rb("flags", "--json").json
    for row in before + again:
        del row["number"]
    assert again == before and again[-1]["note"] in (note, "")
    written = file.read_bytes()
    rb("export", "flags", file)
    assert file.read_bytes() == written
    undone = rb("undo")
    assert undone.out.count("taken back") == 2 and rb("flags", "--json").json == []


def test_what_a_judge_has_since_said_otherwise_is_left_out_of_a_file(
    rb: Any, tmp_path: Path
) -> None:
    file = tmp_path / "old.csv"
    file.write_text(
        "query,product_id,grade,judge,given\n"
        "hose,p10,E,ann,2020-01-01T00:00:00Z\n"
        "hose,p11,E,ann,2020-01-01T00:00:00Z\n"
    )
    rb("flag", "hose", "p10", "I", "--judge", "ann")
    told = rb("import", "flags", file)
    assert "kept 1 verdict over 1 query" in told.out
    assert "1 was given before what the same judge says of the result now" in told.err
    rows = {row["product_id"]: row["grade"] for row in rb("flags", "--json").json}
    assert rows == {"p10": "I", "p11": "E"}
    again = rb("import", "flags", file, "--json").json
    assert again == {"added": 0, "known": 1, "older": 1, "number": None}


@pytest.mark.parametrize("form", ["quepid", "trec", "opensearch"])
def test_other_formats_say_what_they_cannot_carry(form: str, rb: Any, tmp_path: Path) -> None:
    rb("flag", "hose", "p10", "x", "--note", "a nozzle", "--side", "bm25", "--rank", 1)
    rb("flag", "red, tent", "p01", "E")
    file = tmp_path / "flags.out"
    told = rb("export", "flags", file, "--format", form)
    assert told.code == 0
    for word in ("marks as a flag (1)", "notes (1)", "judges and times", "CSV"):
        assert word in told.err
    for _ in range(2):
        rb("undo")
    assert rb("import", "flags", file).code == 0
    found = {(row["query"], row["product_id"], row["grade"]) for row in rb("flags", "--json").json}
    assert found == {("hose", "p10", "I"), ("red, tent", "p01", "E")}
    assert "nothing new" in rb("import", "flags", file).out


def test_what_several_judges_said_is_whole_in_the_csv_and_said_elsewhere(
    rb: Any, tmp_path: Path
) -> None:
    for judge, grade in (("ann", "I"), ("bob", "E"), ("cid", "E")):
        rb("flag", "hose", "p10", grade, "--judge", judge, "--side", "base", "--rank", 2)
    rb("separate", "Hoses")
    file = tmp_path / "flags.csv"
    assert "1 query stands alone" in rb("export", "flags", file).err
    lines = file.read_text().splitlines()[1:]
    assert [line.split(",")[:3] for line in lines] == [["hose", "p10", g] for g in "IEE"]
    # What one judge takes back is one line of difference.
    rb("flag", "hose", "p10", "S", "--judge", "bob")
    rb("export", "flags", file)
    after = file.read_text().splitlines()[1:]
    assert [one == two for one, two in zip(lines, after, strict=True)] == [True, False, True]
    rb("undo")
    told = rb("export", "flags", tmp_path / "q.csv", "--format", "quepid")
    assert "further judges' verdicts on the same result (2)" in told.err
    assert "sides, ranks and encoders (3)" in told.err and "1 grade of 3 verdicts" in told.err
    assert (tmp_path / "q.csv").read_text().splitlines()[1:] == ["hose,p10,3"]


def test_judgments_go_out_as_they_count(rb: Any, tmp_path: Path, workspace: Path) -> None:
    rb("flag", "hose", "p09", "x")
    rb("flag", "new query", "p01", "E")
    both, alone = tmp_path / "all.csv", tmp_path / "imported.csv"
    assert rb("export", "judgments", both).code == 0
    assert rb("export", "judgments", alone, "--judgments", "imported").code == 0
    assert "hose,p09,I" in both.read_text() and "new query" in both.read_text()
    assert "hose,p09,E" in alone.read_text() and "new query" not in alone.read_text()
    lost = rb("export", "judgments", tmp_path / "q.csv", "--format", "quepid").err
    assert "splits" in lost and "query ids" in lost
    ratings = rb("export", "judgments", tmp_path / "j.json")
    assert ratings.code == 0
    assert json.loads((tmp_path / "j.json").read_text())["judgmentRatings"]
    rb("export", "flags", both, "--judgments", "all").assert_error(2, "judgments")
    # The topics that are written beside qrels are read with them.
    rb("export", "judgments", tmp_path / "j.trec", "--judgments", "imported")
    assert "hose" in (tmp_path / "j.topics.tsv").read_text()
    assert rb("import", "judgments", tmp_path / "j.trec").code == 0
    (tmp_path / "j.topics.tsv").unlink()
    rb("import", "judgments", tmp_path / "j.trec").assert_error(1, "--queries")


def test_judgments_with_flagged_queries_come_back_from_trec(
    rb: Any, workspace: Path, tmp_path: Path
) -> None:
    for query in ("steel tent peg", "hose for roses"):
        assert rb("flag", query, "p03", "x").code == 0
    path = tmp_path / "j.qrels"
    assert rb("export", "judgments", path, "--format", "trec").code == 0
    told = rb("import", "judgments", path, "--queries", path.with_name("j.topics.tsv"))
    assert told.code == 0 and "left out" not in told.err + told.out
    with Records(workspace / "records.db") as records:
        found = {query.query: dict(query.grades) for query in records.judged_queries()}
    assert found["steel tent peg"] == found["hose for roses"] == {"p03": "I"}


def test_a_bad_file_of_flags_keeps_nothing(rb: Any, tmp_path: Path) -> None:
    file = tmp_path / "flags.csv"
    file.write_text("query,product_id,grade,bad\nhose,p09,E,\nhose,p10,Z,\n")
    rb("import", "flags", file).assert_error(1, "line 3", "not a grade")
    assert rb("flags", "--json").json == []
    file.write_text("query,product_id,grade,bad\nhose,gone,E,\n")
    assert "1 product of them is not in the catalog" in rb("import", "flags", file).err
    assert rb("flags").code == 0


def test_an_acknowledged_flag_is_in_the_database(workspace: Path, rankbench_process: Any) -> None:
    done = rankbench_process("flag", "hose", "p10", "x", "-w", workspace)
    assert done.out.startswith("kept 1:"), done.err
    with Verdicts(workspace / "records.db") as verdicts:
        assert [verdict.product_id for verdict in verdicts.standing()] == ["p10"]


def test_an_export_come_home_is_told_and_taken_back(rb: Any, tmp_path: Path) -> None:
    """With verdicts applied it makes them look imported, and nothing disputed any more."""
    file = tmp_path / "j.csv"
    for query, product in (("hose", "p09"), ("trainers", "p04"), ("never judged", "p01")):
        assert rb("flag", query, product, "x").code == 0
    before = rb("flags", "--disputed", "--json").json
    assert rb("export", "judgments", file).code == 0
    done = rb("import", "judgments", file)
    assert "to those here     1 new, 2 changed, 28 as they were" in done.out
    assert "3 of these are what people's verdicts say" in done.err
    assert "import judgments --undo" in done.err
    assert rb("flags", "--disputed", "--json").json != before
    again = rb("import", "judgments", file)
    assert "0 new, 0 changed, 31 as they were" in again.out
    assert "verdicts say" not in again.err
    assert "import judgments --undo" in again.err  # it is an import of its own

    for over in (31, 31):
        undone = rb("import", "judgments", "--undo")
        assert undone.out.startswith(f"taken back: {file.resolve()} of ")
        assert f"{over} judgments over 13 queries" in undone.out
    assert rb("flags", "--disputed", "--json").json == before
    assert len(rb("flags", "--json").json) == 3  # the verdicts stayed as they were
    # An undo keeps nothing from coming again, and its queries keep their ids.
    assert "1 new, 2 changed" in rb("import", "judgments", file).out
    for _ in range(2):
        assert rb("import", "judgments", "--undo").code == 0
    rb("import", "judgments", "--undo").assert_error(1, "no import")
    rb("import", "flags", "--undo").assert_error(2, "rankbench undo")
    rb("import", "judgments", file, "--undo").assert_error(2, "--undo")
    rb("import", "judgments").assert_error(2, "FILE")
