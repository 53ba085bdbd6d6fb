"""A workspace: one directory with its settings, its paths and its writer lock. Knows no room."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from engine.errors import RankbenchError

FILE_NAME = "workspace.toml"
VERSION = 1
# What stands at the top of a new file, for the person who opens it in an editor.
_HEADER = (
    "Settings of a Rankbench workspace. Edit them by hand; comments stay.",
    "catalog, columns, template: then run `rankbench index`, which reads the catalog again, and",
    "  `rankbench index --encoder NAME` for every further encoder.",
    "gains, rbo_p, unchanged, baseline, candidate, theme, name, judge: hold from the next command",
    "  on.",
    "encoder, version: leave them. `rankbench init DIR --catalog FILE --force --encoder ID`",
    "  brings another base encoder.",
)
READ_ONLY = "This session is read-only."
GRADES = ("E", "S", "C", "I")
DEFAULT_GAINS: Mapping[str, float] = {"E": 1.0, "S": 0.1, "C": 0.01, "I": 0.0}


@dataclass(frozen=True, slots=True)
class Settings:
    """What `workspace.toml` says.

    Attributes:
        catalog: path of the catalog file the items were read from.
        columns: canonical column name -> the file's column name.
        template: the text that is encoded: a column, or columns in braces (`{title} {brand}`).
        encoder: id or path of the base encoder; empty for the packaged one.
        gains: grade -> gain (KDD Cup 2022, task 1, by default).
        unchanged: a |delta| up to this counts as unchanged.
        baseline, candidate: the two sides the app opens with; an empty candidate means the newest
            tuned encoder, or bm25 while there is none.
        judge: the name that verdicts are kept under; empty for `RANKBENCH_JUDGE` or the login name.
    """

    version: int = VERSION
    name: str = ""
    catalog: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    template: str = "title"
    encoder: str = ""
    gains: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_GAINS))
    rbo_p: float = 0.9
    unchanged: float = 0.01
    baseline: str = "base"
    candidate: str = ""
    theme: str = ""
    judge: str = ""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The paths of one workspace and its settings. Opening one touches nothing but its file.

    Attributes:
        read_only: of a session that may write nothing: what would write raises, and databases that
            are not there are opened empty, in memory.
        judge: whose the verdicts of this session are, where not the one of the settings.
    """

    root: Path
    settings: Settings
    read_only: bool = False
    judge: str | None = None

    @property
    def lance_dir(self) -> Path:
        return self.root / "lance"

    @property
    def records_path(self) -> Path:
        return self._database("records.db")

    @property
    def state_path(self) -> Path:
        return self._database("state.db")

    @property
    def encoders_dir(self) -> Path:
        return self.root / "encoders"

    @property
    def teachers_dir(self) -> Path:
        return self.root / "teachers"

    @property
    def synth_dir(self) -> Path:
        return self.root / "synth"

    @property
    def jobs_dir(self) -> Path:
        return self.root / "jobs"

    @property
    def reports_dir(self) -> Path:
        return self.root / "reports"

    @property
    def sweeps_dir(self) -> Path:
        return self.root / "sweeps"

    @property
    def cache_dir(self) -> Path:
        return self.root / "cache"

    def _database(self, name: str) -> Path:
        path = self.root / name
        return Path(":memory:") if self.read_only and not path.exists() else path

    def check_writable(self) -> None:
        """Raise a RankbenchError in a read-only session."""
        if self.read_only:
            raise refused()

    def save(self, settings: Settings) -> Workspace:
        """Write `settings` beside the old file and rename it into place."""
        self.check_writable()
        _write_settings(self.root / FILE_NAME, settings)
        return replace(self, settings=settings)

    @contextmanager
    def writer_lock(self, timeout: float = 0) -> Iterator[None]:
        """Hold the one writer's place for `lance/` and `encoders/`.

        Raises:
            RankbenchError: another process holds it for longer than `timeout` seconds.
        """
        from filelock import FileLock, Timeout

        self.check_writable()
        try:
            lock = FileLock(self.root / ".writer.lock", timeout=timeout)
            lock.acquire()
        except Timeout:
            raise RankbenchError(
                "Another process is writing the index of this workspace: a job, or `rankbench "
                "index` or `compress`.",
                "Wait for it to end (`rankbench jobs` shows jobs), then try again.",
            ) from None
        except OSError as error:
            raise unwritable(self.root, error) from None
        try:
            yield
        finally:
            lock.release()


