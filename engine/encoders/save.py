"""Writing a model: safetensors has an error of its own for a disk that refuses."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_NUMBER = re.compile(r"\(os error (\d+)\)")


def save_model(model: SentenceTransformer, directory: Path) -> None:
    """Write `model` as a plain sentence-transformers directory of safetensors.

    Raises:
        OSError: the disk refuses.
    """
    from safetensors import SafetensorError

    try:
        model.save_pretrained(str(directory), create_model_card=False, safe_serialization=True)
    except SafetensorError as error:
        number = _NUMBER.search(str(error))
        if number is None:
            raise OSError(str(error)) from error
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error
