"""Lineage, latency, and what leaves the workspace for production."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sentence_transformers import SentenceTransformer

from engine.encoders import registry
from engine.encoders.card import Card, read_card, write_card
from engine.encoders.export import export_encoder
from engine.encoders.fingerprint import fingerprint
from engine.encoders.latency import query_latency
from engine.encoders.lineage import lineage
from engine.encoders.load import load_encoder
from engine.encoders.registry import BASE, resolve
from engine.errors import RankbenchError, UsageError
from engine.index.build import build_index, load_matrix
from engine.index.export import export_vectors
from engine.index.store import read_items, write_items
from engine.workspace import Workspace


def child(ws: Workspace, name: str, parents: tuple[str, ...], of: Path) -> Path:
    directory = Path(shutil.copytree(of, ws.encoders_dir / name))
    recipe = {"name": "infonce", "parameters": {}}
    data = {"rows": f"{name}-rows"}
    write_card(
        directory,
        Card(name, parents[0], fingerprint(of), recipe, data, parents=parents, created=name),
    )
    return directory


def test_a_lineage_names_every_run_down_to_the_base(tiny_workspace: Workspace) -> None:
    ws = tiny_workspace
    base = resolve(ws, BASE).path
    first = child(ws, "first", ("base",), base)
    child(ws, "second", ("first", "base"), first)
    steps = lineage(ws, "second")
    assert [(s.name, s.recipe, s.present, s.same) for s in steps] == [
        ("second", "infonce", True, None),
        ("first", "infonce", True, True),
        ("base", "", True, True),
    ]
    assert steps[0].data == {"rows": "second-rows"}


def test_a_parent_that_is_gone_or_replaced_is_said(tiny_workspace: Workspace) -> None:
    ws = tiny_workspace
    base = resolve(ws, BASE).path
    first = child(ws, "first", ("base",), base)
    child(ws, "second", ("first", "base"), first)
    weights = first / "config_sentence_transformers.json"
    weights.write_text(json.dumps({**json.loads(weights.read_text()), "prompts": {"query": "q "}}))
    replaced = lineage(ws, "second")
    assert [step.same for step in replaced] == [None, False, None]
    shutil.rmtree(first)
    gone = lineage(ws, "second")
    assert [(step.name, step.present) for step in gone] == [
        ("second", True),
        ("first", False),
        ("base", True),
    ]


def test_latency_is_of_the_encoder_as_the_app_runs_it(tiny_encoder_dir: Path) -> None:
    found = query_latency(tiny_encoder_dir, n=10)
    assert 0 < found.p50_ms <= found.p95_ms < 1000 and found.n == 10


def test_an_exported_encoder_gives_the_same_vectors_elsewhere(
    tiny_workspace: Workspace, tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        told.append((done, total))

    place = tmp_path / "out" / ".." / "production"
    target = export_encoder(tiny_workspace, BASE, place, progress)
    assert target.parent.resolve() == tmp_path.resolve()
    there = SentenceTransformer(str(target), device="cpu").encode(
        ["red tent"], normalize_embeddings=True
    )
    here = load_encoder(resolve(tiny_workspace, BASE).path).encode_queries(["red tent"])
    np.testing.assert_allclose(there, here, atol=1e-5)
    assert told[-1][0] == told[-1][1] and told == sorted(told)
    with pytest.raises(RankbenchError, match="exists already"):
        export_encoder(tiny_workspace, BASE, target)
    assert not list(tmp_path.glob(".*partial"))


def test_only_an_encoder_is_ever_replaced(tiny_workspace: Workspace, tmp_path: Path) -> None:
    ws, target = tiny_workspace, tmp_path / "production"
    export_encoder(ws, BASE, target)
    (target / "stale.txt").write_text("of the one before")
    assert export_encoder(ws, BASE, target, replace=True) == target
    assert not (target / "stale.txt").exists() and fingerprint(target)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(RankbenchError, match="something else"):
        export_encoder(ws, BASE, mine, replace=True)
    assert (mine / "thesis.txt").is_file()
    for own in (".git/config", "serve.py", "1_Pooling/run.sh"):
        (target / own).parent.mkdir(exist_ok=True)
        (target / own).write_text("written by hand")
        with pytest.raises(RankbenchError, match="more than an encoder"):
            export_encoder(ws, BASE, target, replace=True)
        assert (target / own).read_text() == "written by hand"
        (target / own).unlink()
        if own.startswith("."):
            (target / own).parent.rmdir()
    for own in (ws.encoders_dir, ws.encoders_dir / BASE, ws.encoders_dir / "new"):
        with pytest.raises(UsageError, match="own"):
            export_encoder(ws, BASE, own, replace=True)
    assert resolve(ws, BASE) and not list(tmp_path.glob(".*"))


def test_an_encoder_that_goes_while_they_are_listed_is_not_there(
    tiny_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = tiny_workspace
    base = resolve(ws, BASE).path
    for name in ("first", "going"):
        child(ws, name, ("base",), base)

    def read(path: Path) -> Card | None:
        card = read_card(path)
        if path.name == "going" and path.is_dir():
            path.rename(path.with_name(".going.removed"))
        return card

    monkeypatch.setattr(registry, "read_card", read)
    assert [info.name for info in registry.list_encoders(ws)] == ["base", "first"]


def test_exported_vectors_are_those_of_the_index(tiny_workspace: Workspace, tmp_path: Path) -> None:
    ws, file = tiny_workspace, tmp_path / "deep" / "v.parquet"
    with pytest.raises(RankbenchError, match="not indexed"):
        export_vectors(ws, BASE, file)
    build = build_index(ws).build
    done = export_vectors(ws, BASE, file)
    assert (done.rows, done.dim, done.notes) == (build.rows, build.dim, ())
    found = pq.read_table(file)
    matrix = load_matrix(ws, BASE)
    assert found.column("product_id").to_pylist() == list(matrix.ids)
    np.testing.assert_array_equal(np.array(found.column("vector").to_pylist()), matrix.vectors)
    assert found.schema.field("vector").type == pa.list_(pa.float32(), build.dim)
    hashes = dict(read_items(ws, ["product_id", "hash"]).iter_rows())
    assert found.column("text_hash").to_pylist() == [hashes[product] for product in matrix.ids]
    told = {key.decode(): text.decode() for key, text in found.schema.metadata.items()}
    assert told["rankbench.fingerprint"] == fingerprint(resolve(ws, BASE).path)
    assert (told["rankbench.template"], told["rankbench.build"]) == ("title", build.build)
    assert pl.read_parquet(file).schema["vector"] == pl.Array(pl.Float32, build.dim)


def test_vectors_overwrite_nothing_unasked_and_say_what_is_behind(
    tiny_workspace: Workspace, tmp_path: Path
) -> None:
    ws, file = tiny_workspace, tmp_path / "v.parquet"
    build_index(ws)
    file.write_text("mine")
    with pytest.raises(RankbenchError, match="exists already"):
        export_vectors(ws, BASE, file)
    assert file.read_text() == "mine"
    items = read_items(ws, ["product_id", "title"])
    write_items(ws, items[1:].with_columns(pl.col("title").replace(items["title"][5], "a lamp")))
    (note,) = export_vectors(ws, BASE, file, replace=True).notes
    assert "1 products are new or changed, 1 are gone" in note and pq.read_table(file).num_rows
    with pytest.raises(RankbenchError, match="Cannot write"):
        export_vectors(ws, BASE, file / "under" / "a.parquet")
    with pytest.raises(RankbenchError, match="is a directory"):
        export_vectors(ws, BASE, tmp_path, replace=True)
    assert not list(tmp_path.glob(".*partial"))
