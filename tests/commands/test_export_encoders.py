"""`export encoder`, `export vectors`, `train --from-card`: out for production, and made again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from sentence_transformers import SentenceTransformer

from engine.index.build import load_matrix
from engine.workspace import open_workspace


def test_an_encoder_goes_out_as_a_plain_model(
    workspace: Path, tmp_path: Path, rankbench: Any
) -> None:
    target = tmp_path / "deep" / "model"
    done = rankbench("export", "encoder", "base", target, "-w", workspace)
    assert done.code == 0 and f"to {target}." in done.err and done.out == ""
    table = pq.read_table(vectors_of(rankbench, workspace, tmp_path / "v.parquet"))
    names = {"p01": "Canopy tent 3x3 m", "p09": "Garden hose 15 m"}
    model = SentenceTransformer(str(target), device="cpu")
    there = model.encode(list(names.values()), normalize_embeddings=True)
    written = dict(zip(table["product_id"].to_pylist(), table["vector"].to_pylist(), strict=True))
    np.testing.assert_allclose(there, [written[product] for product in names], atol=1e-5)
    again = ["export", "encoder", "base", target, "-w", workspace]
    rankbench(*again).assert_error(1, "exists already", "--force")
    assert rankbench(*again, "--force").code == 0


def vectors_of(rankbench: Any, workspace: Path, file: Path) -> Path:
    done = rankbench("export", "vectors", "base", file, "-w", workspace)
    assert done.code == 0 and "Wrote 16 vectors of 32 dimensions" in done.err
    return file


def test_vectors_overwrite_nothing_unasked(workspace: Path, tmp_path: Path, rankbench: Any) -> None:
    file = vectors_of(rankbench, workspace, tmp_path / "v.parquet")
    before = file.read_bytes()
    again = ["export", "-w", workspace, "vectors", "base", file]
    rankbench(*again).assert_error(1, "exists already", "--force")
    assert file.read_bytes() == before
    assert rankbench(*again, "--force").code == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["encoder", "nosuch", "there"], 1, "nosuch"),
        (["vectors", "nosuch", "there"], 1, "nosuch"),
        (["encoder", "base"], 2, "DIR"),
        (["vectors", "base"], 2, "FILE"),
        (["weights", "base", "there"], 2, "weights"),
    ],
)
def test_a_wrong_export_is_one_error(
    words: list[str],
    code: int,
    said: str,
    workspace: Path,
    tmp_path: Path,
    rankbench: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    rankbench("export", "-w", workspace, *words).assert_error(code, said)
    assert not (tmp_path / "there").exists()


def test_a_run_is_made_again_from_its_card(workspace: Path, tmp_path: Path, rankbench: Any) -> None:
    place = ["-w", workspace]
    options = ["--recipe", "adapter", "--name", "mine", "--set", "epochs=2", "--seed", 4]
    assert rankbench("train", *options, *place).code == 0
    assert rankbench("export", "encoder", "mine", tmp_path / "out", *place).code == 0
    done = rankbench("train", "--from-card", tmp_path / "out", "--json", *place).json
    assert (done["encoder"], done["differences"]) == ("adapter-01", [])
    assert done["outcome"] == "adapter-01 has the same weights as mine, bit for bit"
    ws = open_workspace(workspace)
    one, two = load_matrix(ws, "mine"), load_matrix(ws, "adapter-01")
    np.testing.assert_allclose(two.vectors, one.vectors, atol=1e-6)
    judgments = tmp_path / "more.csv"
    judgments.write_text(
        "query_id,query,product_id,label\nz1,ear plugs,p01,E\nz1,ear plugs,p02,I\n"
    )
    assert rankbench("import", "judgments", judgments, *place).code == 0
    dry = rankbench("train", "--from-card", "mine", "--dry-run", *place)
    assert dry.code == 0 and "not as it was: the grades of" in dry.err
    for more in (["--recipe", "adapter"], ["--set", "epochs=1"], ["--seed", "0"]):
        rankbench("train", "--from-card", "mine", *more, *place).assert_error(2, "--from-card")
    rankbench("train", "--from-card", "base", *place).assert_error(1, "added as it is")
