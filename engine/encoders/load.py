"""An encoder: texts in, unit vectors out."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from engine.errors import RankbenchError, UsageError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

M = TypeVar("M")
LOADING_ERRORS = (OSError, ValueError, RuntimeError, KeyError, ImportError, TypeError)


UNREACHABLE = "it is not in the local cache, and the hub does not answer"


class Encoder(Protocol):
    """What ranking and indexing need of an encoder."""

    dim: int

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors [n, dim] float32 of queries, with the model's query prompt if it has one."""
        ...

    def encode_documents(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors [n, dim] float32 of documents, with the model's document prompt."""
        ...


class SentenceEncoder:
    """A sentence-transformers model."""

    def __init__(self, model: SentenceTransformer) -> None:
        self.model = model
        self.dim = int(model.get_embedding_dimension() or 0)
        self._options: dict[str, Any] = {
            "batch_size": 32 if model.device.type == "cpu" else 256,
            "show_progress_bar": False,
            "convert_to_numpy": True,
        }

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        return self._unit(self.model.encode_query(list(texts), **self._options))

    def encode_documents(self, texts: Sequence[str]) -> np.ndarray:
        return self._unit(self.model.encode_document(list(texts), **self._options))

    def _unit(self, vectors: Any) -> np.ndarray:
        found = np.asarray(vectors, dtype=np.float32).reshape(-1, self.dim)
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        return found / np.maximum(norms, np.float32(1e-12))


def load_model(source: Path | str, device: str | None = None) -> SentenceTransformer:
    """Load a sentence-transformers model from a directory or a hub id.

    Safetensors only, no code from the model's repository, float32 on a CPU; a GPU is used where
    there is one unless `device` says otherwise.

    Raises:
        RankbenchError: it is not there, not cached while there is no network, or cannot be loaded.
    """
    quiet_libraries()
    from sentence_transformers import SentenceTransformer

    if isinstance(source, Path) and not (source / "modules.json").is_file():
        raise RankbenchError(
            f"{source} is not a sentence-transformers directory: it holds no modules.json.",
            "Give a directory written by `model.save_pretrained`, or a hub id.",
        )

    return read_model(SentenceTransformer, source, device, lambda why: _cannot_load(source, why))


def read_model(
    kind: Callable[..., M],
    source: Path | str,
    device: str | None,
    refused: Callable[[object], RankbenchError],
) -> M:
    """A `kind` of sentence-transformers model from a directory, or a hub id's cache, else its hub.

    Safetensors only, no code from the model's repository, float32.

    Raises:
        RankbenchError: what `refused` makes of the reason why it cannot be loaded.
    """
    from safetensors import SafetensorError

    errors = (*LOADING_ERRORS, SafetensorError)

    def load(*, local: bool) -> M:
        return kind(
            str(source),
            device=device,
            trust_remote_code=False,
            local_files_only=local,
            model_kwargs={"dtype": "float32", "use_safetensors": True},
        )

    try:
        return load(local=True)
    except errors as error:
        if isinstance(source, Path):
            raise refused(error) from None
    if not hub_answers():
        raise refused(UNREACHABLE)
    try:
        return load(local=False)
    except errors as error:
        raise refused(error) from None


def _cannot_load(source: Path | str, reason: object) -> RankbenchError:
    return RankbenchError(
        f"The encoder {source} cannot be loaded: {first_line(reason)}.",
        "Check the id or path; without a network it must be in the hub's cache or a local "
        "directory (safetensors, stock modules).",
    )


def transformer_of(directory: Path) -> Path:
    """Where a sentence-transformers directory keeps its transformer."""
    try:
        modules = json.loads((directory / "modules.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return directory
    paths = [str(m.get("path", "")) for m in modules if str(m.get("type")).endswith("Transformer")]
    return directory / paths[0] if paths else directory


def layers_of(directory: Path) -> int | None:
    """How many layers the transformer of the encoder in `directory` says it has, if it does."""
    return _size_of(directory, "num_hidden_layers", "n_layers")


def width_of(directory: Path) -> int | None:
    """The width of the hidden layers that the encoder in `directory` says it has, if it does."""
    return _size_of(directory, "hidden_size", "dim")


def _size_of(directory: Path, key: str, other: str) -> int | None:
    try:
        config = json.loads((transformer_of(directory) / "config.json").read_text(encoding="utf-8"))
        found = config.get(key, config.get(other))
        return int(found) if found else None
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def first_line(reason: object) -> str:
    """What a person should read of an error, without a full stop."""
    lines = [line.strip() for line in str(reason).splitlines() if line.strip()]
    return (lines[0] if lines else repr(reason))[:240].rstrip(".")


def hub_answers(seconds: float = 5) -> bool:
    """One quick look: the hub's own client tries again for minutes where there is no network."""
    import threading
    import urllib.error
    import urllib.request

    from huggingface_hub import constants

    answered: list[bool] = []

    def look() -> None:
        try:
            urllib.request.urlopen(constants.ENDPOINT, timeout=seconds).close()
        except urllib.error.HTTPError:
            pass
        except (OSError, ValueError):
            return
        answered.append(True)

    if not constants.is_offline_mode():
        # A thread, since no timeout covers the look-up of a name.
        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        thread.join(seconds)
    return bool(answered)


def load_encoder(directory: Path, device: str | None = None, *, live: bool = False) -> Encoder:
    """Load the encoder saved in `directory`.

    On a CPU, and always for `live` queries, the light loader (`engine.encoders.light`) is used
    where the architecture allows it: it starts in a third of the time and gives the same vectors.
    Documents are encoded on a GPU where there is one. Where an int8 graph lies in `directory`,
    queries are encoded by that (`engine.encoders.quantised`).

    Args:
        live: for queries typed one at a time by a person.

    Raises:
        RankbenchError: it cannot be loaded, or it is int8 and onnxruntime is missing.
    """
    from engine.encoders.quantised import QuantisedEncoder, is_quantised

    if is_quantised(directory):
        return QuantisedEncoder(directory, lambda: load_float(directory, device, live=live))
    return load_float(directory, device, live=live)


def load_float(directory: Path, device: str | None = None, *, live: bool = False) -> Encoder:
    """`load_encoder`, by the float32 weights alone."""
    if live or device == "cpu" or (device is None and not _has_accelerator()):
        from engine.encoders.light import load_light

        light = load_light(directory)
        if light is not None:
            return light
    return SentenceEncoder(load_model(directory, device))


def _has_accelerator() -> bool:
    import torch

    return torch.cuda.is_available() or torch.backends.mps.is_available()


def check_device(name: str) -> None:
    """Raise UsageError where torch knows no device `name` ("cpu", "cuda:1"), or it is not here."""
    import torch

    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise UsageError(
            f"There is no device {name!r} here: {reason[:200]}",
            "Name devices as torch does: cpu, cuda:0, mps.",
        ) from None


def quiet_libraries() -> None:
    """Keep the libraries' progress bars and advice off the screen a person is reading."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DOWNLOAD_TIMEOUT", "10")
    for name in ("transformers", "sentence_transformers", "huggingface_hub", "httpx"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        from transformers.utils.logging import disable_progress_bar
    except ImportError:
        return
    disable_progress_bar()
