"""The identity of an encoder: a hash of what decides its vectors."""

from __future__ import annotations

import hashlib
from pathlib import Path

from engine.errors import RankbenchError

GRAPH = "int8.onnx"
"""The file that makes an encoder directory a quantised one (`engine.encoders.quantised`)."""
_TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
)
# Modules, pooling, lengths and prompts change vectors without changing weights.
_CONFIGURATION = (
    "modules.json",
    "config.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
)


def fingerprint(directory: Path) -> str:
    """Hash an encoder directory's weights, tokenizer and configuration.

    Returns:
        16 hexadecimal digits of a SHA-256 over (relative name, content) pairs, an int8 graph's
        too. Cards, read-mes and absolute paths do not enter.

    Raises:
        RankbenchError: the directory holds no safetensors weights.
    """
    files = sorted(
        path
        for path in directory.rglob("*")
        if path.suffix == ".safetensors" or path.name in (*_TOKENIZER, *_CONFIGURATION)
    )
    if (directory / GRAPH).is_file():
        files.append(directory / GRAPH)
    if not any(path.suffix == ".safetensors" for path in files):
        raise RankbenchError(
            f"{directory} holds no safetensors weights.",
            "Give a sentence-transformers directory saved with safe_serialization, or a hub id.",
        )
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.relative_to(directory).as_posix().encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
