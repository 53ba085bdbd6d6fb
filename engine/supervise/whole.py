"""Whether a checkpoint is whole: its list names every file with its size.

That is cheap enough to ask at every look at a job; whether the bytes are those that were written,
the run itself asks before it goes on from one.
"""

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


def newest_step(place: Path) -> int | None:
    """The step of the newest whole checkpoint in the directory `place`, None without one."""
    steps = [p.name.rpartition("-")[2] for p in place.glob("checkpoint-*") if listing(p)]
    return max((int(step) for step in steps if step.isdigit()), default=None)
