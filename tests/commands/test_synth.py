"""`teach`, `synth` and `import clicks` as they are typed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from engine import supervise
from engine.jobs.material import check_basket
from engine.jobs.train import check
from engine.records import Records
from engine.workspace import Workspace, open_workspace


@pytest.fixture
def shown(tmp_path: Path) -> Path:
    """A table of what was shown: the best of "hose" mostly stands second."""
    rows = ["query,product_id,position,clicked"]
    for turn in range(60):
        first, second = ("p10", "p09") if turn % 4 else ("p09", "p10")
        clicks = {"p09": turn % 2 == 0, "p10": turn % 10 == 0}
        rows += [f"hose,{first},1,{int(clicks[first])}", f"hose,{second},2,{int(clicks[second])}"]
        rows.append(f"hose,gone,3,{int(turn % 3 == 0)}")
        rows.append(f"hose,gone,{1 + turn % 2},0")
    path = tmp_path / "shown.csv"
    path.write_text("\n".join(rows))
    return path


def test_clicks_become_a_file_of_their_own_and_no_judgment(
    workspace: Path, shown: Path, rankbench
) -> None:
    with Records(workspace / "records.db") as records:
        before = records.judgments_hash()
    told = rankbench("import", "clicks", shown, "-w", workspace)
    assert told.code == 0, told.err
    assert "position-based model" in told.out and "1 product that the catalog lacks" in told.out
    assert "from 75% of the query's best" in told.out
    path = workspace / "clicks" / "clicks-shown.csv"
    assert str(path) in told.out and f"rankbench import judgments {path}" in told.err
    rows = list(csv.DictReader(path.open()))
    assert [(row["product_id"], row["label"]) for row in rows] == [("p09", "E"), ("p10", "I")]
    assert {row["source"] for row in rows} == {"clicks (pbm)"} and rows[0]["clicks"] == "30"
    with Records(workspace / "records.db") as records:
        assert records.judgments_hash() == before
    # Whoever wants them asks for them, and the records keep whose they are.
    assert rankbench("import", "judgments", path, "-w", workspace).code == 0
    with Records(workspace / "records.db") as records:
        assert str(records.imports()[-1]["source"]).endswith("clicks-shown.csv")
    found = rankbench("import", "clicks", shown, "-w", workspace, "--json").json
    assert found["method"] == "pbm" and found["examination"]["1"] == 1.0
    # The same again is the same file; another log of that name does not replace it.
    assert found["path"] == str(path) and list(csv.DictReader(path.open())) == rows
    later = shown.parent / "february" / shown.name
    later.parent.mkdir()
    later.write_text(shown.read_text() + "\nhose,p10,1,1" * 20)
    again = ("import", "clicks", later, "-w", workspace, "--json")
    second = workspace / "clicks" / "clicks-shown-02.csv"
    assert [rankbench(*again).json["path"] for _ in range(2)] == [str(second)] * 2
    assert list(csv.DictReader(path.open())) == rows != list(csv.DictReader(second.open()))


def test_counts_of_impressions_and_clicks_say_what_their_rows_say(
    workspace: Path, shown: Path, tmp_path: Path, rankbench
) -> None:
    def judged(path: Path) -> tuple[dict, str]:
        found = rankbench("import", "clicks", path, "-w", workspace, "--json").json
        return found, Path(found["path"]).read_text()

    rows, by_rows = judged(shown)
    counts: dict[tuple[str, str, str], list[int]] = {}
    for row in csv.DictReader(shown.open()):
        cell = counts.setdefault((row["query"], row["product_id"], row["position"]), [0, 0])
        cell[0] += 1
        cell[1] += int(row["clicked"])
    path = tmp_path / "shown-counted.csv"
    lines = [f"{q},{p},{at},{n},{k or ''}" for (q, p, at), (n, k) in counts.items()]
    path.write_text("\n".join(["query,product_id,position,impressions,clicks", *lines]))
    counted, by_counts = judged(path)
    assert by_counts == by_rows
    for key in ("shown", "clicks", "examination", "grades"):
        assert counted[key] == rows[key]
    assert "its impressions are views" in counted["notes"][0]
    assert counted["notes"][1:] == rows["notes"]
    path.write_text("\n".join([path.read_text(), "hose,p09,1,5,6", "hose,p09,2,0,0"]))
    more = "rows without impressions, or with more clicks than these"
    assert judged(path)[0]["dropped"][more] == 2
    # Counts without the impressions are no clicks of one view each.
    path.write_text("query,product_id,position,clicks\nhose,p09,1,20\nhose,p10,2,1\n")
    told = rankbench("import", "clicks", path, "-w", workspace)
    told.assert_error(1, "'20' in clicks", "give impressions")
    # An average position is no place.
    path.write_text("query,product_id,position,clicked\nhose,p09,1.5,1\n")
    rankbench("import", "clicks", path, "-w", workspace).assert_error(1, "at a position")


def test_no_product_is_exact_by_clicks_on_another_that_is_gone(
    workspace: Path, tmp_path: Path, rankbench
) -> None:
    def grades(*more: tuple[str, int, int]) -> dict[tuple[str, str], tuple[str, str]]:
        rows = [("hose", "p09", turn % 2 + 1, turn % 3 == 0) for turn in range(60)]
        rows += [("hose", "p10", 2 - turn % 2, turn % 6 == 0) for turn in range(60)]
        for product, times, every in more:
            for turn in range(times):
                clicked = every > 0 and turn % every == 0
                rows.append(("tent", product, turn % 2 + 1, clicked))
        lines = [f"{q},{p},{at},{int(clicked)}" for q, p, at, clicked in rows]
        path = tmp_path / "log.csv"
        path.write_text("query,product_id,position,clicked\n" + "\n".join(lines))
        made = rankbench("import", "clicks", path, "-w", workspace, "--json").json["path"]
        found = csv.DictReader(Path(made).read_text().splitlines())
        return {(row["query"], row["product_id"]): (row["label"], row["clicks"]) for row in found}

    # All of the query's clicks went to what the catalog lacks: it tells nothing of the others.
    told = grades(("gone", 60, 1), ("p01", 60, 0), ("p02", 60, 0))
    assert {query for query, _ in told} == {"hose"}
    # The best is the query's, not the best of what is left: three clicks of 60 beside it are few.
    told = grades(("gone", 60, 1), ("p01", 60, 20), ("p02", 60, 0))
    assert told["tent", "p01"] == ("I", "3") and told["tent", "p02"] == ("I", "0")
    told = grades(("p01", 60, 20), ("p02", 60, 0))
    assert told["tent", "p01"] == ("E", "3")
    # One that nobody clicked has what the prior gives it, however near that comes to the best.
    told = grades(("p01", 60, 20), ("p02", 12, 0))
    assert told["tent", "p02"] == ("I", "0")


def test_a_click_log_that_lacks_something_is_told_what(
    workspace: Path, tmp_path: Path, rankbench
) -> None:
    def refused(rows: list[dict], *words: str) -> None:
        path = tmp_path / "log.ndjson"
        path.write_text("\n".join(map(json.dumps, rows)))
        rankbench("import", "clicks", path, "-w", workspace).assert_error(1, *words)

    def event(action: str, position: int | None, product: str = "p09") -> dict:
        place = {} if position is None else {"position": {"ordinal": position}}
        told = {"object": {"object_id": product}, **place}
        return {
            "action_name": action, "query_id": "s1", "user_query": "hose", "event_attributes": told,
        }  # fmt: skip

    refused([event("click", 1)], "1 clicks and no impressions")
    refused([event("impression", 1)], "1 impressions and no clicks")
    refused([event("impression", None), event("click", None)], "none", "with a position")
    refused([event("impression", 1), event("click", 1)], "gives no judgment", "fewer than 5 looks")
    (tmp_path / "log.csv").write_text("query,product_id\nhose,p09\n")
    told = rankbench("import", "clicks", tmp_path / "log.csv", "-w", workspace)
    told.assert_error(1, "no position, clicked")
    told = rankbench("import", "clicks", tmp_path / "log.csv", "-w", workspace, "--set", "x")
    told.assert_error(2, "take no --set")
    assert not (workspace / "clicks").exists()


def test_what_of_a_click_log_was_not_understood_is_counted(
    workspace: Path, shown: Path, tmp_path: Path, rankbench
) -> None:
    told = rankbench("import", "clicks", shown, "-w", workspace)
    assert "240 impressions, 56 clicked" in told.out, told.out
    assert "1 product that the catalog lacks" in told.out
    path = tmp_path / "odd.csv"
    path.write_text(
        "query,product_id,position,impressions,clicks\nhose,p09,1,40,maybe\nhose,p10,x,40,1\n"
        "hose,p10,2,40,0\nhose,p10,3,40,perhaps\n"
    )
    told = rankbench("import", "clicks", path, "-w", workspace)
    told.assert_error(1, "holds 40 impressions and no click on one", "1 impression without a posi")
    assert "2 rows whose impressions or clicks are no whole number" in told.err
    path.write_text(shown.read_text().replace(",p09,", ",x1,").replace(",p10,", ",x2,"))
    told = rankbench("import", "clicks", path, "-w", workspace)
    told.assert_error(1, "3 products that the catalog lacks", "product ids")
    assert "longer log" not in told.err


def test_what_clicks_never_changed_is_not_taken_back(workspace: Path, rankbench) -> None:
    def judged() -> tuple[str, list]:
        with Records(workspace / "records.db") as records:
            return records.judgments_hash(), records.imports()

    before = judged()
    assert before[1]
    for file in ([], [workspace / "clicks.csv"]):
        told = rankbench("import", "clicks", *file, "--undo", "-w", workspace)
        told.assert_error(2, "nothing to take back", "import judgments --undo")
    assert judged() == before


def test_what_a_teacher_begins_with_is_named_from_the_root(
    tiny_workspace: Workspace, tiny_cross_encoder_dir: Path, rankbench, monkeypatch
) -> None:
    """A resume may be typed elsewhere."""
    monkeypatch.chdir(tiny_cross_encoder_dir.parent)
    quick = ["--set", "max_steps=1", "--set", "documents=4", "--set", "negatives=1"]
    asked = ["teach", *quick, "-w", tiny_workspace.root]
    assert rankbench(*asked, "--from", tiny_cross_encoder_dir.name).code == 0
    assert rankbench(*asked, "--from", "teacher-01").code == 0
    second, first = (job.params["from"] for job in supervise.find(tiny_workspace))
    assert first == str(tiny_cross_encoder_dir)
    assert second == str(tiny_workspace.teachers_dir / "teacher-01")
    listed = rankbench("teach", "--list", "--json", "-w", tiny_workspace.root).json
    assert [card["base"] for card in listed] == [first, "teacher-01"]


def test_a_log_is_scored_by_an_accepted_teacher_and_the_set_is_listed(
    workspace: Path, tmp_path: Path, tiny_cross_encoder_dir: Path, rankbench
) -> None:
    log = tmp_path / "log.txt"
    log.write_text("yellow tent\nyellow tent\nsteel pot\nrubber boots\n")
    assert "rankbench synth LOG" in rankbench("synth", "-w", workspace).err
    told = rankbench("synth", log, "-w", workspace)
    told.assert_error(1, "no teacher", "rankbench teach")
    assert "rankbench teach" in rankbench("teach", "--list", "-w", workspace).err
    asked = ["synth", log, "--teacher", tiny_cross_encoder_dir, "--name", "first"]
    told = rankbench(*asked, "--accept-teacher", "-w", workspace)
    assert told.code == 0, told.err
    assert "3 queries" in told.out and "pairs a second" in told.out
    assert "not shown to beat" in told.err and "--synth first" in told.err
    (card,) = rankbench("synth", "-w", workspace, "--json").json
    assert card["accepted"] is True and card["counts"]["queries"] == 3
    assert card["teacher"]["id"] == str(tiny_cross_encoder_dir)
    listed = rankbench("synth", "-w", workspace)
    assert "first" in listed.out and "(accepted)" in listed.out
    told = rankbench(*asked, "-w", workspace)
    told.assert_error(1, "called 'first' already")
    told = rankbench("train", "--source", "log", "--recipe", "infonce", "-w", workspace)
    told.assert_error(2, "does not train on log")
    # Not with a source that learns from no set, nor one that is not there.
    for dry in ([], ["--dry-run"]):
        told = rankbench("train", "--recipe", "infonce", "--synth", "first", *dry, "-w", workspace)
        told.assert_error(2, "--synth goes with --source log", "infonce trains on judgments")
        told = rankbench("train", "--source", "log", "--synth", "second", *dry, "-w", workspace)
        told.assert_error(2, "no synthetic set called 'second'", "There are: first")
    # No verdict was ever made here, and none is needed.
    asked = ("train", "--recipe", "distill", "--source", "log", "-w", workspace)
    dry = rankbench(*asked, "--dry-run")
    assert dry.code == 0 and "first" in dry.out, dry.err
    # The job itself runs in tests/jobs; here all that the command asks before it starts one.
    ws, params = open_workspace(workspace), {"recipe": "distill", "source": "log"}
    assert check(ws, params)[0].loss == "distill"
    check_basket(ws, params)
    told = rankbench("crossval", "--recipe", "distill", "-w", workspace)
    told.assert_error(1, "does not train on judgments")
