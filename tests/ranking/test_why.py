"""Why a hit is where it is, on the tiny shop with two real encoders."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file, save_file

from engine.encoders.card import Card, write_card
from engine.encoders.load import SentenceEncoder, load_model
from engine.errors import RankbenchError
from engine.index.build import build_index
from engine.index.store import read_items, write_items
from engine.ranking import judged_near
from engine.ranking.comparer import Comparer
from engine.ranking.why import Explainer, Reading, WordDrop, strongest
from engine.ranking.words import MOST_WORDS, leave_one_out, words_of
from engine.workspace import Workspace

TITLE = "red tent - peg, 4-season ⛺ テント用"
SHORT = (
    "tent - peg, 4-season ⛺ テント用",
    "red - peg, 4-season ⛺ テント用",
    "red tent - 4-season ⛺ テント用",
    "red tent - peg, ⛺ テント用",
    "red tent - peg, 4-season テント用",
    "red tent - peg, 4-season ⛺",
)


def add_products(ws: Workspace, **titles: str) -> None:
    more = pl.DataFrame({"product_id": list(titles), "title": list(titles.values())})
    write_items(ws, pl.concat([read_items(ws, ["product_id", "title"]), more]))


@pytest.fixture
def ws(tiny_workspace: Workspace) -> Workspace:
    """The tiny shop with three odd products, a base, and an encoder of other weights."""
    long = " ".join(f"word{number}" for number in range(40))
    add_products(tiny_workspace, x1=TITLE, x2="tent", x3=long)
    tuned = tiny_workspace.encoders_dir / "tuned"
    shutil.copytree(tiny_workspace.encoders_dir / "base", tuned)
    weights = load_file(tuned / "model.safetensors")
    noise = np.random.default_rng(3)
    for name, value in weights.items():
        weights[name] = value + noise.normal(0, 0.05, value.shape).astype(value.dtype)
    save_file(weights, tuned / "model.safetensors", metadata={"format": "pt"})
    write_card(tuned, Card(name="tuned", base="tiny", recipe={"name": "infonce"}))
    build_index(tiny_workspace, "base")
    build_index(tiny_workspace, "tuned")
    return tiny_workspace


@pytest.fixture
def comparer(ws: Workspace) -> Iterator[Comparer]:
    opened = Comparer(ws)
    yield opened
    opened.close()


def direct(ws: Workspace, name: str) -> SentenceEncoder:
    """The encoder by sentence-transformers itself, which the explanation does not use."""
    return SentenceEncoder(load_model(ws.encoders_dir / name, "cpu"))


def drops(words: Sequence[WordDrop]) -> list[float | None]:
    return [word.drop for word in words]


def test_the_drops_are_those_of_directly_encoded_shorter_texts(
    ws: Workspace, comparer: Comparer
) -> None:
    why = Explainer(comparer).explain("red tent, peg", "x1", "base", "tuned")
    assert (why.text, why.words, why.products) == (TITLE, 6, 223)
    found: list[list[float]] = []
    for name, reading in zip(("base", "tuned"), why.readings, strict=True):
        encoder = direct(ws, name)
        whole, *queries = encoder.encode_queries(
            ["red tent, peg", "tent, peg", "red peg", "red tent,"]
        )
        text, *texts = encoder.encode_documents([TITLE, *SHORT])
        assert reading is not None and reading.encoder == name
        assert [word.word for word in reading.query] == ["red", "tent,", "peg"]
        assert [w.word for w in reading.text] == [
            "red",
            "tent",
            "peg,",
            "4-season",
            "⛺",
            "テント用",
        ]
        assert [word.position for word in reading.text] == list(range(6))
        assert reading.cosine == pytest.approx(whole @ text, abs=1e-5)
        assert drops(reading.query) == pytest.approx(
            [whole @ text - q @ text for q in queries], abs=1e-5
        )
        assert drops(reading.text) == pytest.approx(
            [whole @ text - whole @ t for t in texts], abs=1e-5
        )
        found.append([float(drop) for drop in drops(reading.text)])
    assert np.abs(np.subtract(*found)).max() > 1e-3, "two encoders that read alike show nothing"


def test_ranks_and_scores_are_those_of_the_sides_whole_rankings(comparer: Comparer) -> None:
    explainer, everything = Explainer(comparer), comparer.compare("red tent", "base", "bm25", k=223)
    for product in ("p045", "x2", "p100"):
        why = explainer.explain("red tent", product, "base", "bm25")
        for standing, side in (
            (why.baseline, everything.baseline),
            (why.candidate, everything.candidate),
            (why.bm25, everything.candidate),
        ):
            hit = next((hit for hit in side.hits if hit.product_id == product), None)
            assert standing.rank == (hit.rank if hit else None)
            assert standing.score == (pytest.approx(hit.score) if hit else None)
        grades = comparer.find_query("red tent").grades
        assert why.grade == grades.get(product)
        assert [standing.kind for standing in (why.baseline, why.candidate)] == ["cosine", "bm25"]
        assert why.readings[1] is None


def test_a_fusion_is_read_by_its_encoder_and_a_run_has_an_order_only(
    comparer: Comparer, tmp_path: Path
) -> None:
    run = tmp_path / "live.run"
    run.write_text("q10 Q0 x2 1 9.5 live\nq10 Q0 x1 2 9.1 live\n")
    query = next(q.query for q in comparer.judged_queries() if q.query_id == "q10")
    why = Explainer(comparer).explain(query, "x1", "hybrid:base", f"run:{run}")
    alone = Explainer(comparer).explain(query, "x1", "base", "base")
    assert why.baseline.kind == "fused" and 0 < why.baseline.score < 2 / 61
    assert why.readings == (alone.readings[0], None)
    assert (why.candidate.kind, why.candidate.rank, why.candidate.score) == ("run", 2, None)
    assert Explainer(comparer).explain(query, "p000", "base", f"run:{run}").candidate.rank is None


def test_of_a_lone_word_there_is_no_drop(comparer: Comparer) -> None:
    why = Explainer(comparer).explain("tent -", "x2", "base", "tuned")
    for reading in why.readings:
        assert reading.query == (WordDrop("tent", 0, None),)
        assert reading.text == (WordDrop("tent", 0, None),)


def test_of_a_long_text_the_first_words_are_left_out_of_the_whole(
    ws: Workspace, comparer: Comparer
) -> None:
    why = Explainer(comparer).explain("word3 word30", "x3", "base", "base")
    reading = why.readings[0]
    assert (len(reading.text), why.words, MOST_WORDS) == (16, 40, 16)
    encoder = direct(ws, "base")
    query = encoder.encode_queries(["word3 word30"])[0]
    words = why.text.split()
    text, last = encoder.encode_documents([why.text, " ".join(words[:15] + words[16:])])
    assert reading.text[15].drop == pytest.approx(query @ text - query @ last, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("- | , …", []),
        ("women's t-shirt, (red)", ["women's", "t-shirt,", "(red)"]),
        ("日本語のテント 大きい", ["日本語のテント", "大きい"]),
        ("👨‍👩‍👧 tent ⛺️", ["👨‍👩‍👧", "tent", "⛺️"]),
        ("نیم‌فاصله a & b", ["نیم‌فاصله", "a", "b"]),
    ],
)
def test_a_word_stands_between_spaces_and_is_more_than_punctuation(
    text: str, words: list[str]
) -> None:
    assert [text[start:end] for start, end in words_of(text)] == words
    left = leave_one_out(text)
    assert [each.word for each in left] == words
    for each in left:
        assert sorted((each.word + each.rest).split()) != [] and "  " not in each.rest
        if len(words) > 1:
            gone = text.split()
            gone.remove(each.word)
            assert each.rest.split() == gone


def test_words_stand_side_by_side_the_largest_on_either_side_first() -> None:
    def read(*values: float | None) -> list[WordDrop]:
        return [
            WordDrop(word, at, v) for at, (word, v) in enumerate(zip("abc", values, strict=True))
        ]

    assert strongest(read(0.1, -0.2, 0.0), read(0.0, 0.1, 0.3)) == [
        ("c", 0.0, 0.3),
        ("b", -0.2, 0.1),
        ("a", 0.1, 0.0),
    ]
    assert strongest(None, read(None, -0.1, 0.3)) == [
        ("c", None, 0.3),
        ("b", None, -0.1),
        ("a", None, None),
    ]
    assert strongest(None, None) == []


def test_what_was_encoded_is_kept_and_an_end_between_pieces_loses_nothing(
    comparer: Comparer, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = comparer.side("base").encoder
    seen: list[str] = []
    encode = encoder.encode_documents
    monkeypatch.setattr(encoder, "encode_documents", lambda t: (seen.extend(t), encode(t))[1])
    explainer = Explainer(comparer)

    class Enough(Exception):
        pass

    def stop() -> None:
        if len(seen) > 8:
            raise Enough

    with pytest.raises(Enough):
        explainer.explain("word3 word5", "x3", "base", "base", pause=stop)
    first = explainer.explain("word3 word5", "x3", "base", "base")
    assert len(seen) == len(set(seen)) == MOST_WORDS + 1
    assert explainer.explain("word3 word5", "x3", "base", "base") == first
    explainer.explain("other words", "x3", "base", "hybrid:base")
    assert len(seen) == MOST_WORDS + 1


def test_words_that_leave_the_same_rest_are_encoded_once(
    ws: Workspace, comparer: Comparer, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_products(ws, x4="red red red tent peg peg")
    encoder = comparer.side("base").encoder
    seen: list[str] = []
    for name in ("encode_documents", "encode_queries"):
        encode = getattr(encoder, name)
        spy = lambda texts, encode=encode: (seen.extend(texts), encode(texts))[1]  # noqa: E731
        monkeypatch.setattr(encoder, name, spy)
    why = Explainer(comparer).explain("lamp tent", "x4", "base", "hybrid:base")
    documents = [text for text in seen if text not in ("lamp tent", "lamp", "tent")]
    assert sorted(documents) == sorted(
        ["red red red tent peg peg", "red red tent peg peg", "red red red peg peg",
         "red red red tent peg"]
    )  # fmt: skip
    red, again, third, tent, peg, last = why.readings[0].text
    assert red.drop == again.drop == third.drop != tent.drop and peg.drop == last.drop


def test_the_nearest_judged_queries_with_their_grades(ws: Workspace, comparer: Comparer) -> None:
    explainer = Explainer(comparer)
    product = "p045"
    steps = []
    while not (near := explainer.nearby("Red tents", product, "base", "tuned")).ready:
        assert near.hits == ()
        steps.append(near.done)
    assert steps == list(range(8, 40, 8)) and (near.encoder, near.total) == ("tuned", 40)
    judged = [q for q in comparer.judged_queries() if q.query != "red tent"]
    encoder = direct(ws, "tuned")
    cosines = (
        encoder.encode_queries([q.query for q in judged]) @ encoder.encode_queries(["Red tents"])[0]
    )
    order = np.argsort(-cosines)[:5]
    assert [hit.query for hit in near.hits] == [judged[at].query for at in order]
    assert [hit.cosine for hit in near.hits] == pytest.approx(cosines[order], abs=1e-5)
    assert [hit.grade for hit in near.hits] == [judged[at].grades.get(product) for at in order]
    # By the encoder of a fusion, by the baseline's beside bm25, by none.
    assert explainer.nearby("red tent", product, "base", "hybrid:tuned").encoder == "tuned"
    assert explainer.nearby("red tent", product, "base", "bm25").encoder == "base"
    assert explainer.nearby("red tent", product, "bm25", "bm25").encoder == ""


def test_the_vectors_of_judged_queries_are_kept_on_disk(ws: Workspace, comparer: Comparer) -> None:
    explainer = Explainer(comparer)
    while not (first := explainer.nearby("nice lamp", "p000", "base", "base")).ready:
        pass
    fresh = Comparer(ws)
    fresh.side("base").encoder.encode_queries = lambda texts: pytest.fail(f"{len(texts)} again")
    fresh.side("base").vector = comparer.side("base").vector
    assert Explainer(fresh).nearby("nice lamp", "p000", "base", "base") == first
    fresh.close()
    (cache,) = ws.cache_dir.glob("queries-*.npz")
    cache.write_bytes(b"damaged")
    other = Comparer(ws)
    assert Explainer(other).nearby("nice lamp", "p000", "base", "base").done == 8
    other.close()


def test_a_verdict_is_in_the_grades_of_near_queries_at_once(
    ws: Workspace, comparer: Comparer
) -> None:
    from engine.records import Verdict, Verdicts

    explainer = Explainer(comparer)
    while not (near := explainer.nearby("nice lamp", "x1", "base", "base")).ready:
        pass
    assert {hit.grade for hit in near.hits} == {None}
    with Verdicts(ws.records_path) as verdicts:
        verdicts.add([Verdict(near.hits[2].query, "x1", "C")], "ann")
    after = explainer.nearby("nice lamp", "x1", "base", "base")
    assert after.hits[2] == replace(near.hits[2], grade="C") and after.ready


def test_thousands_of_judged_queries_take_short_steps(tmp_path: Path) -> None:
    from engine.catalog.queries import JudgedQuery

    class Instant:
        dim = 8

        def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
            return np.ones((len(texts), 8), np.float32)

        encode_documents = encode_queries

    queries = [JudgedQuery(f"q{n}", f"query {n}", "test", {}, {}) for n in range(5_000)]
    vectors, took, done = judged_near.JudgedVectors(tmp_path / "v.npz", Instant()), [], 0
    while done < 5_000:
        began = time.process_time()
        done = vectors.step(queries)
        took.append(time.process_time() - began)
    assert len(took) == 625 and sorted(took)[-5] < 0.1
    assert len(vectors.nearest(np.ones(8, np.float32), "p", "q0")) == 5


@pytest.mark.parametrize(
    ("query", "product", "sides", "said"),
    [
        (" \u200b ", "p000", ("base", "tuned"), "The query is empty"),
        ("tent", "p0000", ("base", "tuned"), "no product 'p0000'"),
        ("tent", "p000", ("base", "nobody"), "no encoder called 'nobody'"),
        ("tent", "p000", ("late", "base"), "late is not indexed"),
    ],
)
def test_what_cannot_be_explained_is_one_clear_error(
    ws: Workspace, comparer: Comparer, query: str, product: str, sides: tuple[str, str], said: str
) -> None:
    shutil.copytree(ws.encoders_dir / "base", ws.encoders_dir / "late")
    with pytest.raises(RankbenchError, match=said) as raised:
        Explainer(comparer).explain(query, product, *sides)
    assert raised.value.todo


def test_a_product_that_an_index_lacks_has_no_rank_there(ws: Workspace) -> None:
    add_products(ws, x9="blue tent")
    comparer = Comparer(ws)
    why = Explainer(comparer).explain("blue tent", "x9", "base", "bm25")
    comparer.close()
    reading = why.readings[0]
    assert isinstance(reading, Reading) and reading.cosine is None
    assert (why.baseline.rank, why.baseline.score) == (None, None)
    assert why.bm25.rank is not None and len(reading.text) == 2
