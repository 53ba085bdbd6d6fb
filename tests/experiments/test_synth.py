"""Synthesis: which queries of a log, which teacher, and scores that survive a stop."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from engine.catalog.queries import JudgedQuery
from engine.catalog.template import content_hashes
from engine.encoders.cross_encoder import load_cross_encoder, score_pairs
from engine.errors import RankbenchError
from engine.experiments.synth import Setting, check_teacher, publish, score_log
from engine.experiments.synth_queries import Sample, leaking, sample_queries
from engine.training.outcome import Cancelled
from engine.training.synthetic import ROWS, SynthCard, read_rows, read_synth_card


def logged(searches: dict[str, float]) -> dict[str, tuple[str, float]]:
    return {text: (text, times) for text, times in searches.items()}


JUDGED = [
    JudgedQuery("t", "red running shoes", "test", {"p": "E"}),
    JudgedQuery("d", "blue kettle with whistle and lid", "dev", {"p": "E"}),
    JudgedQuery("r", "green lamp", "train", {"p": "E"}),
]


def test_no_held_out_query_nor_its_like_reaches_a_teacher() -> None:
    log = logged(
        {"Red Running Shoe": 9, "running shoes red": 3, "blue kettle with lid and whistle": 2,
         "lamp green": 4, "tent": 1, "red shoes": 1}
    )  # fmt: skip
    found = sample_queries(log, JUDGED, 10, seed=0)
    assert set(found.queries) == {"lamp green", "tent", "red shoes"}
    assert (found.known, found.held_out) == (6, 3)
    assert found.near == ("green lamp",)  # of train: allowed, and counted as seen
    assert leaking(["shoes red running", "tent"], JUDGED) == {"shoes red running"}
    with pytest.raises(RankbenchError, match=r"all 1 of the log \(nearly\) repeat"):
        sample_queries(logged({"red running shoes": 1}), JUDGED, 10, 0)
    with pytest.raises(RankbenchError, match="no search"):
        sample_queries({}, JUDGED, 10, 0)


def test_half_of_the_sample_is_the_head_and_the_rest_is_drawn() -> None:
    searches = {f"head {n}": 100.0 - n for n in range(10)}
    searches |= {f"tail {n}": 1.0 + n / 1000 for n in range(900)}
    found = sample_queries(logged(searches), [], 8, seed=0)
    assert (found.head, found.tail) == (4, 4)
    assert found.queries[:4] == ("head 0", "head 1", "head 2", "head 3")
    assert found == sample_queries(logged(searches), [], 8, seed=0)
    other = sample_queries(logged(searches), [], 8, seed=1)
    assert other.queries[:4] == found.queries[:4] and other.queries[4:] != found.queries[4:]
    # Where the head is small the tail fills up, and the other way round.
    every = sample_queries(logged(searches), [], 5000, seed=0)
    assert len(every.queries) == 910 == every.head + every.tail
    flat = sample_queries(logged({f"q {n}": 1.0 for n in range(50)}), [], 20, seed=0)
    assert len(flat.queries) == 20 and list(flat.queries) != [f"q {n}" for n in range(20)]


@pytest.fixture
def setting(tiny_cross_encoder_dir: Path, tiny_texts) -> Setting:
    def by_words(query: str) -> list[str]:
        words = set(query.split())
        return sorted(tiny_texts, key=lambda p: (-len(words & set(tiny_texts[p].split())), p))

    def by_chance(query: str) -> list[str]:
        return sorted(tiny_texts, key=lambda p: hash_of(query + p))

    teacher = load_cross_encoder(tiny_cross_encoder_dir)
    return Setting(teacher, [by_words, by_chance], lambda queries: None, tiny_texts)


def hash_of(text: str) -> str:
    return content_hashes([text])[0]


def part(queries: Sequence[JudgedQuery], split: str) -> list[JudgedQuery]:
    return [query for query in queries if query.split == split]


def test_a_teacher_that_does_not_beat_its_student_is_refused_with_both_numbers(
    setting: Setting, tiny_queries
) -> None:
    dev = part(tiny_queries, "dev")
    said: list[dict] = []

    def ask(setting: Setting, queries=dev, accept: bool = False):
        return check_teacher(
            setting, queries, accept=accept, report=said.append, should_stop=lambda: False
        )

    with pytest.raises(RankbenchError) as caught:
        ask(setting)
    found = ask(setting, accept=True)
    told = found.to_json()
    for number in (f"teacher {told['teacher']:.3f}", f"student {told['student']:.3f}", "dev n 8"):
        assert number in caught.value.what
    assert f"({told['low']:+.3f} to {told['high']:+.3f})" in caught.value.what
    assert "--accept-teacher" in caught.value.todo and caught.value.exit_code == 1
    assert told["teacher"] < told["student"]
    # The same teacher beats a student that ranks its best last.
    worst = replace(setting, rankers=[lambda q: setting.rankers[0](q)[::-1], setting.rankers[0]])
    passed = ask(worst)
    assert passed.beats and not found.beats
    assert passed.to_json()["student"] < 0.01 < passed.to_json()["teacher"]
    # What it was trained on says nothing of it: too few queries are left to ask.
    seen = replace(setting, seen=frozenset(query.query for query in dev[:4]))
    assert len(ask(seen, accept=True).query_ids) == 4
    with pytest.raises(RankbenchError, match="cannot be checked: 4 dev queries") as caught:
        ask(seen)
    assert "4 it was trained or chosen on" in caught.value.what
    assert "another teacher" in caught.value.todo
    # What the student has seen stays, and is counted: it speaks against the teacher.
    known = frozenset(query.query for query in dev[:3])
    with pytest.raises(RankbenchError, match="on 3 of them the student was trained or chosen"):
        ask(replace(setting, student_seen=known))
    told = ask(replace(setting, student_seen=known, seen=seen.seen), accept=True).to_json()
    assert (told["n"], told["left_out"], told["favoured"]) == (4, 4, 0)
    with pytest.raises(RankbenchError, match="cannot be checked: 0 dev queries"):
        ask(setting, queries=[])


QUERIES = ("red tent", "blue lamp", "kettle", "green jacket men")


def test_scores_are_the_teachers_and_a_stopped_run_goes_on(
    setting: Setting, tiny_texts, tmp_path: Path
) -> None:
    sample = Sample(QUERIES, 2, 2, 4, 0, ())
    events: list[dict] = []

    def run(place: Path, key: str = "k", stop=lambda: False) -> pl.DataFrame:
        return score_log(setting, sample, place, key, report=events.append, should_stop=stop)[0]

    whole = run(tmp_path / "a")
    assert [e["step"] for e in events if e.get("phase") == "scoring"] == [1, 2, 3, 4]
    assert whole["query"].unique(maintain_order=True).to_list() == list(QUERIES)
    for query in QUERIES:
        rows = whole.filter(pl.col("query") == query)
        pool = {p for rank in setting.rankers for p in rank(query)[:100]}
        assert set(rows["product_id"]) == pool and rows.height == len(pool) > 100
        texts = [tiny_texts[product] for product in rows["product_id"]]
        assert rows["text_hash"].to_list() == content_hashes(texts)
        assert rows["score"].to_list() == pytest.approx(
            score_pairs(setting.teacher, query, texts).tolist(), abs=1e-6
        )
    events.clear()
    done = lambda: sum(e.get("phase") == "scoring" for e in events) >= 2  # noqa: E731
    with pytest.raises(Cancelled, match="of 2 queries; their scores are kept"):
        run(tmp_path / "b", stop=done)
    events.clear()
    assert run(tmp_path / "b").equals(whole)
    assert [e["step"] for e in events if e.get("phase") == "scoring"] == [3, 4]
    # Another teacher, catalog or draw is another run: nothing of this one is taken over.
    events.clear()
    run(tmp_path / "b", key="other")
    assert [e["step"] for e in events if e.get("phase") == "scoring"] == [1, 2, 3, 4]


def test_a_set_appears_whole_or_not_at_all(setting: Setting, tmp_path: Path) -> None:
    sample = Sample(QUERIES[:2], 1, 1, 4, 0, ())
    rows, _ = score_log(
        setting, sample, tmp_path / "w", "", report=lambda e: None, should_stop=lambda: False
    )
    place = tmp_path / "synth" / "synth-01"
    card = publish(rows, SynthCard("synth-01", log={"name": "a.csv"}, seen=("x",)), place)
    assert read_synth_card(place) == card and card.counts["queries"] == 2
    assert read_rows(place).equals(rows) and card.counts["pairs"] == rows.height
    assert json.loads((place / "card.json").read_text())["data"]["rows"] == card.data["rows"]
    with pytest.raises(RankbenchError, match="already"):
        publish(rows, SynthCard("synth-01"), place)
    with pytest.raises(RankbenchError, match="nothing was scored"):
        publish(rows.clear(), SynthCard("synth-02"), place.with_name("synth-02"))
    (tmp_path / "file").write_text("")
    with pytest.raises(RankbenchError, match="Cannot write"):
        publish(rows, SynthCard("synth-03"), tmp_path / "file" / "synth-03")
    assert {path.name for path in place.parent.iterdir()} == {"synth-01"}
    assert {path.name for path in place.iterdir()} == {ROWS, "card.json"}
