"""An encoder whose queries are encoded in int8 by onnxruntime; its documents stay in float32.

Beside the graph lie the float32 weights it was made from, a plain sentence-transformers model:
documents are encoded by those, on a GPU where there is one. Queries alone in int8 measured as good
as both (README, "A smaller encoder"), a batch of documents is no quicker in int8, and the vectors
of documents are then those of the float32 encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.encoders.fingerprint import GRAPH
from engine.encoders.light import read_prompts, read_stack, read_tokenizer
from engine.errors import RankbenchError
from engine.supervise.process import available_cores

if TYPE_CHECKING:
    from engine.encoders.load import Encoder

_BATCH = 16
# Threads that share a small graph's microseconds wait for each other (engine.encoders.threads).
_SMALL_BYTES = 100_000_000


def is_quantised(directory: Path) -> bool:
    """Whether `directory` holds an int8 graph."""
    return (directory / GRAPH).is_file()


class QuantisedEncoder:
    """Queries by an ONNX graph, documents by the float32 encoder beside it."""

    def __init__(
        self, directory: Path, documents: Callable[[], Encoder], graph: Path | None = None
    ) -> None:
        """
        Args:
            documents: loads the float32 encoder; called when a document is first asked for.
            graph: by default the directory's own.

        Raises:
            RankbenchError: onnxruntime is missing, or the graph cannot be read.
        """
        try:
            config, _ = read_stack(directory)
            self._tokenizer, self._max_length = read_tokenizer(directory, config)
            self._prompt, self._document_prompt = read_prompts(directory)
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise _damaged(directory, error) from None
        self._session = open_graph(graph or directory / GRAPH)
        self._load_documents, self._documents = documents, None
        self.dim = int(self._session.get_outputs()[0].shape[1])

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        return self._encode([self._prompt + text for text in texts])

    def encode_documents(self, texts: Sequence[str]) -> np.ndarray:
        if self._documents is None:
            self._documents = self._load_documents()
        return self._documents.encode_documents(texts)

    def encode_documents_int8(self, texts: Sequence[str]) -> np.ndarray:
        """Documents by the graph too: to compare with."""
        return self._encode([self._document_prompt + text for text in texts])

    def _encode(self, texts: Sequence[str]) -> np.ndarray:
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        vectors = np.zeros((len(texts), self.dim), np.float32)
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            vectors[rows] = self._batch([texts[i] for i in rows])
        return vectors

    def _batch(self, texts: Sequence[str]) -> np.ndarray:
        encoded = [item.ids[: self._max_length] for item in self._tokenizer.encode_batch(texts)]
        shape = len(encoded), max(map(len, encoded))
        ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, tokens in enumerate(encoded):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        return self._session.run(None, {"input_ids": ids, "attention_mask": mask})[0]


def open_graph(path: Path, threads: int = 0) -> Any:
    """An onnxruntime session on the CPU.

    Args:
        threads: by default one for a small graph, all there are for a large one.

    Raises:
        RankbenchError: onnxruntime is missing, or cannot read the file.
    """
    try:
        import onnxruntime
    except ImportError:
        raise RankbenchError(
            "An int8 encoder needs the package onnxruntime.",
            "Install it: `pip install onnxruntime`.",
        ) from None
    options = onnxruntime.SessionOptions()
    small = path.is_file() and path.stat().st_size < _SMALL_BYTES
    options.intra_op_num_threads = threads or (1 if small else available_cores())
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # its warnings would land on the screen
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors share no base but this
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> RankbenchError:
    line = (str(error).splitlines() or [repr(error)])[0]
    return RankbenchError(
        f"The int8 encoder {path} cannot be read: {line[:200]}",
        "Remove it with `rankbench encoders --remove NAME` and make it again: "
        "`rankbench compress ENCODER`.",
    )
