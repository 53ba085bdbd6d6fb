"""How `init` and `demo` make a workspace: read everything, build beside, rename into place."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import RankbenchError
from engine.workspace import (
    DEFAULT_GAINS,
    FILE_NAME,
    Settings,
    Workspace,
    create,
    is_workspace,
    open_workspace,
    unwritable,
)
from workbench.commands import findings

if TYPE_CHECKING:
    import polars as pl

    from engine.formats.judgments import JudgmentFile


@dataclass(frozen=True, slots=True)
class Plan:
    """What `init` was asked for."""

    root: Path
    catalog: Path
    judgments: Path | None = None
    queries: Path | None = None
    encoder: str = ""
    template: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    scale: str | None = None
    gains: Mapping[str, float] = field(default_factory=dict)
    force: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class _Material:
    """What a workspace is filled with, read and checked."""

    settings: Settings
    frame: pl.DataFrame
    judged: JudgmentFile | None
    source: Path | None
    encoder: str


def make(plan: Plan) -> findings.Findings:
    """Read the files of `plan` and make its workspace, whole or not at all.

    Raises:
        RankbenchError: a file cannot be read, or the directory cannot be made.
    """
    from engine.catalog.template import Template
    from engine.formats.judgments import read_judgments
    from engine.formats.products import read_products

    _check_target(plan)
    frame, columns, report = read_products(plan.catalog, dict(plan.columns))
    old = open_workspace(plan.root).settings if is_workspace(plan.root) else Settings()
    settings = replace(
        old,
        name=plan.name or old.name or plan.root.resolve().name,
        catalog=str(plan.catalog.resolve()),
        columns=columns,
        template=plan.template or old.template,
        encoder=_absolute(plan.encoder) or old.encoder,
        gains={**DEFAULT_GAINS, **old.gains, **plan.gains},
    )
    Template(settings.template).check(frame.columns)
    judged = None
    if plan.judgments is not None:
        judged = read_judgments(plan.judgments, queries=plan.queries, scale=plan.scale)
    material = _Material(settings, frame, judged, plan.judgments, plan.encoder)
    if is_workspace(plan.root):
        # Each step takes the writer's lock by itself. The settings come last: until then the
        # workspace is the old one.
        workspace = Workspace(plan.root.resolve(), settings)
        splits = _fill(workspace, material)
        workspace.save(settings)
    else:
        splits = _build(plan.root, material)
    found = findings.of_catalog(settings, plan.root, report)
    if judged is None:
        return found
    unknown = judged.unknown_products(frame["product_id"].to_list())
    return replace(found, judgments=findings.of_judgments(judged, unknown, splits))


def _absolute(encoder: str) -> str:
    local = Path(encoder).expanduser()
    return str(local.resolve()) if encoder and local.is_dir() else encoder


def add_judgments(
    workspace: Workspace, file: Path, queries: Path | None, scale: str | None
) -> findings.JudgmentFindings:
    """Read a judgment file into a workspace that is there."""
    from engine.formats.judgments import read_judgments
    from engine.index.store import read_items

    judged = read_judgments(file, queries=queries, scale=scale)
    known = read_items(workspace, ["product_id"])["product_id"].to_list()
    splits = read_judged(workspace, judged, file)
    return findings.of_judgments(judged, judged.unknown_products(known), splits)


def refresh_items(workspace: Workspace) -> str:
    """Read the catalog file again where it or the settings are newer than the items.

    Returns:
        What was done, or why not, in one line; empty where there was nothing to do.

    Raises:
        RankbenchError: the items are missing or outdated and the file cannot be read.
    """
    from engine.catalog.template import Template
    from engine.formats.products import read_products
    from engine.index.store import ITEMS, write_items

    catalog = Path(workspace.settings.catalog)
    versions = workspace.lance_dir / f"{ITEMS}.lance" / "_versions"
    written = max((path.stat().st_mtime for path in versions.glob("*")), default=0.0)
    if not catalog.exists() and written:
        return f"{catalog} is gone; indexing what was read from it before."
    changed = (workspace.root / FILE_NAME).stat().st_mtime
    if catalog.exists():  # ctime too: `cp -p` puts an old date on new content
        changed = max(changed, catalog.stat().st_mtime, catalog.stat().st_ctime)
    if written > changed:
        return ""
    frame, _, _ = read_products(catalog, dict(workspace.settings.columns))
    Template(workspace.settings.template).check(frame.columns)
    rows = write_items(workspace, frame)
    return f"Read {rows:,} products from {catalog}."


def read_judged(workspace: Workspace, judged: JudgmentFile, source: Path) -> dict[str, int]:
    """Add a judgment file to the records and give its new queries a split; split -> queries."""
    from engine.records import Records

    with Records(workspace.records_path) as records:
        records.add_judgments(judged, source.resolve())
        records.assign_missing_splits()
        return dict(Counter(query.split for query in records.judged_queries()))


def _check_target(plan: Plan) -> None:
    root = plan.root
    if is_workspace(root) and not plan.force:
        raise RankbenchError(
            f"{root} is a workspace already.",
            "Choose another directory, or add --force to read its catalog anew.",
        )
    if root.exists() and not root.is_dir():
        raise RankbenchError(f"{root} is a file.", "Name a directory that may be made.")
    if is_workspace(root) or not root.is_dir():
        return
    taken = sorted(name for name in _PARTS if (root / name).exists())
    if taken:
        raise RankbenchError(
            f"{root} holds {', '.join(taken)} already, and no workspace.toml.",
            "Choose another directory.",
        )


def _fill(workspace: Workspace, material: _Material) -> dict[str, int]:
    from engine.index.store import write_items

    if material.encoder:
        from engine.encoders import registry

        registry.add(workspace, material.encoder, registry.BASE)
    write_items(workspace, material.frame)
    if material.judged is None or material.source is None:
        return {}
    return read_judged(workspace, material.judged, material.source)


# workspace.toml goes last: a directory is a workspace once it holds it.
_PARTS = ("lance", "encoders", "jobs", "reports", "cache", "records.db", "state.db")


def _build(root: Path, material: _Material) -> dict[str, int]:
    """Make the workspace in a directory beside `root` and rename it into place."""
    existed = root.is_dir()
    parent = root.resolve() if existed else root.resolve().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".rankbench-", dir=parent))
    except OSError as error:
        raise unwritable(parent, error) from None
    try:
        beside.chmod(0o777 & ~_umask())  # mkdtemp's own mode shuts out everybody else
        splits = _fill(create(beside, material.settings), material)
        if existed:
            _move_parts(beside, root)
        else:
            beside.rename(root)
    except OSError as error:
        raise unwritable(root, error) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return splits


def _move_parts(beside: Path, root: Path) -> None:
    names = sorted((path.name for path in beside.iterdir()), key=lambda name: name == FILE_NAME)
    moved: list[str] = []
    try:
        for name in names:
            (beside / name).rename(root / name)
            moved.append(name)
    except OSError:
        for name in moved:
            (root / name).rename(beside / name)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
