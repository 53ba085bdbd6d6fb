"""Checkpoints that are whole or not there: written beside, flushed, listed, then renamed.

A directory `checkpoint-<step>` with a `whole.json` in it that names every file, its size and its
digest. What a kill or a full disk cuts short has no such list, or does not agree with it, and is
passed over; what a bad disk changed is dropped before a run would go on from it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.encoders.save import flush
from engine.supervise.whole import LIST, listing

KEPT = 2
_PARTIAL = ".partial"


def save(place: Path, step: int, key: str, write: Callable[[Path], None]) -> Path:
    """Let `write` fill a directory, then make it a checkpoint and drop all but the newest two.

    Args:
        key: what the run is (`run_key`); another run does not go on from it.

    Raises:
        OSError, RuntimeError: the disk refuses; older checkpoints stay, the half one goes.
    """
    partial = place / _PARTIAL / f"checkpoint-{step}"
    target = place / partial.name
    try:
        partial.mkdir(parents=True, exist_ok=True)
        write(partial)
        sizes, digests = {}, {}
        for file in sorted(path for path in partial.rglob("*") if path.is_file()):
            flush(file)
            name = file.relative_to(partial).as_posix()
            sizes[name], digests[name] = file.stat().st_size, _digest(file)
        names = partial / LIST
        told = {"key": key, "step": step, "files": sizes, "digests": digests}
        names.write_text(json.dumps(told))
        flush(names)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(partial, target)
        flush(place)
    finally:
        shutil.rmtree(place / _PARTIAL, ignore_errors=True)
    prune(place, KEPT)
    return target


def newest(place: Path, key: str, dropped: Callable[[int], None]) -> Path | None:
    """The newest whole checkpoint of the run `key` that reads as it was written, or None.

    Newer ones that do not are deleted, so that none is kept in the place of a sound one.

    Args:
        dropped: called with the step of each that is deleted.
    """
    for path in _ordered(place):
        if listing(path).get("key") != key:
            continue
        if _sound(path):
            return path
        shutil.rmtree(path, ignore_errors=True)
        dropped(_step(path))
    return None


def others(place: Path, key: str) -> bool:
    """Whether there is a whole checkpoint, but of a run with other data or settings."""
    return any(listing(path).get("key", key) != key for path in _ordered(place))


def prune(place: Path, keep: int) -> None:
    """Delete all but the newest `keep` whole checkpoints."""
    for path in _ordered(place)[keep:]:
        shutil.rmtree(path, ignore_errors=True)


def run_key(*parts: Any) -> str:
    """16 hex digits for what makes a run what it is; JSON values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _ordered(place: Path) -> list[Path]:
    found = [path for path in place.glob("checkpoint-*") if path.name[11:].isdigit()]
    whole = [path for path in found if listing(path)]
    return sorted(whole, key=_step, reverse=True)


def _step(path: Path) -> int:
    return int(path.name[11:])


def _sound(path: Path) -> bool:
    """Whether every file has the bytes that were written; one without a digest counts as sound."""
    digests = listing(path).get("digests", {})
    try:
        return all(_digest(path / name) == digest for name, digest in digests.items())
    except OSError:
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()
