"""The encoders of a workspace: which there are, where they lie, how one comes and goes."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from engine.encoders.card import Card, read_card, write_card
from engine.encoders.fingerprint import GRAPH, fingerprint
from engine.encoders.licence import licence_in
from engine.encoders.packaged import NAME as PACKAGED_NAME
from engine.encoders.packaged import check_packaged, packaged_model_dir
from engine.encoders.save import flush, flush_tree, save_model
from engine.errors import RankbenchError, UsageError
from engine.workspace import Workspace, unwritable

BASE = "base"
_RESERVED = (BASE, "bm25", "hybrid", "run")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class EncoderInfo:
    """One encoder of a workspace.

    Attributes:
        name: how a side is named after it.
        path: its sentence-transformers directory.
        source: the hub id or path it came from, or the recipe that made it.
        card: what was said of it when it was made; None for the packaged base.
        bytes: size on disk of the weights that encode queries.
        fault: why its card cannot be read; "" for a sound one.
    """

    name: str
    path: Path
    source: str
    card: Card | None
    bytes: int
    fault: str = ""

    @property
    def tuned(self) -> bool:
        """Whether a recipe made it, here or where it was added from."""
        return self.card is not None and self.card.recipe is not None


def list_encoders(ws: Workspace) -> list[EncoderInfo]:
    """The base first, then the others by age; one whose card cannot be read carries its `fault`."""
    found: dict[tuple[float, float, str], EncoderInfo] = {}
    for path in _children(ws.encoders_dir):
        # One that another process removes meanwhile is not there.
        with suppress(FileNotFoundError):
            if _is_encoder(path):
                info = _info(path)
                found[_age(info)] = info
    ordered = [found[age] for age in sorted(found)]
    base = [info for info in ordered if info.name == BASE] or [resolve(ws, BASE)]
    return [*base, *(info for info in ordered if info.name != BASE)]


def _age(info: EncoderInfo) -> tuple[float, float, str]:
    """When it was made, as its card says: the directory's time moves with every new card."""
    changed = info.path.stat().st_mtime
    try:
        made = datetime.fromisoformat(info.card.created if info.card else "").timestamp()
    except ValueError:
        made = changed
    return made, changed, info.name


def resolve(ws: Workspace, name: str) -> EncoderInfo:
    """Find the encoder called `name`.

    Raises:
        RankbenchError: there is none of that name (the message lists those there are), its card
            cannot be read, or the workspace's own base is missing.
    """
    path = ws.encoders_dir / name
    if _NAME.fullmatch(name) and _is_encoder(path):
        read_card(path)
        return _info(path)
    if name == BASE and ws.settings.encoder:
        raise RankbenchError(
            f"The base encoder {ws.settings.encoder} is missing from {ws.encoders_dir}.",
            "Restore encoders/base, or bring it again: "
            "`rankbench init --catalog FILE --force --encoder ID`.",
        )
    if name == BASE:
        packaged = packaged_model_dir()
        return EncoderInfo(BASE, packaged, PACKAGED_NAME, None, _weight_bytes(packaged))
    known = {BASE, *(p.name for p in _children(ws.encoders_dir) if _is_encoder(p))}
    raise RankbenchError(
        f"There is no encoder called {name!r} in this workspace.",
        f"There are: {', '.join(sorted(known))}; `rankbench encoders --add ID` adds one.",
    )


def _info(path: Path) -> EncoderInfo:
    try:
        card, fault = read_card(path) or Card(path.name), ""
    except RankbenchError as error:
        card, fault = Card(path.name), error.what
    source = f"{card.base} + {card.made_by}" if card.made_by else card.base
    return EncoderInfo(path.name, path, source, card, _weight_bytes(path), fault)


def encoder_fingerprint(info: EncoderInfo) -> str:
    """The fingerprint of an encoder as it lies on disk now; checks the packaged one's SHA-256."""
    if info.card is None:
        check_packaged(info.path)
    return fingerprint(info.path)


