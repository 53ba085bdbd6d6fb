"""The light loader, fingerprints, the packaged encoder and the registry."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.encoders import packaged
from engine.encoders.card import Card, write_card
from engine.encoders.fingerprint import fingerprint
from engine.encoders.light import LightEncoder, load_light
from engine.encoders.load import SentenceEncoder, load_encoder, load_model
from engine.encoders.registry import add, check_name, list_encoders, resolve
from engine.errors import RankbenchError, UsageError
from engine.index.build import build_index, remove_encoder
from engine.workspace import Workspace

TEXTS = [
    "red tent",
    "long " * 200,
    "",
    "😀 tente à pointe 中文",
    "size [/] 10",
    "a\u200fb\x1b[31mc",
]


@pytest.fixture
def own(tiny_encoder_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_encoder_dir, tmp_path / "model"))


def edit(path: Path, **changes: object) -> None:
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, **changes}))


@pytest.mark.parametrize("which", ["tiny", "packaged"])
def test_light_and_sentence_transformers_vectors_agree(which: str, tiny_encoder_dir: Path) -> None:
    directory = tiny_encoder_dir if which == "tiny" else packaged.packaged_model_dir()
    light, full = load_light(directory), SentenceEncoder(load_model(directory, "cpu"))
    assert isinstance(light, LightEncoder)
    assert light.dim == full.dim
    for encode in ("encode_queries", "encode_documents"):
        ours, theirs = getattr(light, encode)(TEXTS), getattr(full, encode)(TEXTS)
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)


def test_prompts_are_respected_and_change_vectors(own: Path) -> None:
    plain = load_encoder(own, live=True).encode_queries(["tent"])
    config = own / "config_sentence_transformers.json"
    edit(config, prompts={"query": "search: ", "document": "item: "})
    light, full = load_encoder(own, live=True), SentenceEncoder(load_model(own, "cpu"))
    assert isinstance(light, LightEncoder)
    for encode in ("encode_queries", "encode_documents"):
        np.testing.assert_allclose(
            getattr(light, encode)(["tent"]), getattr(full, encode)(["tent"]), atol=1e-5
        )
    assert np.abs(light.encode_queries(["tent"]) - plain).max() > 1e-3
    query, document = light.encode_queries(["tent"]), light.encode_documents(["tent"])
    assert np.abs(query - document).max() > 1e-3


def test_an_architecture_the_light_loader_does_not_know_is_left_to_the_library(own: Path) -> None:
    edit(own / "1_Pooling" / "config.json", pooling_mode="max")
    assert load_light(own) is None
    vectors = load_encoder(own, live=True).encode_queries(["tent"])
    np.testing.assert_allclose(np.linalg.norm(vectors), 1, atol=1e-5)


def test_fingerprint_follows_weights_tokenizer_and_prompts_but_not_the_card(own: Path) -> None:
    first = fingerprint(own)
    (own / "card.json").write_text("{}")
    assert fingerprint(own) == first
    edit(own / "config_sentence_transformers.json", prompts={"query": "q: "})
    second = fingerprint(own)
    weights = own / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    third = fingerprint(own)
    (own / "tokenizer.json").write_text((own / "tokenizer.json").read_text() + " ")
    assert len({first, second, third, fingerprint(own)}) == 4


def test_changed_packaged_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"other")
    packaged.check_packaged(packaged.packaged_model_dir())
    with pytest.raises(RankbenchError, match="not the published"):
        packaged.check_packaged(tmp_path)


def test_a_directory_without_safetensors_is_refused(own: Path, tiny_workspace: Workspace) -> None:
    (own / "model.safetensors").unlink()
    with pytest.raises(RankbenchError):
        add(tiny_workspace, str(own), "broken")
    assert [p.name for p in tiny_workspace.encoders_dir.iterdir()] == ["base"]


def test_an_unknown_hub_id_without_a_network_is_one_clear_error(
    tiny_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(RankbenchError) as caught:
        add(tiny_workspace, "nobody/there-is-no-such-model", "far")
    assert "\n" not in caught.value.what and "cannot be loaded" in caught.value.what
    assert "network" in caught.value.todo


def test_an_added_encoder_is_listed_indexed_and_removed(
    tiny_workspace: Workspace, own: Path
) -> None:
    ws = tiny_workspace
    info = add(ws, str(own), "second")
    assert info.card is not None and info.card.recipe is None
    assert [e.name for e in list_encoders(ws)] == ["base", "second"]
    with pytest.raises(RankbenchError, match="already"):
        add(ws, str(own), "second")
    build_index(ws, "second")
    remove_encoder(ws, "second")
    assert [e.name for e in list_encoders(ws)] == ["base"]
    with pytest.raises(RankbenchError, match="no encoder called"):
        resolve(ws, "second")
    with pytest.raises(RankbenchError, match="base"):
        remove_encoder(ws, "base")


def test_an_added_tuned_encoder_brings_what_it_has_seen(
    tiny_workspace: Workspace, own: Path
) -> None:
    told = Card(name="there", base="base", recipe={"name": "infonce"}, trained_queries=("tent",))
    write_card(own, told)
    info = add(tiny_workspace, str(own), "here")
    assert info.tuned and info.card is not None
    assert info.card.seen_queries() == ("tent",) and info.card.name == "here"


def test_a_missing_base_of_ones_own_is_not_replaced_by_the_packaged(
    tiny_workspace: Workspace,
) -> None:
    ws = tiny_workspace.save(replace(tiny_workspace.settings, encoder="some/model"))
    shutil.rmtree(ws.encoders_dir / "base")
    with pytest.raises(RankbenchError, match="missing"):
        resolve(ws, "base")


@pytest.mark.parametrize(
    "name", ["base", "bm25", "hybrid", "run", "../x", "", "a b", ".hidden", "x" * 80]
)
def test_names_a_side_or_a_file_cannot_carry_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        check_name(name)


def test_a_half_written_encoder_is_never_offered(tiny_workspace: Workspace, own: Path) -> None:
    shutil.copytree(own, tiny_workspace.encoders_dir / ".new.partial")
    shutil.copytree(own, tiny_workspace.encoders_dir / "no-card")
    assert [e.name for e in list_encoders(tiny_workspace)] == ["base"]
