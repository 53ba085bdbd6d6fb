"""Teaching and synthesis as jobs, here in this process, on the tiny shop."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.catalog.queries import JudgedQuery
from engine.encoders.card import read_card
from engine.errors import RankbenchError, UsageError
from engine.formats.judgments import read_judgments
from engine.jobs import synth, teach, train
from engine.jobs.context import Context, Events
from engine.jobs.material import LOG, read_judged, source_of
from engine.jobs.synthetic import read_set
from engine.records import Records
from engine.records.query_sets import QuerySets
from engine.training.outcome import Cancelled
from engine.training.recipe import load_recipe
from engine.training.synthetic import read_rows, read_synth_card
from engine.workspace import Workspace

LOGGED = ["red sneakers", "purple tents", "a lamp for reading", "cosy pillow", "kettle", "umbrella"]
"""The first is a judged query of the train split, with a plural; none is of dev or test."""
DISTILL = load_recipe("distill")


def context_of(ws: Workspace, number: int, **params: object) -> Context:
    directory = ws.jobs_dir / f"{number:04d}"
    directory.mkdir(exist_ok=True)
    return Context(ws, directory.name, directory, params, Events(directory / "events.jsonl"))


def told(context: Context) -> list[dict]:
    return [json.loads(line) for line in (context.directory / "events.jsonl").open()]


@pytest.fixture
def log(tmp_path: Path, tiny_queries) -> Path:
    """A log with two queries of the dev and test splits in it, spelt otherwise."""
    held = [query.query for query in tiny_queries if query.split in ("dev", "test")][:2]
    path = tmp_path / "log.txt"
    path.write_text("\n".join([*LOGGED, *(text.upper() for text in held), "kettle"]))
    return path


def test_a_teacher_a_set_and_the_students_card(
    tiny_workspace: Workspace, log: Path, tiny_texts
) -> None:
    ws = tiny_workspace
    quick = ["max_steps=3", "documents=6", "negatives=2"]
    first = context_of(ws, 1, set=quick, loss="bce", teacher="")
    end = teach.run(first)
    assert end["teacher"] == "teacher-01" and end["check"]["n"] == 8 and end["rate"] > 0
    teacher = read_card(ws.teachers_dir / "teacher-01")
    assert teacher is not None and teacher.data["template"] == "title" and teacher.base == "base"
    assert len(teacher.trained_queries) == 24
    assert {"indexing", "training", "checking", "saving"} <= {e.get("phase") for e in told(first)}

    # Killed between the teacher's appearing and its last word: a resume finds it.
    assert {**teach.run(first), "rate": end["rate"]} == end
    assert [path.name for path in ws.teachers_dir.iterdir()] == ["teacher-01"]

    params = {"log": str(log), "encoder": "base", "queries": 4, "accept": False, "seed": 0}
    refused = context_of(ws, 2, **params)
    assert end["beats"] is False  # three steps are too few
    with pytest.raises(RankbenchError, match="does not beat the student") as caught:
        synth.run(refused)
    assert "--accept-teacher" in caught.value.todo
    # The same is known before a job starts, by the teacher's own comparison with this student.
    with pytest.raises(RankbenchError, match="does not beat the student") as early:
        synth.check(ws, params)
    for side in ("teacher", "student"):
        assert f"{side} {end['check'][side]:.3f}" in early.value.what
    assert synth.check(ws, {**params, "accept": True})[0].id == "teacher-01"
    logged = [event["message"] for event in told(first) if event["event"] == "log"]
    assert any("does not beat the student: teacher" in message for message in logged)
    assert not any(event.get("phase") == "scoring" for event in told(refused))
    assert not ws.synth_dir.exists()
    context = context_of(ws, 3, **{**params, "accept": True})
    (context.directory / "cancel").touch()
    with pytest.raises(Cancelled):
        synth.run(context)
    (context.directory / "cancel").unlink()
    log.unlink()  # its queries were drawn at the first start
    made = synth.run(context)
    assert synth.run(context) == made and [p.name for p in ws.synth_dir.iterdir()] == ["synth-01"]
    card = read_synth_card(ws.synth_dir / "synth-01")
    assert made["synth"] == card.name == "synth-01" and made["rate"] > 0
    assert card.accepted is True and card.check["n"] == 8
    assert card.counts["held_out"] == 2 and card.counts["queries"] == 4
    assert card.log["name"] == "log.txt" and card.log["queries"] == 8
    assert card.teacher["id"] == "teacher-01" and "24 queries" in card.teacher["trained_on"]
    assert card.teacher["weights"] == teacher.data["weights"]
    assert set(teacher.trained_queries) <= set(card.seen)
    rows = read_rows(ws.synth_dir / "synth-01")
    assert rows.height == card.counts["pairs"] and set(rows["query"]) <= set(LOGGED)

    # With other judgments the old comparison says nothing; with too few there is none to make.
    dev = [query.query_id for query in read_judged(ws) if query.split == "dev"]
    log.write_text("umbrella")
    more = log.with_name("more.csv")
    more.write_text("query,product_id,label,split\npurple tents,p000,E,dev\n")
    with Records(ws.records_path) as records:
        records.add_judgments(read_judgments(more), more)
        records.assign_missing_splits()
        assert len(dev) + 1 == sum(q.split == "dev" for q in records.judged_queries())
    assert synth.check(ws, params)[0].id == "teacher-01"
    with Records(ws.records_path) as records:
        records.undo_import()
    log.unlink()

    # What a distillation makes of it: no judgment but through the teacher, and the card says whose.
    asked = context_of(ws, 4, source="log", synth="")
    synthetic = read_set(asked, tiny_texts, DISTILL, [])
    assert len(synthetic.lists) == 4 and all(len(ids) == 8 for _, ids, _ in synthetic.lists)
    quick = ["epochs=1", "dev_products=50", "lr=1e-3", "max_steps=2"]
    done = train.run(context_of(ws, 5, recipe="distill", set=quick))
    again = read_card(ws.encoders_dir / done["encoder"])
    assert again is not None and done["rows"] == 4
    assert again.asked == {"source": "log", "synth": "synth-01"}
    assert set(teacher.trained_queries) <= set(again.seen_queries())
    assert "distilled from teacher-01 (synth-01)" in again.note
    assert {query for query, _, _ in synthetic.lists} <= {
        *again.trained_queries, "red sneakers", "purple tents",
    }  # fmt: skip
    # A tuned student was chosen on the very queries that the teacher is checked on.
    log.write_text("umbrella")
    student = {**params, "accept": True, "encoder": done["encoder"]}
    assert synth.run(context_of(ws, 6, **student))["check"]["favoured"] == 8
    # Judgments that came after the set was made: their queries are taken out.
    late = synthetic.lists[0][0]
    left = read_set(asked, tiny_texts, DISTILL, [JudgedQuery("x", late, "test", {"p000": "E"})])
    assert {query for query, _, _ in left.lists} == {q for q, _, _ in synthetic.lists} - {late}


def test_what_cannot_run_is_told_before_a_job_starts(
    tiny_workspace: Workspace, tiny_encoder_dir: Path, tiny_cross_encoder_dir: Path, log: Path,
    tmp_path: Path, tiny_queries, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    ws = tiny_workspace
    good = {"log": str(log), "teacher": str(tiny_cross_encoder_dir), "encoder": "base"}

    def refused(match: str, **change: object) -> None:
        with pytest.raises(RankbenchError, match=match):
            synth.check(ws, {**good, **change})

    teacher, drawn, name = synth.check(ws, good)
    assert (teacher.trained_on, name) == ("unknown: it came without a card", "synth-01")
    assert len(drawn.sample.queries) == 6 and "2 (nearly) repeat" in synth.say_drawn(drawn)
    refused("no teacher in this workspace", teacher="")
    refused("is no cross-encoder", teacher=str(tiny_encoder_dir))
    refused("no teacher called 'nobody'", teacher="nobody")
    refused("is a file; a teacher is a directory", teacher=str(log))
    (tmp_path / "nothing").mkdir()
    refused("no readable config.json", teacher=str(tmp_path / "nothing"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    refused("the hub does not answer", teacher="nobody/has-this-one")
    refused("no cross-encoder", teacher="not a/hub/id")
    refused("no encoder called", encoder="nobody")
    (tmp_path / "empty.txt").write_text("\n \n")
    refused("empty|no search", log=str(tmp_path / "empty.txt"))
    held = [query.query for query in tiny_queries if query.split == "test"]
    (tmp_path / "held.txt").write_text("\n".join(held))
    refused("No query is left", log=str(tmp_path / "held.txt"))
    (ws.synth_dir / "mine").mkdir(parents=True)
    refused("already", synth="mine")
    # Only a set's own numbers are counted on.
    for taken in ("weeks-2024", "synth-02-old", "synth-03"):
        (ws.synth_dir / taken).mkdir()
    assert synth.check(ws, good)[2] == "synth-04"
    with pytest.raises(UsageError):
        teach.check(ws, {"set": ["epoch=1"]})
    with pytest.raises(RankbenchError, match="is no cross-encoder"):
        teach.check(ws, {"from": str(tiny_encoder_dir)})
    with pytest.raises(RankbenchError, match="the hub does not answer"):
        teach.check(ws, {"from": "nobody/has-this-one"})
    assert teach.check(ws, {})[1] == "teacher-01"
    with pytest.raises(UsageError, match="the encoder has 1 layers"):
        train.check(ws, {"recipe": "infonce", "set": ["freeze=1"]})


def test_a_held_out_query_is_kept_out_whichever_set_and_file_it_is_of(
    tiny_workspace: Workspace, tiny_cross_encoder_dir: Path, tiny_texts, tmp_path: Path
) -> None:
    """A named set is a list of the one pool of judged queries: none of them reaches a student."""
    ws = tiny_workspace
    more = tmp_path / "more.csv"
    more.write_text(
        "query,product_id,label,split\npurple tents,p000,E,test\na lamp for reading,p001,E,dev\n"
    )
    log = tmp_path / "log.txt"
    log.write_text("\n".join([*LOGGED, "reading a lamp for"]))
    params = {"log": str(log), "teacher": str(tiny_cross_encoder_dir), "encoder": "base"}
    assert {"purple tents", "a lamp for reading"} <= set(synth.draw(ws, params).sample.queries)
    with Records(ws.records_path) as records:
        records.add_judgments(read_judgments(more), more)
        records.assign_missing_splits()
        late = [query for query in records.judged_queries() if query.query in LOGGED[1:3]]
    with QuerySets(ws.records_path) as sets:
        sets.define("complaints", [query.query_id for query in late])
    assert {query.split for query in late} == {"test", "dev"}
    drawn = synth.draw(ws, params)
    assert drawn.sample.held_out == 3
    assert set(drawn.sample.queries) == {*LOGGED[:1], *LOGGED[3:]}


def test_a_teacher_that_no_dev_query_can_check_is_refused_at_once(
    tiny_workspace: Workspace, tiny_cross_encoder_dir: Path, log: Path
) -> None:
    ws = tiny_workspace
    params = {"log": str(log), "teacher": str(tiny_cross_encoder_dir), "encoder": "base"}
    assert synth.check(ws, params)[2] == "synth-01"
    with Records(ws.records_path) as records:
        assert records.undo_import()
    with pytest.raises(RankbenchError, match="cannot be checked: 0 dev queries") as caught:
        synth.check(ws, params)
    assert "--accept-teacher" in caught.value.todo
    assert synth.check(ws, {**params, "accept": True})[2] == "synth-01"


def test_how_a_table_of_searches_was_read_is_said(tiny_workspace: Workspace, log: Path) -> None:
    def told(text: str) -> str:
        path = log.with_name("table.csv")
        path.write_text(text)
        return synth.say_drawn(synth.draw(tiny_workspace, {"log": str(path)}))

    line = told("query;count\nusb hub;five\nfuton bed;9\n")
    assert line.startswith("1 query (") and "counts from count" in line
    assert "1 row whose count is no number above 0 left out" in line
    line = told("keyword;hits;session_id\nusb hub;5;1\nfuton bed;9;2\n")
    assert "numbers in hits are not read as counts" in line and "`searches`" in line
    assert "counts" not in told("query;page\nusb hub;home\nfuton bed;sale\n")
    with pytest.raises(RankbenchError, match="no column of queries among a, b"):
        told("a,b\n1,2\n")
    assert told("gnome, large\nhose, red\n").startswith("2 queries")


def test_a_log_goes_with_distill_and_distill_with_a_log() -> None:
    assert source_of(DISTILL, {}) == LOG == source_of(DISTILL, {"source": "log"})
    infonce = load_recipe("infonce")
    assert source_of(infonce, {}) == "judgments"
    for recipe, source in ((infonce, "log"), (DISTILL, "judgments"), (DISTILL, "flags")):
        with pytest.raises(UsageError, match="does not train on"):
            source_of(recipe, {"source": source})
    with pytest.raises(UsageError, match="no source"):
        source_of(infonce, {"source": "rumour"})
