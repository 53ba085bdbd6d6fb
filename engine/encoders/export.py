"""An encoder out of the workspace, for production: a plain sentence-transformers directory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from engine.encoders.registry import resolve
from engine.errors import RankbenchError, UsageError
from engine.workspace import Workspace, unwritable

Progress = Callable[[int, int], None]
# Weights, settings, vocabularies and a model's own page.
_SUFFIXES = {".safetensors", ".onnx", ".bin", ".json", ".jinja", ".txt", ".model", ".md"}
_BLOCK = 8 * 1024 * 1024


def export_encoder(
    ws: Workspace,
    name: str,
    target: Path,
    progress: Progress | None = None,
    *,
    replace: bool = False,
) -> Path:
    """Copy the encoder `name` to `target`, which appears complete or not at all.

    The card goes with it: what it was trained on, and how it did.

    Args:
        progress: called with (bytes copied, bytes in all).
        replace: put it in the place of another exported encoder, or of an empty directory. One
            that holds anything else too, or a file of a kind that no export writes, stays.

    Raises:
        UsageError: `target` lies where the workspace keeps its own encoders.
        RankbenchError: there is no such encoder, `target` exists, or the disk refuses.
    """
    info = resolve(ws, name)
    target = Path(target).expanduser().resolve()
    own = ws.encoders_dir.resolve()
    if target == info.path.resolve() or target == own or own in target.parents:
        raise UsageError(f"{target} is the workspace's own.", "Name a directory outside of it.")
    files = _files(info.path)
    _check_free(target, replace, {path.relative_to(info.path) for path in files})
    work = target.with_name(f".{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(work, ignore_errors=True)
        _copy(files, info.path, work, progress or (lambda done, total: None))
        _put(work, target)
    except OSError as error:
        raise unwritable(target.parent, error) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _check_free(target: Path, replace: bool, written: Collection[Path]) -> None:
    if not target.exists():
        return
    if not replace:
        raise RankbenchError(
            f"{target} exists already.", "Name another directory, or add `--force` to replace it."
        )
    if not target.is_dir():
        raise RankbenchError(f"{target} is a file.", "Name a directory.")
    if any(target.iterdir()) and not (target / "modules.json").is_file():
        raise RankbenchError(
            f"{target} holds something else than an encoder, and is left as it is.",
            "Name another directory.",
        )
    for path in target.rglob("*"):
        inside = path.relative_to(target)
        if inside not in written and _is_foreign(path, inside):
            raise RankbenchError(
                f"{target} holds more than an encoder ({inside}), and is left as it is.",
                "Move that out of it, or name another directory.",
            )


def _is_foreign(path: Path, inside: Path) -> bool:
    """Whether no export of any encoder has such an entry."""
    if any(part.startswith(".") for part in inside.parts) or path.is_symlink():
        return True
    return not path.is_dir() and path.suffix not in _SUFFIXES


def _files(source: Path) -> list[Path]:
    """What is copied of an encoder: no code."""
    return [
        path
        for path in sorted(source.rglob("*"))
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
    ]


def _copy(files: Sequence[Path], source: Path, work: Path, progress: Progress) -> None:
    total = sum(path.stat().st_size for path in files)
    done = 0
    for path in files:
        copy = work / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as read, copy.open("wb") as written:
            while block := read.read(_BLOCK):
                written.write(block)
                done += len(block)
                progress(done, total)


def _put(work: Path, target: Path) -> None:
    """Rename `work` to `target`; what stood there is out of the way first, and back on a fault."""
    before = target.with_name(f".{target.name}.before")
    shutil.rmtree(before, ignore_errors=True)
    if not target.exists():
        os.replace(work, target)
        return
    os.replace(target, before)
    try:
        os.replace(work, target)
    except OSError:
        os.replace(before, target)
        raise
    shutil.rmtree(before, ignore_errors=True)
