"""Synthetic sets on disk: what a training draws from one, and what its card passes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from engine.catalog.template import content_hashes
from engine.encoders.card import Card
from engine.errors import RankbenchError
from engine.training.synthetic import (
    COLUMNS,
    ROWS,
    SynthCard,
    distilled,
    find_synth,
    read_synth_card,
    synth_lists,
    synth_sets,
)
from engine.workspace import Settings, create

TEXTS = {f"p{number:02d}": f"product {number}" for number in range(40)}
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes a set: query -> {product: score}."""

    def write(scores: dict[str, dict[str, float]], name: str = "synth-01", **card: object) -> Path:
        directory = tmp_path / "shop" / "synth" / name
        directory.mkdir(parents=True)
        hashes = dict(zip(TEXTS, content_hashes(TEXTS.values()), strict=True))
        rows = [
            (query, product, hashes.get(product, "gone"), score)
            for query, found in scores.items()
            for product, score in found.items()
        ]
        pl.DataFrame(rows, schema=list(COLUMNS), orient="row").write_parquet(directory / ROWS)
        told = SynthCard(name=name, **card).to_json()  # type: ignore[arg-type]
        (directory / "card.json").write_text(json.dumps(told))
        return directory

    return write


FALLING = {product: 10.0 - number for number, product in enumerate(TEXTS)}


def test_a_list_spans_the_teachers_ranking_and_begins_with_its_best(make: Make) -> None:
    place = make({"tent": FALLING, "lamp": dict(reversed(FALLING.items()))})
    lists = synth_lists(place, TEXTS, 8, seed=1)
    assert [query for query, _, _ in lists] == ["tent", "lamp"]
    for _, products, scores in lists:
        assert len(products) == len(set(products)) == 8
        assert list(scores) == [FALLING[product] for product in products]
        assert list(scores) == sorted(scores, reverse=True)
        # Two of the best eight at least, and one of the last fifth: an even draw.
        assert sum(score > 10.0 - 8 for score in scores) >= 2 and min(scores) <= 10.0 - 32
    assert lists == synth_lists(place, TEXTS, 8, seed=1) != synth_lists(place, TEXTS, 8, seed=2)
    assert lists[0][1] != lists[1][1]
    # Over many seeds every product is drawn: nothing the teacher scored is out of reach.
    drawn = {p for seed in range(60) for p in synth_lists(place, TEXTS, 8, seed)[0][1]}
    assert drawn == set(TEXTS)


def test_what_fits_the_catalog_no_more_is_left_out(make: Make) -> None:
    place = make(
        {"tent": {"p01": 1.0, "p02": 2.0, "p99": 3.0}, "one": {"p05": 1.0}, "nan": {"p01": 0.5}}
    )
    assert synth_lists(place, TEXTS, 8, 0) == [("tent", ("p02", "p01"), (2.0, 1.0))]
    changed = {**TEXTS, "p02": "another text"}
    with pytest.raises(RankbenchError, match="fits the catalog any more"):
        synth_lists(place, changed, 8, 0)
    (place / ROWS).write_bytes(b"PAR1")
    with pytest.raises(RankbenchError, match="cannot be read"):
        synth_lists(place, TEXTS, 8, 0)


def test_the_newest_set_is_the_default_and_half_a_set_is_none(make: Make, tmp_path: Path) -> None:
    ws = create(tmp_path / "shop", Settings())
    with pytest.raises(RankbenchError, match="no synthetic set"):
        find_synth(ws)
    make({"a": FALLING}, "zebra", created="2026-01-01T00:00:00")
    newest = make({"a": FALLING}, "alpha", created="2026-02-01T00:00:00")
    make({"a": FALLING}, ".alpha.partial")
    half = make({"a": FALLING}, "half")
    (half / ROWS).unlink()
    assert [path.name for path in synth_sets(ws)] == ["zebra", "alpha"]
    assert find_synth(ws) == newest and find_synth(ws, "zebra").name == "zebra"
    with pytest.raises(RankbenchError, match="called 'half'") as caught:
        find_synth(ws, "half")
    assert "alpha, zebra" in caught.value.todo
    (newest / "card.json").write_text("{")
    with pytest.raises(RankbenchError, match="no synthetic set"):
        read_synth_card(newest)


def test_what_the_teacher_saw_the_student_has_seen() -> None:
    synth = SynthCard(
        "synth-02", teacher={"id": "teacher-01", "weights": "abc"}, data={"rows": "r1"},
        seen=("red tent", "lamp"), accepted=True,
    )  # fmt: skip
    card = Card(
        "distill-01", trained_queries=("lamp",), inherited_queries=("old", "red tent"), note="so"
    )
    told = distilled(card, synth, ["Lamps", "red  tents", "kettle"])
    assert set(told.seen_queries()) == {"lamp", "old", "red tent", "kettle"}
    assert told.trained_queries == ("kettle", "lamp", "red tent")
    assert told.inherited_queries == ("old",) and told.asked["synth"] == "synth-02"
    assert told.data["synth"] == "r1" and told.data["teacher"] == "abc"
    assert "teacher-01" in told.note and "not shown to beat" in told.note and told.note[:2] == "so"
    assert "not shown" not in distilled(card, SynthCard("x", teacher={"id": "t"}), []).note
