"""Lineage, latency, and what leaves the workspace for production."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sentence_transformers import SentenceTransformer

from engine.encoders.card import Card, write_card
from engine.encoders.export import export_encoder
from engine.encoders.fingerprint import fingerprint
from engine.encoders.latency import query_latency
from engine.encoders.lineage import lineage
from engine.encoders.load import load_encoder
from engine.encoders.registry import BASE, resolve
from engine.errors import RankbenchError
from engine.index.build import build_index, load_matrix
from engine.index.export import export_vectors
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
    target = export_encoder(tiny_workspace, BASE, tmp_path / "out" / ".." / "production")
    assert target.parent.resolve() == tmp_path.resolve()
    there = SentenceTransformer(str(target), device="cpu").encode(
        ["red tent"], normalize_embeddings=True
    )
    here = load_encoder(resolve(tiny_workspace, BASE).path).encode_queries(["red tent"])
    np.testing.assert_allclose(there, here, atol=1e-5)
    with pytest.raises(RankbenchError, match="exists already"):
        export_encoder(tiny_workspace, BASE, target)
    assert not list(tmp_path.glob(".*partial"))


def test_exported_vectors_are_those_of_the_index(tiny_workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(RankbenchError, match="not indexed"):
        export_vectors(tiny_workspace, BASE, tmp_path / "v.parquet")
    build = build_index(tiny_workspace).build
    assert export_vectors(tiny_workspace, BASE, tmp_path / "v.parquet") == build.rows
    found = pq.read_table(tmp_path / "v.parquet")
    matrix = load_matrix(tiny_workspace, BASE)
    assert found.column("product_id").to_pylist() == list(matrix.ids)
    np.testing.assert_array_equal(np.array(found.column("vector").to_pylist()), matrix.vectors)
    assert found.schema.metadata[b"rankbench.build"] == build.build.encode()
    with pytest.raises(RankbenchError, match="Cannot write"):
        export_vectors(tiny_workspace, BASE, tmp_path / "none" / "v.parquet")
