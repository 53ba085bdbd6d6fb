"""The encoders of a workspace: which there are, where they lie, how one comes and goes."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from engine.encoders.card import Card, read_card, write_card
from engine.encoders.fingerprint import fingerprint
from engine.encoders.packaged import NAME as PACKAGED_NAME
from engine.encoders.packaged import check_packaged, packaged_model_dir
from engine.errors import RankbenchError, UsageError
from engine.workspace import Workspace, unwritable

BASE = "base"
_RESERVED = ("bm25", "hybrid", "run")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class EncoderInfo:
    """One encoder of a workspace.

    Attributes:
        name: how a side is named after it.
        path: its sentence-transformers directory.
        source: the hub id or path it came from, or the recipe that made it.
        card: what was said of it when it was made; None for the packaged base.
        bytes: size of its weights on disk.
    """

    name: str
    path: Path
    source: str
    card: Card | None
    bytes: int


def list_encoders(ws: Workspace) -> list[EncoderInfo]:
    """The base first, then the others by age. A directory without modules or card is no encoder."""
    names = [
        path.name
        for path in sorted(_children(ws.encoders_dir), key=lambda p: (p.stat().st_mtime, p.name))
        if _is_encoder(path) and path.name != BASE
    ]
    return [resolve(ws, name) for name in (BASE, *names)]


def resolve(ws: Workspace, name: str) -> EncoderInfo:
    """Find the encoder called `name`.

    Raises:
        RankbenchError: there is none of that name; the message lists those there are.
    """
    path = ws.encoders_dir / name
    if _NAME.fullmatch(name) and _is_encoder(path):
        card = read_card(path)
        source = card.base if card.recipe is None else f"{card.base} + {card.recipe.get('name')}"
        return EncoderInfo(name, path, source, card, _weight_bytes(path))
    if name == BASE:
        packaged = packaged_model_dir()
        return EncoderInfo(BASE, packaged, PACKAGED_NAME, None, _weight_bytes(packaged))
    known = [BASE, *(p.name for p in _children(ws.encoders_dir) if _is_encoder(p))]
    raise RankbenchError(
        f"There is no encoder called {name!r} in this workspace.",
        f"There are: {', '.join(dict.fromkeys(known))}; `rankbench encoders --add ID` adds one.",
    )


def encoder_fingerprint(info: EncoderInfo) -> str:
    """The fingerprint of an encoder as it lies on disk now; checks the packaged one's SHA-256."""
    if info.card is None:
        check_packaged(info.path)
    return fingerprint(info.path)


def check_name(name: str) -> str:
    """Return `name` if an encoder may be called so.

    Raises:
        UsageError: reserved, or with characters that a side or a file cannot carry.
    """
    if not _NAME.fullmatch(name) or name.lower() in _RESERVED:
        raise UsageError(
            f"{name!r} cannot be an encoder's name.",
            "Use letters, digits, dots, dashes and underscores; not bm25, hybrid or run.",
        )
    return name


def add(ws: Workspace, source: str, name: str | None = None) -> EncoderInfo:
    """Copy a local sentence-transformers directory, or a hub model, into the workspace.

    Args:
        source: a directory or a hub id.
        name: what to call it; by default the last part of `source`.

    Raises:
        RankbenchError: the name is taken, or the model cannot be loaded (nothing is left behind).
    """
    from engine.encoders.load import load_model

    chosen = check_name(name or Path(source).name.lower())
    if _is_encoder(ws.encoders_dir / chosen):
        raise RankbenchError(
            f"There is an encoder called {chosen!r} already.",
            "Choose another with `--name`, or remove that one with `rankbench encoders --remove`.",
        )
    local = Path(source).expanduser()
    model = load_model(local.resolve() if local.is_dir() else source, "cpu")
    if not model.get_embedding_dimension():
        raise RankbenchError(
            f"{source} gives no sentence vector.", "Choose a model with a pooling layer."
        )
    work = ws.encoders_dir / f".{chosen}.partial"
    try:
        shutil.rmtree(work, ignore_errors=True)
        model.save_pretrained(str(work), create_model_card=False)
        write_card(work, Card(name=chosen, base=source, base_fingerprint=fingerprint(work)))
        publish(ws, work, chosen)
    except OSError as error:
        raise unwritable(ws.encoders_dir, error) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return resolve(ws, chosen)


def publish(ws: Workspace, work: Path, name: str) -> Path:
    """Rename a finished encoder directory into place; the only way one appears.

    Raises:
        RankbenchError: the name was taken meanwhile, or another writer holds the workspace.
    """
    target = ws.encoders_dir / name
    with ws.writer_lock(timeout=60):
        if target.exists():
            raise RankbenchError(
                f"There is an encoder called {name!r} already.", "Choose another with `--name`."
            )
        os.replace(work, target)
    return target


def discard(ws: Workspace, name: str) -> None:
    """Delete an encoder's directory; its builds are `engine.index.build.remove_encoder`'s.

    The caller holds the writer lock.

    Raises:
        RankbenchError: it is the base, or there is none of that name.
    """
    if name == BASE:
        raise RankbenchError(
            "The base encoder cannot be removed.", "Make another workspace with `init --encoder`."
        )
    info = resolve(ws, name)
    # Out of sight first: a directory half deleted must never be offered.
    doomed = ws.encoders_dir / f".{name}.removed"
    shutil.rmtree(doomed, ignore_errors=True)
    os.replace(info.path, doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _children(directory: Path) -> list[Path]:
    return [p for p in directory.iterdir() if p.is_dir()] if directory.is_dir() else []


def _is_encoder(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return not hidden and (path / "modules.json").is_file() and (path / "card.json").is_file()


def _weight_bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*.safetensors"))
