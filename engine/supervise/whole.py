"""Whether a checkpoint is whole: its list names every file with its size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LIST = "whole.json"


def listing(path: Path) -> dict[str, Any]:
    """What the checkpoint's list says where it agrees with the files; else {}."""
    try:
        found = json.loads((path / LIST).read_text())
        right = all((path / n).stat().st_size == size for n, size in found["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return found if right else {}
