"""An encoder out of the workspace, for production: a plain sentence-transformers directory."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from engine.encoders.registry import resolve
from engine.errors import RankbenchError
from engine.workspace import Workspace, unwritable


def export_encoder(ws: Workspace, name: str, target: Path) -> Path:
    """Copy the encoder `name` to `target`, which appears complete or not at all.

    The card goes with it: what it was trained on, and how it did.

    Raises:
        RankbenchError: there is no such encoder, `target` exists, or the disk refuses.
    """
    info = resolve(ws, name)
    target = Path(target).expanduser().absolute()
    if target.exists():
        raise RankbenchError(f"{target} exists already.", "Name another directory.")
    work = target.with_name(f".{target.name}.partial")
    try:
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(info.path, work, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        os.replace(work, target)
    except OSError as error:
        raise unwritable(target.parent, error) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target