def check_name(name: str, what: str = "an encoder") -> str:
    """Return `name` if an encoder, or another thing that is kept under its name, may have it.

    Raises:
        UsageError: reserved, or with characters that a side or a file cannot carry.
    """
    if not _NAME.fullmatch(name) or name.lower() in _RESERVED:
        raise UsageError(
            f"{name!r} cannot be {what}'s name.",
            "Use letters, digits, dots, dashes and underscores; not base, bm25, hybrid or run.",
        )
    return name


def add(ws: Workspace, source: str, name: str | None = None) -> EncoderInfo:
    """Copy a local sentence-transformers directory, or a hub model, into the workspace.

    What a tuned encoder's card says of the queries it has seen comes along.

    Args:
        source: a directory or a hub id.
        name: what to call it; by default the last part of `source`.

    Raises:
        UsageError: a name that an encoder cannot have.
        RankbenchError: the name is taken, or the model cannot be loaded (nothing is left behind).
    """
    return _copy_in(ws, source, check_name(name or Path(source).name.lower()))


def add_base(ws: Workspace, source: str) -> EncoderInfo:
    """Make a directory or a hub model the base of a workspace that has none of its own yet.

    Raises:
        RankbenchError: it has one, or the model cannot be loaded (nothing is left behind).
    """
    return _copy_in(ws, source, BASE)


def _copy_in(ws: Workspace, source: str, name: str) -> EncoderInfo:
    from engine.encoders.load import load_model

    if _is_encoder(ws.encoders_dir / name):
        raise RankbenchError(
            f"There is an encoder called {name!r} already.",
            "Choose another with `--name`, or remove that one with `rankbench encoders --remove`.",
        )
    local = Path(source).expanduser()
    told = read_card(local) if local.is_dir() else None
    model = load_model(local.resolve() if local.is_dir() else source, "cpu")
    if not model.get_embedding_dimension():
        raise RankbenchError(
            f"{source} gives no sentence vector.", "Choose a model with a pooling layer."
        )
    work = ws.encoders_dir / f".{name}.partial"
    try:
        shutil.rmtree(work, ignore_errors=True)
        save_model(model, work)
        if (local / GRAPH).is_file():
            shutil.copyfile(local / GRAPH, work / GRAPH)
        licence = licence_in(local) if local.is_dir() else ""
        card = Card(name, source, base_fingerprint=fingerprint(work), licence=licence)
        write_card(work, replace(told, name=name, parents=()) if told else card)
        publish(ws, work, name)
    except OSError as error:
        raise unwritable(ws.encoders_dir, error) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return _info(ws.encoders_dir / name)


def publish(ws: Workspace, work: Path, name: str, timeout: float = 60) -> Path:
    """Flush a finished encoder directory and rename it into place; the only way one appears.

    Raises:
        OSError: the disk refuses.
        RankbenchError: the name was taken meanwhile, or another writer holds the workspace for
            longer than `timeout` seconds.
    """
    target = ws.encoders_dir / name
    flush_tree(work)  # before the lock: nobody need wait for it
    with ws.writer_lock(timeout=timeout):
        if target.exists():
            raise RankbenchError(
                f"There is an encoder called {name!r} already.", "Choose another with `--name`."
            )
        os.replace(work, target)
        flush(ws.encoders_dir)
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
    path = ws.encoders_dir / name
    if not (_NAME.fullmatch(name) and _is_encoder(path)):
        resolve(ws, name)
    # Out of sight first: a directory half deleted must never be offered.
    doomed = ws.encoders_dir / f".{name}.removed"
    shutil.rmtree(doomed, ignore_errors=True)
    os.replace(path, doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _children(directory: Path) -> list[Path]:
    return [p for p in directory.iterdir() if p.is_dir()] if directory.is_dir() else []


def _is_encoder(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return not hidden and (path / "modules.json").is_file() and (path / "card.json").is_file()


def _weight_bytes(path: Path) -> int:
    """What is read to encode queries: the int8 graph where there is one."""
    if (path / GRAPH).is_file():
        return (path / GRAPH).stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*.safetensors"))
