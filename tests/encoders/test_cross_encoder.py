"""Cross-encoders: what is one, what is none, and what a score is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from engine.encoders.cross_encoder import (
    check_directory,
    from_transformer,
    load_cross_encoder,
    score_pairs,
    weights_hash,
)
from engine.errors import RankbenchError

DOCUMENTS = ["red sneaker classic", "blue tent", "red sneaker lace", ""]


def test_scores_are_the_logits_of_the_pair(tiny_cross_encoder_dir: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    ours = score_pairs(load_cross_encoder(tiny_cross_encoder_dir), "red sneaker", DOCUMENTS)
    plain = AutoModelForSequenceClassification.from_pretrained(tiny_cross_encoder_dir).eval()
    read = AutoTokenizer.from_pretrained(tiny_cross_encoder_dir)
    with torch.no_grad():
        theirs = [
            plain(**read("red sneaker", document, return_tensors="pt")).logits.item()
            for document in DOCUMENTS
        ]
    assert ours.dtype == np.float32 and ours == pytest.approx(theirs, abs=1e-5)
    assert len(score_pairs(load_cross_encoder(tiny_cross_encoder_dir), "red", [])) == 0


def test_what_is_no_cross_encoder_is_told_so(
    tiny_encoder_dir: Path, tiny_cross_encoder_dir: Path, tmp_path: Path
) -> None:
    def refused(directory: Path, *words: str) -> None:
        with pytest.raises(RankbenchError) as caught:
            load_cross_encoder(directory)
        assert "no cross-encoder" in caught.value.what and "rankbench teach" in caught.value.todo
        assert all(word in caught.value.what for word in words), caught.value.what

    refused(tiny_encoder_dir, "SentenceTransformer")
    refused(tmp_path, "config.json")
    # A transformer without a head would get a random one, silently.
    headless = Path(shutil.copytree(tiny_encoder_dir, tmp_path / "headless"))
    for name in ("modules.json", "config_sentence_transformers.json"):
        (headless / name).unlink()
    refused(headless, "BertModel")
    pickled = Path(shutil.copytree(tiny_cross_encoder_dir, tmp_path / "pickled"))
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    refused(pickled, "safetensors")
    cut = Path(shutil.copytree(tiny_cross_encoder_dir, tmp_path / "cut"))
    (cut / "model.safetensors").write_bytes(b"nonsense")
    refused(cut)
    classes = Path(shutil.copytree(tiny_cross_encoder_dir, tmp_path / "classes"))
    config = json.loads((classes / "config.json").read_text())
    config |= {"id2label": {"0": "a", "1": "b", "2": "c"}, "label2id": {"a": 0, "b": 1, "c": 2}}
    (classes / "config.json").write_text(json.dumps(config))
    refused(classes)
    with pytest.raises(RankbenchError, match="hub does not answer"):
        load_cross_encoder("nobody/has-this-one")


def test_an_encoder_of_plain_weights_alone_passes_the_check(
    tiny_cross_encoder_dir: Path, tmp_path: Path
) -> None:
    """What `transformers` alone writes has no sentence-transformers files."""
    plain = Path(shutil.copytree(tiny_cross_encoder_dir, tmp_path / "plain"))
    for name in ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"):
        (plain / name).unlink(missing_ok=True)
    check_directory(plain)
    a, b = load_cross_encoder(plain), load_cross_encoder(tiny_cross_encoder_dir)
    assert weights_hash(a) == weights_hash(b)


def test_a_new_one_has_the_encoders_transformer(tiny_encoder_dir: Path) -> None:
    from engine.encoders.load import load_model

    model = from_transformer(tiny_encoder_dir, 40)
    theirs = load_model(tiny_encoder_dir).state_dict()
    ours = model.state_dict()
    name = "embeddings.word_embeddings.weight"
    (mine,) = [value for key, value in ours.items() if key.endswith(name)]
    (other,) = [value for key, value in theirs.items() if key.endswith(name)]
    assert bool((mine == other).all()) and model.max_seq_length == 40 and model.num_labels == 1
