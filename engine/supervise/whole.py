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
    """The step that a run with its checkpoints in `place` goes on from, None without any.

    The newest whole checkpoint's, after those of the stages that ended: a stage counts its own.
    """
    steps = [p.name.rpartition("-")[2] for p in place.glob("checkpoint-*") if listing(p)]
    newest = max((int(step) for step in steps if step.isdigit()), default=None)
    ended = [steps for path in place.glob("stage-*.json") if (steps := _stage_steps(path))]
    return newest if newest is None and not ended else sum(ended) + (newest or 0)


def tell_stage(kept: Path, steps: int, size: int) -> None:
    """Say beside the file `kept`, `size` bytes when whole, that a stage of `steps` has ended."""
    told = {"steps": steps, "size": size}
    kept.with_suffix(".json").write_text(json.dumps(told))


def _stage_steps(path: Path) -> int:
    try:
        told = json.loads(path.read_text())
        whole = path.with_suffix(".pt").stat().st_size == told["size"]
        return int(told["steps"]) if whole else 0
    except (OSError, ValueError, KeyError, TypeError):
        return 0
