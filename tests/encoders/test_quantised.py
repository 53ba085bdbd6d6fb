"""The ONNX graph gives the encoder's vectors; an int8 encoder uses it for queries alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

from engine.encoders.card import Card, write_card
from engine.encoders.fingerprint import GRAPH, fingerprint
from engine.encoders.graph import write_graph
from engine.encoders.licence import licence_in
from engine.encoders.load import load_encoder, load_model
from engine.encoders.quantised import QuantisedEncoder
from engine.encoders.registry import add, encoder_fingerprint
from engine.errors import RankbenchError
from engine.training.adapter import attach
from engine.workspace import Settings, create

TEXTS = ["red tent", "a", "blue men sneaker classic with a very long name " * 8, "lamp, 60 W"]


def cls_model(directory: Path) -> SentenceTransformer:
    stock = load_model(directory, "cpu")
    return SentenceTransformer(modules=[stock[0], Pooling(32, "cls"), Normalize()], device="cpu")


def prompted(directory: Path) -> SentenceTransformer:
    model = load_model(directory, "cpu")
    model.prompts = {"query": "query: ", "document": "passage: "}
    return model


def reduced(directory: Path) -> SentenceTransformer:
    weight = np.random.default_rng(0).normal(size=(12, 32)).astype(np.float32)
    return attach(load_model(directory, "cpu"), weight)


@pytest.mark.parametrize("make", [cls_model, prompted, reduced], ids=["cls", "prompts", "dense"])
def test_the_float_graph_gives_sentence_transformers_vectors(
    make: object, deep_encoder_dir: Path, tmp_path: Path
) -> None:
    model = make(deep_encoder_dir)  # type: ignore[operator]
    model.save_pretrained(str(tmp_path / "model"), create_model_card=False)
    write_graph(tmp_path / "model", tmp_path / "fp32.onnx", "fp32")
    encoder = QuantisedEncoder(tmp_path / "model", lambda: pytest.fail(), tmp_path / "fp32.onnx")
    np.testing.assert_allclose(
        encoder.encode_queries(TEXTS),
        model.encode_query(TEXTS, normalize_embeddings=True),
        atol=1e-5,
    )
    assert encoder.dim == model.get_embedding_dimension()


@pytest.fixture
def int8_dir(deep_encoder_dir: Path, tmp_path: Path) -> Path:
    directory = Path(shutil.copytree(deep_encoder_dir, tmp_path / "int8"))
    write_graph(directory, directory / GRAPH)
    return directory


def test_int8_weights_are_the_float_ones_to_half_a_step(int8_dir: Path) -> None:
    model = onnx.load(int8_dir / GRAPH)
    found = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    weights = load_file(int8_dir / "model.safetensors")
    name = "encoder.layer.1.intermediate.dense"
    whole, scales = found[f"{name}.int8"].astype(np.float64), found[f"{name}.scales"]
    assert whole.shape == (64, 1, 128)  # 32 inputs fill a quarter of a block
    back = (whole[:, 0, :32] - 128) * scales
    wanted = next(value for key, value in weights.items() if key.endswith(f"{name}.weight"))
    assert np.abs(back - wanted).max() <= scales.max() / 2 + 1e-6
    assert np.abs(back - wanted).max() > 0
    assert (whole[:, 0, 32:] == 128).all()


def test_queries_are_int8_and_documents_are_the_float_encoders(
    int8_dir: Path, deep_encoder_dir: Path
) -> None:
    whole, small = load_encoder(deep_encoder_dir, "cpu"), load_encoder(int8_dir, live=True)
    assert isinstance(small, QuantisedEncoder) and small.dim == whole.dim
    np.testing.assert_array_equal(small.encode_documents(TEXTS), whole.encode_documents(TEXTS))
    queries = small.encode_queries(TEXTS)
    cosines = np.einsum("ij,ij->i", queries, whole.encode_queries(TEXTS))
    assert (cosines > 0.99).all() and (cosines < 1 - 1e-7).any()
    np.testing.assert_allclose(np.linalg.norm(queries, axis=1), 1, atol=1e-5)
    both = small.encode_documents_int8(TEXTS)
    np.testing.assert_allclose(both, queries, atol=1e-6)  # no prompts here
    assert small.encode_queries([]).shape == (0, 32)


def test_sentence_transformers_still_reads_an_int8_directory(
    int8_dir: Path, deep_encoder_dir: Path
) -> None:
    there = SentenceTransformer(str(int8_dir), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(there, load_model(deep_encoder_dir, "cpu").encode(TEXTS), atol=1e-6)


def test_the_graph_is_part_of_what_an_encoder_is(
    int8_dir: Path, deep_encoder_dir: Path, tmp_path: Path
) -> None:
    assert fingerprint(int8_dir) != fingerprint(deep_encoder_dir)
    write_card(int8_dir, Card("small", compression={"method": "int8"}))
    ws = create(tmp_path / "shop", Settings(name="shop"))
    added = add(ws, str(int8_dir), "brought")
    assert added.card is not None and added.card.compression == {"method": "int8"}
    assert added.bytes == (int8_dir / GRAPH).stat().st_size
    assert encoder_fingerprint(added) != encoder_fingerprint(add(ws, str(deep_encoder_dir), "deep"))
    encoder = load_encoder(added.path, live=True)
    assert isinstance(encoder, QuantisedEncoder)


def test_a_damaged_graph_is_one_error(int8_dir: Path) -> None:
    (int8_dir / GRAPH).write_bytes(b"\0" * 100)
    with pytest.raises(RankbenchError, match=r"int8\.onnx cannot be read"):
        load_encoder(int8_dir)


def test_another_architecture_is_refused(int8_dir: Path) -> None:
    config = json.loads((int8_dir / "config.json").read_text())
    (int8_dir / "config.json").write_text(json.dumps({**config, "model_type": "mpnet"}))
    with pytest.raises(RankbenchError, match="not a plain BERT"):
        write_graph(int8_dir, int8_dir / "other.onnx")
    assert not (int8_dir / "other.onnx").exists()


def test_the_licence_is_read_from_the_front_matter_only(tmp_path: Path) -> None:
    assert licence_in(tmp_path) == ""
    page = tmp_path / "README.md"
    page.write_text("---\nlanguage: en\nlicense: apache-2.0\ntags:\n- x\n---\n# M\nlicense: mit\n")
    assert licence_in(tmp_path) == "apache-2.0"
    page.write_text("# M\nlicense: mit\n")
    assert licence_in(tmp_path) == ""
