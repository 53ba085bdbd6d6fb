"""The teachers of a workspace: which there are, and what a teacher's name means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from engine.encoders.card import FILE_NAME, Card, read_card
from engine.encoders.cross_encoder import check_directory, check_source
from engine.encoders.registry import check_name
from engine.errors import RankbenchError
from engine.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Teacher:
    """A cross-encoder that may teach.

    Attributes:
        id: as it was named.
        source: its directory, or a hub id.
        card: what is known of its training; None for one that came from elsewhere without a card.
    """

    id: str
    source: Path | str
    card: Card | None = None

    @property
    def trained_on(self) -> str:
        """What it was trained on, in words."""
        return self.card.note if self.card else "unknown: it came without a card"

    @property
    def fixed(self) -> str:
        """What still means it when a job that was begun elsewhere asks for it."""
        return str(self.source)

    def seen(self) -> frozenset[str]:
        """Normalised queries it was trained or chosen on, as far as is known."""
        return frozenset(self.card.seen_queries()) if self.card else frozenset()


def list_teachers(ws: Workspace) -> list[Teacher]:
    """The teachers that the workspace made, oldest first."""
    if not ws.teachers_dir.is_dir():
        return []
    paths = [path for path in ws.teachers_dir.iterdir() if not path.name.startswith(".")]
    found = [
        Teacher(path.name, path, read_card(path)) for path in paths if (path / FILE_NAME).is_file()
    ]
    return sorted(found, key=lambda teacher: (teacher.card.created, teacher.id))  # type: ignore[union-attr]


def find_teacher(ws: Workspace, name: str = "") -> Teacher:
    """The teacher of that name, directory or hub id; without a name the workspace's newest.

    Nothing is loaded: a hub id that can be reached may yet turn out to be none.

    Raises:
        RankbenchError: there is none, the directory holds no cross-encoder, or a hub id is neither
            in the local cache nor does the hub answer.
    """
    known = list_teachers(ws)
    if not name and not known:
        raise RankbenchError(
            "There is no teacher in this workspace.",
            "`rankbench teach` trains one from your judgments; `--teacher` names another.",
        )
    own = known[-1:] if not name else [teacher for teacher in known if teacher.id == name]
    if own:
        check_directory(Path(own[0].source))
        return own[0]
    local = Path(name).expanduser()
    if local.is_dir():
        local = local.resolve()
        check_directory(local)
        own_name = local.name if local.parent == ws.teachers_dir.resolve() else name
        return Teacher(own_name, local, read_card(local))
    if "/" in name and not name.startswith((".", "/", "~")):
        check_source(name)
        return Teacher(name, name)
    if local.is_file():
        raise RankbenchError(
            f"{name} is a file; a teacher is a directory.",
            "Give the directory that `CrossEncoder.save_pretrained` wrote.",
        )
    there = ", ".join(teacher.id for teacher in known) or "none yet"
    raise RankbenchError(
        f"There is no teacher called {name!r}, nor a directory of that name.",
        f"Of this workspace: {there}. Or give a directory or a hub id.",
    )


def free_name(directory: Path, name: str, kind: str) -> str:
    """`name` if it is free in `directory`, and without one the next `<kind>-NN`.

    Raises:
        UsageError: no such name can be.
        RankbenchError: it is taken.
    """
    if name:
        if (directory / check_name(name)).exists():
            raise RankbenchError(
                f"There is a {kind} called {name!r} already.", "Choose another with `--name`."
            )
        return name
    taken = [path.name for path in directory.iterdir()] if directory.is_dir() else []
    pattern = re.compile(re.escape(kind) + r"-(\d+)")
    numbers = [int(found[1]) for name in taken if (found := pattern.fullmatch(name))]
    return f"{kind}-{max(numbers, default=0) + 1:02d}"
