"""A cross-encoder: it reads a query and a text together and gives the pair one score.

A teacher or a reranker, never a side: it has no vectors. Its card is an encoder's `Card`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.encoders.load import (
    LOADING_ERRORS,
    UNREACHABLE,
    first_line,
    hub_answers,
    quiet_libraries,
    read_model,
    transformer_of,
)
from engine.errors import RankbenchError

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

_TODO = (
    "Give a directory written by `CrossEncoder.save_pretrained` or a hub id; "
    "`rankbench teach` trains one from your judgments."
)
_BATCH = 32


def check_directory(directory: Path) -> None:
    """Raise a RankbenchError where `directory` is plainly no cross-encoder; loads no weights."""
    try:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise _not_one(directory, "it holds no readable config.json") from None
    named = directory / "config_sentence_transformers.json"
    try:
        kind = json.loads(named.read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError):
        kind = None
    if kind is None and (directory / "modules.json").is_file():
        kind = "SentenceTransformer"  # what older versions of the library wrote
    architectures = [str(name) for name in config.get("architectures") or ()]
    classifies = any(name.endswith("ForSequenceClassification") for name in architectures)
    if kind not in (None, "CrossEncoder") or (kind is None and not classifies):
        what = kind or ", ".join(architectures) or "a model without a named architecture"
        raise _not_one(directory, f"it holds {what}")
    if not any(directory.glob("*.safetensors")):
        raise _not_one(directory, "it holds no safetensors weights")


def check_source(source: Path | str) -> None:
    """Raise a RankbenchError where `source` is plainly no cross-encoder, or a hub id that can be
    had neither from the local cache nor from the hub; loads no weights."""
    if isinstance(source, Path):
        check_directory(source)
        return
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = isinstance(try_to_load_from_cache(source, "config.json"), str)
    except HFValidationError as error:
        raise _not_one(source, first_line(error)) from None
    if not cached and not hub_answers():
        raise _not_one(source, UNREACHABLE)


def load_cross_encoder(source: Path | str, device: str | None = None) -> CrossEncoder:
    """Load a cross-encoder from a directory or a hub id.

    Safetensors only, no code from the model's repository, float32.

    Raises:
        RankbenchError: it is not there, no cross-encoder, or gives a pair more than one score.
    """
    if isinstance(source, Path):
        check_directory(source)
    quiet_libraries()
    from sentence_transformers import CrossEncoder

    model = read_model(CrossEncoder, source, device, lambda why: _not_one(source, first_line(why)))
    if model.num_labels != 1:
        raise _not_one(source, f"it gives a pair {model.num_labels} scores, not one")
    return model


def from_transformer(directory: Path, max_length: int, device: str | None = None) -> CrossEncoder:
    """A new cross-encoder on the transformer of the encoder in `directory`; its head is random.

    Args:
        max_length: tokens a pair is cut to, while training and ever after.

    Raises:
        RankbenchError: the encoder's transformer cannot be read so.
    """
    quiet_libraries()
    from sentence_transformers import CrossEncoder

    try:
        return CrossEncoder(
            str(transformer_of(directory)),
            num_labels=1,
            max_length=max_length,
            device=device,
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"dtype": "float32", "use_safetensors": True},
        )
    except LOADING_ERRORS as error:
        raise RankbenchError(
            f"The transformer in {directory} cannot become a cross-encoder: {first_line(error)}.",
            "Start from a cross-encoder: `rankbench teach --from DIR`.",
        ) from None


def score_pairs(model: CrossEncoder, query: str, documents: Sequence[str]) -> np.ndarray:
    """The logit of each pair of `query` and a document, [n] float32; higher is more relevant.

    Logits, not the model's own activation: a sigmoid near 0 or 1 would hide differences that a
    softmax over a list still needs.
    """
    import torch

    if not documents:
        return np.zeros(0, np.float32)
    found = model.predict(
        [(query, document) for document in documents],
        batch_size=_BATCH if model.device.type == "cpu" else 8 * _BATCH,
        activation_fn=torch.nn.Identity(),
        show_progress_bar=False,
        convert_to_numpy=True,
    )
    return np.asarray(found, dtype=np.float32).reshape(-1)


def weights_hash(model: CrossEncoder) -> str:
    """16 hex digits of the SHA-256 over names, shapes and values of all weights."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        array = value.detach().cpu().contiguous().numpy()
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def _not_one(source: object, why: str) -> RankbenchError:
    return RankbenchError(f"{source} is no cross-encoder: {why}.", _TODO)
