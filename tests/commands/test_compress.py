"""`rankbench compress`: made, indexed, evaluated, exported, brought back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def test_an_int8_encoder_is_an_encoder_like_any_other(
    workspace: Path, tmp_path: Path, rankbench: Any
) -> None:
    done = rankbench("compress", "base", "-w", workspace)
    assert done.code == 0 and "base-int8" in done.out and "n 12 unseen" in done.out
    assert "rankbench eval --baseline base --candidate base-int8" in done.err
    listed = rankbench("encoders", "base-int8", "--json", "-w", workspace).json
    assert listed["source"] == "base + int8" and listed["parents"] == ["base"]
    assert "int8 by onnxruntime" in listed["note"]
    share = listed["compression"]["measured"]["share"]
    assert listed["keeps"] == f"keeps {share:.1%}, n 12"
    assert listed["keeps"] in rankbench("encoders", "-w", workspace).out
    indexed = rankbench("index", "--encoder", "base-int8", "--json", "-w", workspace).json
    assert indexed["encoded"] == 0 and indexed["rows"] == 16
    found = rankbench("eval", "--candidate", "base-int8", "--json", "-w", workspace).json
    assert found["queries"] == 12 and found["candidate"]["ndcg@10"] > 0
    # The tiny random encoder's ranking hardly changes.
    assert abs(found["delta"]["ndcg@10"]["mean"]) < 0.05
    out = tmp_path / "out"
    assert rankbench("export", "encoder", "base-int8", out, "-w", workspace).code == 0
    assert (out / "int8.onnx").is_file() and (out / "model.safetensors").is_file()
    assert rankbench("encoders", "--add", out, "--name", "back", "-w", workspace).code == 0
    again = rankbench("compress", "base-int8", "-w", workspace)
    again.assert_error(2, "int8 already", "--dim")
    back = rankbench("encoders", "back", "--json", "-w", workspace).json
    assert back["bytes"] == listed["bytes"] and back["dim"] is None


def test_json_says_what_was_kept(workspace: Path, rankbench: Any) -> None:
    command = ["compress", "base", "--method", "pca", "--dim", "8", "--name", "eight"]
    found = rankbench(*command, "--json", "-w", workspace).json
    assert found["encoder"] == "eight" and found["compression"]["dim"] == 8
    assert found["kept"]["n"] == 12 and 0 < found["kept"]["share"] < 1.5
    rankbench(*command, "-w", workspace).assert_error(1, "already", "--name")


def test_the_table_has_model_licence_base_and_every_path(workspace: Path, rankbench: Any) -> None:
    command = ["compress", "base", "--table", "--rounds", "1", "-w", workspace]
    done = rankbench(*command)
    assert done.code == 0, done.err
    for word in ("licence", "quality", "12 judged queries", "tokeniser alone", "1 thread"):
        assert word in done.out, word
    for path in ("torch fp32, light loader", "onnxruntime int8, by blocks", "torch bf16"):
        assert path in done.out, path
    found = rankbench(*command, "--json").json
    assert found["queries"] == 12 and found["rows"][0]["path"].startswith("torch fp32")
    assert {row["kept"]["n"] for row in found["rows"] if row["kept"]} == {12}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nosuch"], 1, "nosuch"),
        (["base", "--method", "zip"], 2, "zip"),
        (["base", "--dim", "99"], 2, "99 dimensions"),
        (["base", "--layers", "1"], 2, "1 layers cannot be kept of 1"),
        (["base", "--table", "--dim", "8"], 2, "--table"),
        (["base", "--rounds", "2"], 2, "--table"),
        (["base", "--steps", "7"], 2, "--steps"),
        (["base", "--steps", "7", "--method", "pca", "--dim", "8"], 2, "--layers"),
    ],
)
def test_a_wrong_option_is_one_error(
    words: list[str], code: int, said: str, workspace: Path, rankbench: Any
) -> None:
    rankbench("compress", *words, "-w", workspace).assert_error(code, said)