def is_workspace(root: Path) -> bool:
    """Whether `root` holds a `workspace.toml`."""
    return (root / FILE_NAME).is_file()


def create(root: Path, settings: Settings) -> Workspace:
    """Make the directory of a new workspace and write its settings.

    Raises:
        RankbenchError: there is a workspace already, or the disk cannot be written.
    """
    if is_workspace(root):
        raise RankbenchError(
            f"{root} is a workspace already.",
            "Choose another directory, or add `--force` to read its catalog anew.",
        )
    try:
        for name in ("lance", "encoders", "jobs", "reports", "cache"):
            (root / name).mkdir(parents=True, exist_ok=True)
        _write_settings(root / FILE_NAME, settings)
    except OSError as error:
        raise unwritable(root, error) from None
    return Workspace(root.resolve(), settings)


def open_workspace(root: Path) -> Workspace:
    """Open the workspace at `root`.

    Raises:
        RankbenchError: not a workspace, unreadable settings, or made by a newer version.
    """
    path = root / FILE_NAME
    if not path.is_file():
        raise RankbenchError(
            f"{root} is not a Rankbench workspace: it holds no {FILE_NAME}.",
            "Make one with `rankbench init DIR --catalog FILE`, or name one with `-w DIR`.",
        )
    return Workspace(root.resolve(), _read_settings(path))


def refused() -> RankbenchError:
    """The error for a write in a read-only session."""
    return RankbenchError(READ_ONLY, "Open the workspace without `--read-only`.")


def unwritable(path: Path, error: OSError) -> RankbenchError:
    """The error for a disk that refuses a write."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return RankbenchError(
        f"Cannot write in {path}: {reason}.",
        "Make the directory writable, free some space, or choose another with `-w DIR`.",
    )


def _read_settings(path: Path) -> Settings:
    import tomllib

    try:
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise RankbenchError(
            f"{path} cannot be read: {error}.", "Mend the file, or restore it from a copy."
        ) from None
    version = data.get("version", 0)
    if not isinstance(version, int) or version > VERSION:
        raise RankbenchError(
            f"{path.parent} was made by a newer Rankbench (format {version}, this one reads "
            f"{VERSION}).",
            "Upgrade Rankbench; nothing was changed.",
        )
    known = {f.name for f in fields(Settings)}
    for key in known.intersection(data):
        _check_setting(path, key, data[key])
    settings = Settings(**{key: value for key, value in data.items() if key in known})
    missing = [grade for grade in GRADES if grade not in settings.gains]
    if missing:
        raise RankbenchError(
            f"{path}: the gains lack grade {', '.join(missing)}.",
            "Give every grade a gain, for example gains = {E = 1.0, S = 0.1, C = 0.01, I = 0.0}.",
        )
    return settings


def _check_setting(path: Path, key: str, value: Any) -> None:
    """Refuse a value of the wrong kind or out of range, naming the line to mend."""

    def number(item: object) -> bool:
        return type(item) in (int, float) and 0 <= item < math.inf

    default = getattr(Settings(), key)
    if isinstance(default, Mapping):
        fits = number if key == "gains" else lambda item: isinstance(item, str)
        good = isinstance(value, Mapping) and all(map(fits, value.values()))
    elif isinstance(default, float):
        good = number(value) and (key != "rbo_p" or 0 < value < 1)
    else:
        good = isinstance(value, type(default))
    if not good:
        raise RankbenchError(
            f"{path}: {key} = {value!r} cannot be used.",
            f"Write something like {key} = {default!r}, or take the line out.",
        )


def _write_settings(path: Path, settings: Settings) -> None:
    import tomlkit

    document = tomlkit.parse(path.read_text(encoding="utf-8")) if path.is_file() else None
    if document is None:
        document = tomlkit.document()
        for line in _HEADER:
            document.add(tomlkit.comment(line))
        document.add(tomlkit.nl())
    for item in fields(Settings):
        value = getattr(settings, item.name)
        plain = dict(value) if isinstance(value, Mapping) else value
        # What did not change keeps its place and the comments around it.
        if item.name not in document or document[item.name] != plain:
            document[item.name] = plain
    beside = path.with_suffix(".toml.tmp")
    try:
        beside.write_text(tomlkit.dumps(document), encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        raise unwritable(path.parent, error) from None
