"""What the items were read from, by content: dates on files lie in both directions."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from engine.errors import RankbenchError
from engine.workspace import unwritable

FILE_NAME = "catalog.json"
# Raised where the same file is to be read into other items than before.
_READING = 1


def stamp(file: Path, columns: Mapping[str, str], template: str) -> dict[str, object]:
    """The catalog file's SHA-256 and the settings under which it is read.

    Raises:
        RankbenchError: the file cannot be read.
    """
    try:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise RankbenchError(
            f"Cannot read {file}: {error.strerror or error}.", "Check the path and its permissions."
        ) from None
    columns = dict(columns)
    return {"reading": _READING, "sha256": digest, "columns": columns, "template": template}


def read_stamp(directory: Path) -> dict[str, object] | None:
    """The stamp that was kept in `directory`, or None where there is none to be read."""
    try:
        kept = json.loads((directory / FILE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return kept if isinstance(kept, dict) else None


def keep_stamp(directory: Path, value: Mapping[str, object] | None) -> None:
    """Write the stamp beside and rename it into place; None takes it away.

    Raises:
        RankbenchError: the disk refuses.
    """
    path = directory / FILE_NAME
    beside = path.with_name(f"{FILE_NAME}.tmp")
    try:
        if value is None:
            path.unlink(missing_ok=True)
            return
        directory.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        raise unwritable(directory, error) from None
