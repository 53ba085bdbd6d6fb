"""Vectors kept on disk by the hash of their text: one file an encoder, a cache and no more."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np


def read_vectors(path: Path, dim: int) -> dict[str, np.ndarray]:
    """Hash -> vector [dim]; empty where there is no file, or none that fits."""
    try:
        with np.load(path) as data:
            keys, vectors = data["keys"].tolist(), data["vectors"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}
    if vectors.ndim != 2 or vectors.shape != (len(keys), dim):
        return {}
    return dict(zip(keys, vectors, strict=True))


def write_vectors(path: Path, kept: Mapping[str, np.ndarray]) -> None:
    """Write `kept`, not empty, beside and rename. What cannot be written costs time, no more."""
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(exist_ok=True)
        with beside.open("wb") as file:
            np.savez(file, keys=np.array(list(kept)), vectors=np.stack(list(kept.values())))
        os.replace(beside, path)
    except OSError:
        beside.unlink(missing_ok=True)
