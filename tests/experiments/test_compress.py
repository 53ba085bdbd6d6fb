"""Smaller encoders of a tiny one: what they are, what they keep, what they are measured by."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from engine.encoders.card import read_card, write_card
from engine.encoders.load import SentenceEncoder, load_encoder, load_float, load_model
from engine.encoders.registry import list_encoders, resolve
from engine.errors import RankbenchError, UsageError
from engine.evaluation.query_set import evaluate_query_set
from engine.experiments import paths
from engine.experiments.compress import compress
from engine.experiments.compress_plan import Plan
from engine.experiments.compress_table import compress_table, directory_of
from engine.experiments.distil import Lesson, distil, drop_layers, kept_layers
from engine.experiments.interleaved import interleave
from engine.experiments.kept import read_parent
from engine.index.build import build_index, load_matrix
from engine.ranking.comparer import Comparer
from engine.training.outcome import Cancelled
from engine.workspace import Workspace


def quiet(event: object) -> None:
    pass


def mark_seen(ws: Workspace, *queries: str) -> None:
    """Let the base have been trained on these."""
    path = ws.encoders_dir / "base"
    card = read_card(path)
    assert card is not None
    write_card(path, replace(card, trained_queries=queries, licence="apache-2.0"))


@pytest.mark.parametrize(
    "plan",
    [Plan(), Plan("pca", 8), Plan("truncate", 8), Plan("int8", 8)],
    ids=lambda plan: plan.name(),
)
def test_what_it_keeps_is_what_eval_says(
    plan: Plan, tiny_workspace: Workspace, tmp_path: Path
) -> None:
    mark_seen(tiny_workspace, "red sneaker")
    parent = read_parent(tiny_workspace, "base")
    assert len(parent.queries) == 39 and parent.seen == 1
    made = compress(tiny_workspace, parent, plan, tmp_path / "place")
    assert build_index(tiny_workspace, made.info.name).encoded == 0
    index = load_matrix(tiny_workspace, made.info.name)
    texts = [parent.texts[product] for product in index.ids]
    by_itself = load_encoder(made.info.path).encode_documents(texts)
    np.testing.assert_allclose(index.vectors, by_itself, atol=1e-5)
    comparer = Comparer(tiny_workspace)
    found = evaluate_query_set(comparer, "base", made.info.name, resamples=200)
    comparer.close()
    assert made.kept is not None and made.kept.n == len(found.rows) == 39
    assert made.kept.parent == pytest.approx(found.baseline.means["ndcg@10"], abs=1e-9)
    # A batch rounds otherwise than one text, which may swap two products.
    assert made.kept.own == pytest.approx(found.candidate.means["ndcg@10"], abs=5e-3)
    assert made.kept.share == pytest.approx(made.kept.own / made.kept.parent)
    assert made.kept.low is not None and made.kept.high is not None
    assert made.kept.low <= made.kept.share <= made.kept.high


def test_the_card_says_what_was_done_and_what_was_seen(
    tiny_workspace: Workspace, tmp_path: Path
) -> None:
    mark_seen(tiny_workspace, "red sneaker")
    parent = read_parent(tiny_workspace, "base")
    info = compress(tiny_workspace, parent, Plan("int8", 8), tmp_path, name="small").info
    card = info.card
    assert card is not None and not info.tuned
    assert (card.base, card.parents) == ("base", ("base",))
    assert card.seen_queries() == ("red sneaker",)
    assert card.compression["method"] == "int8" and card.compression["dim"] == 8
    assert card.compression["measured"]["n"] == 39
    assert card.licence == "apache-2.0" and info.source == "base + int8"
    assert set(card.data) == {"catalog", "template"}
    grandchild = compress(
        tiny_workspace, read_parent(tiny_workspace, "small"), Plan("truncate", 4), tmp_path
    ).info.card
    assert grandchild is not None
    assert grandchild.parents == ("small", "base")
    assert grandchild.seen_queries() == ("red sneaker",)


def test_a_pca_keeps_the_catalogs_own_directions(tiny_workspace: Workspace, tmp_path: Path) -> None:
    from sklearn.decomposition import TruncatedSVD

    parent = read_parent(tiny_workspace, "base")
    made = compress(tiny_workspace, parent, Plan("pca", 6), tmp_path).info
    texts = [parent.texts[product] for product in parent.matrix.ids]
    found = load_float(made.path, "cpu").encode_documents(texts)
    wanted = TruncatedSVD(6, algorithm="arpack").fit_transform(parent.matrix.vectors)
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    assert found.shape == (len(texts), 6)
    # Directions may be turned about; cosines between texts are the same.
    np.testing.assert_allclose(found @ found.T, wanted @ wanted.T, atol=1e-4)
    plain = SentenceTransformer(str(made.path), device="cpu").encode(texts[:5])
    np.testing.assert_allclose(plain, found[:5], atol=1e-5)


def test_truncation_keeps_the_first_dimensions(tiny_workspace: Workspace, tmp_path: Path) -> None:
    parent = read_parent(tiny_workspace, "base")
    made = compress(tiny_workspace, parent, Plan("truncate", 8), tmp_path).info
    found = load_encoder(made.path, "cpu").encode_queries(["red tent"])
    wanted = load_encoder(parent.directory, "cpu").encode_queries(["red tent"])[:, :8]
    np.testing.assert_allclose(found, wanted / np.linalg.norm(wanted), atol=1e-5)


def test_fewer_layers_learn_the_parents_vectors(deep_workspace: Workspace, tmp_path: Path) -> None:
    parent = read_parent(deep_workspace, "base")
    losses: list[float] = []

    def report(event: dict[str, object]) -> None:
        if event.get("phase") == "distilling":
            losses.append(float(str(event["loss"])))

    plan = Plan("layers", layers=2, steps=30)
    made = compress(deep_workspace, parent, plan, tmp_path, report=report).info
    assert len(losses) == 30 and np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    config = json.loads((made.path / "config.json").read_text())
    assert config["num_hidden_layers"] == 2
    assert made.card is not None and made.card.compression["steps"] == 30
    texts = [parent.texts[product] for product in parent.matrix.ids]
    untaught = load_model(parent.directory, "cpu")
    drop_layers(untaught, 2)
    before, after = (
        np.einsum("ij,ij->i", encoder.encode_documents(texts), parent.matrix.vectors).mean()
        for encoder in (SentenceEncoder(untaught), load_float(made.path, "cpu"))
    )
    assert after > before + 0.1


def test_a_cancelled_distillation_goes_on_to_the_same_student(
    deep_workspace: Workspace, tmp_path: Path
) -> None:
    parent = read_parent(deep_workspace, "base")
    texts = [parent.texts[product] for product in parent.matrix.ids]
    lesson = Lesson(texts, parent.matrix.vectors, steps=12)
    steps: list[int] = []

    def note(event: dict[str, int]) -> None:
        steps.append(event["step"])

    with pytest.raises(Cancelled):
        distil(parent.directory, 2, lesson, tmp_path / "a", note, lambda: len(steps) == 5)
    again = distil(parent.directory, 2, lesson, tmp_path / "a", note, lambda: False)
    assert steps == list(range(1, 13))  # none twice
    whole = distil(parent.directory, 2, lesson, tmp_path / "b", quiet, lambda: False)
    one, other = (load_float(path, "cpu").encode_queries(texts[:9]) for path in (again, whole))
    np.testing.assert_allclose(one, other, atol=1e-5)
    # It is there now: asked once more, nothing is trained.
    assert distil(parent.directory, 2, lesson, tmp_path / "a", note, lambda: True) == again


def test_kept_layers_span_the_whole() -> None:
    assert kept_layers(4, 6) == [0, 2, 3, 5]
    assert kept_layers(3, 6) == [0, 2, 5]
    assert kept_layers(1, 6) == [0] and kept_layers(2, 12) == [0, 11]
    with pytest.raises(UsageError, match="6 layers cannot be kept of 6"):
        kept_layers(6, 6)


@pytest.mark.parametrize(
    ("plan", "name", "said"),
    [
        (Plan("pca", 32), "", "32 dimensions cannot be kept of 32"),
        (Plan("layers", layers=3), "", "3 layers cannot be kept of 3"),
        (Plan("zip"), "", "no method 'zip'"),
        (Plan(), "bm25", "cannot be an encoder's name"),
        (Plan("pca", 4), "taken", "already"),
    ],
)
def test_what_cannot_be_made_is_refused_before_any_work(
    plan: Plan, name: str, said: str, deep_workspace: Workspace, tmp_path: Path
) -> None:
    parent = read_parent(deep_workspace, "base")
    compress(deep_workspace, parent, Plan("truncate", 8), tmp_path, name="taken")
    with pytest.raises(RankbenchError, match=said):
        compress(deep_workspace, parent, plan, tmp_path / "place", name=name)
    assert [info.name for info in list_encoders(deep_workspace)] == ["base", "taken"]
    assert not list(deep_workspace.encoders_dir.glob(".*"))


def test_two_at_once_do_not_work_in_one_directory(
    tiny_workspace: Workspace, tmp_path: Path
) -> None:
    ws, plan = tiny_workspace, Plan("truncate", 8)
    parent = read_parent(ws, "base")
    place = tmp_path / "place"

    def refused(event: object) -> None:
        with pytest.raises(RankbenchError, match="Another compression is at work"):
            compress(ws, parent, plan, place, name="other")

    compress(ws, parent, plan, place, name="first", report=refused)

    # The same name from elsewhere: who is later finds it taken, and nobody half an encoder.
    def overtaken(event: object) -> None:
        compress(ws, parent, plan, tmp_path / "elsewhere", name="same")

    with pytest.raises(RankbenchError, match="called 'same' already"):
        compress(ws, parent, plan, place, name="same", report=overtaken)
    assert [info.name for info in list_encoders(ws)] == ["base", "first", "same"]
    assert not list(place.glob(".*.partial"))


def test_a_cancelled_run_adds_nothing(deep_workspace: Workspace, tmp_path: Path) -> None:
    parent = read_parent(deep_workspace, "base")
    for plan in (Plan(), Plan("layers", layers=1, steps=3)):
        with pytest.raises(Cancelled):
            compress(deep_workspace, parent, plan, tmp_path, should_stop=lambda: True)
    assert [info.name for info in list_encoders(deep_workspace)] == ["base"]
    assert not list(deep_workspace.encoders_dir.glob(".*"))


def test_the_table_tries_every_way_and_keeps_its_scores(deep_workspace: Workspace) -> None:
    parent = read_parent(deep_workspace, "base")
    parent = replace(parent, queries=parent.queries[:8])
    place = directory_of(deep_workspace, parent)
    found = compress_table(deep_workspace, parent, place, rounds=1, steps=2, dims=(64, 8))
    by = {(row.weights, row.path, row.note): row for row in found.rows}
    tried = {(row.weights, row.path) for row in found.rows}
    assert tried >= {("float32", path) for path in paths.PRECISIONS}
    assert tried >= {("float32", path) for path in (paths.BF16, paths.TORCH_INT8, paths.BARE_INT8)}
    assert tried >= {("pca-8d", paths.LIGHT), ("truncate-8d", paths.LIGHT)}
    assert tried >= {("layers-2l", paths.ORT_INT8), ("layers-1l", paths.LIGHT)}
    assert not any("64" in row.weights for row in found.rows)  # it has 32
    light = by["float32", paths.LIGHT, ""]
    assert light.kept is not None and light.kept.share == 1 and light.light == 1
    assert light.n == found.queries == 8 and found.threads == 1
    names = {row.name for row in found.rows}
    assert names >= {"base", "base-int8", "base-pca-8d", "base-int8-8d", "base-int8-2l"}
    both = by["float32", paths.ORT_INT8, "documents in int8 too"]
    assert both.p50_ms is None and both.kept is not None
    floor = by["none", "tokeniser alone", "floor"]
    assert floor.kept is None and floor.p50_ms is not None and light.p50_ms is not None
    assert floor.p50_ms < light.p50_ms
    small = by["float32", paths.ORT_INT8, ""]
    assert small.bytes is not None and light.bytes is not None and small.bytes < light.bytes / 3
    # Scores are read again, latency is measured again.
    file = place / "scores.json"
    kept = json.loads(file.read_text())
    key = next(key for key in kept if paths.ORT in key)
    file.write_text(json.dumps({**kept, key: [0.0] * 8}))
    again = compress_table(deep_workspace, parent, place, rounds=1, steps=2, dims=())
    row = next(row for row in again.rows if row.path == paths.ORT)
    assert row.kept is not None and row.kept.share == 0
    assert again.rows[1].p50_ms != light.p50_ms
    assert resolve(deep_workspace, "base").bytes == light.bytes


def test_paths_take_turns_and_slow_ones_are_slow() -> None:
    order: list[str] = []

    def path(name: str, seconds: float) -> object:
        def encode(text: str) -> None:
            order.append(name)
            time.sleep(seconds)

        return encode

    found = interleave({"a": path("a", 0.001), "b": path("b", 0.004)}, ["x", "y", "z"], 2)
    assert found["a"].n == found["b"].n == 6
    assert order[:8] == ["a", "a", "b", "b", "b", "b", "a", "a"]  # untimed, timed; then b begins
    assert 1 <= found["a"].p50 < 4 <= found["b"].p50 <= found["b"].p95
