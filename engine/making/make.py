"""A workspace made of files: everything is read, built beside, and renamed into place."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import RankbenchError
from engine.making import findings
from engine.making.refresh import write_catalog
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

if TYPE_CHECKING:
    import polars as pl

    from engine.catalog.queries import JudgedQuery
    from engine.formats.judgments import JudgmentFile
    from engine.records import Word


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
    stamp: Mapping[str, object]


def make(plan: Plan) -> findings.Findings:
    """Read the files of `plan` and make its workspace, whole or not at all.

    Raises:
        RankbenchError: a file cannot be read, or the directory cannot be made.
    """
    from engine.catalog.stamp import stamp
    from engine.catalog.template import Template
    from engine.formats.judgments import read_judgments
    from engine.formats.products import product_file, read_products
    from engine.index.store import empty_texts

    _check_target(plan)
    # Before the reading: a file that changes meanwhile is then read again by `index`.
    content = stamp(product_file(plan.catalog), {}, "") if plan.catalog.exists() else {}
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
    Template(settings.template).check(frame.columns, columns)
    judged = None
    if plan.judgments is not None:
        judged = read_judgments(plan.judgments, queries=plan.queries, scale=plan.scale)
    content |= {"columns": dict(settings.columns), "template": settings.template}
    material = _Material(settings, frame, judged, plan.judgments, plan.encoder, content)
    if is_workspace(plan.root):
        # Each step takes the writer's lock by itself. The settings come last: until then the
        # workspace is the old one.
        workspace = Workspace(plan.root.resolve(), settings)
        imported = _fill(workspace, material)
        workspace.save(settings)
    else:
        imported = _build(plan.root, material)
    made = Workspace(plan.root.resolve(), settings)
    found = findings.of_catalog(settings, plan.root, report, empty_texts(made))
    if judged is None or imported is None:
        return found
    unknown = judged.unknown_products(frame["product_id"].to_list())
    return replace(found, judgments=findings.of_judgments(judged, unknown, imported))


def _absolute(encoder: str) -> str:
    local = Path(encoder).expanduser()
    return str(local.resolve()) if encoder and local.is_dir() else encoder


def add_judgments(
    workspace: Workspace,
    file: Path,
    queries: Path | None,
    scale: str | None,
    query_set: str = "",
    weight: float = 1.0,
) -> findings.JudgmentFindings:
    """Read a judgment file into a workspace that is there.

    Args:
        weight: how often the file's rows count in training.
        query_set: a name that the file's queries are to have together.
    """
    from engine.formats.judgments import read_judgments
    from engine.index.store import read_items
    from engine.records import check_name

    if query_set:
        check_name(query_set)
    judged = read_judgments(file, queries=queries, scale=scale)
    known = read_items(workspace, ["product_id"])["product_id"].to_list()
    imported = read_judged(workspace, judged, file, weight)
    named = None
    if query_set:
        named = name_queries(workspace, query_set, judged.queries["query"].to_list())
    return findings.of_judgments(judged, judged.unknown_products(known), imported, named)


def name_queries(workspace: Workspace, name: str, texts: Sequence[str]) -> findings.Named:
    """Make the judged queries among `texts` the query set `name`, in the place of one so called.

    Raises:
        RankbenchError: none is judged, or as `QuerySets.define`.
    """
    from engine.records import QuerySets, Records, Verdicts, find_queries

    with Verdicts(workspace.records_path) as verdicts:
        separated = verdicts.separated()
    with Records(workspace.records_path) as records:
        found, unknown = find_queries(texts, records.judged_queries(), separated)
    with QuerySets(workspace.records_path) as sets:
        before = sets.sizes().get(name)
        size = sets.define(name, (query.query_id for query in found))
    return findings.Named(name, size, before, tuple(unknown))


def read_judged(
    workspace: Workspace, judged: JudgmentFile, source: Path, weight: float = 1.0
) -> findings.Imported:
    """Add a judgment file to the records and give its new queries a split."""
    from engine.records import Records, Verdicts, merge

    with Records(workspace.records_path) as records:
        before = records.judged_queries()
        added = records.add_judgments(judged, source.resolve(), weight=weight)
        assigned = records.assign_missing_splits()
        after = records.judged_queries()
    splits = Counter(query.split for query in after)
    with Verdicts(workspace.records_path) as verdicts:
        merged = merge(after, verdicts.standing(), verdicts.separated())
    change = _change(before, after, merged.words)
    return findings.Imported(dict(splits), added, change, assigned.linked_by, weight)


def _change(
    before: Sequence[JudgedQuery],
    after: Sequence[JudgedQuery],
    words: Mapping[str, Mapping[str, Word]],
) -> findings.Change:
    known = {query.query_id: query.grades for query in before}
    moved = [
        (query.query_id, product, grade, known.get(query.query_id, {}).get(product))
        for query in after
        for product, grade in query.grades.items()
    ]
    moved = [pair for pair in moved if pair[2] != pair[3]]
    said = [words.get(query, {}).get(product) for query, product, _, _ in moved]
    new = sum(was is None for *_, was in moved)
    echoed = sum(
        word is not None and word.grade == grade
        for word, (_, _, grade, _) in zip(said, moved, strict=True)
    )
    weights = {query.query_id: query.file_weights for query in before}
    weighed = sum(
        query.file_weights.get(product, 1.0) != weights[query.query_id].get(product, 1.0)
        for query in after
        for product in query.grades.keys() & known.get(query.query_id, {}).keys()
    )
    return findings.Change(new, len(moved) - new, echoed, not before, weighed)


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


def _fill(workspace: Workspace, material: _Material) -> findings.Imported | None:
    """Items, then the encoder, then judgments: whatever is refused leaves what was before it."""
    with _incoming_base(workspace, material.encoder) as base:
        write_catalog(workspace, material.frame, material.stamp)
        if base is not None:
            _replace_base(workspace, base)
    if material.judged is None or material.source is None:
        return None
    return read_judged(workspace, material.judged, material.source)


@contextmanager
def _incoming_base(workspace: Workspace, source: str) -> Iterator[Path | None]:
    """Load the encoder `source` into a directory out of sight; None where none is asked for."""
    if not source:
        yield None
        return
    from engine.encoders import registry

    hidden = workspace.encoders_dir / ".incoming"
    shutil.rmtree(hidden, ignore_errors=True)
    try:
        hidden.mkdir(parents=True)
        yield registry.add_base(Workspace(hidden, workspace.settings), source).path
    except OSError as error:
        raise unwritable(workspace.encoders_dir, error) from None
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _replace_base(workspace: Workspace, directory: Path) -> None:
    """Make `directory` the base; the former one and its builds go."""
    from engine.encoders.registry import BASE
    from engine.state import State

    base, former = workspace.encoders_dir / BASE, workspace.encoders_dir / f".{BASE}.former"
    with workspace.writer_lock(timeout=60):
        state = State(workspace.state_path)
        try:
            # First: without a build the base is merely not indexed, with a stranger's it is wrong.
            state.forget(BASE)
        finally:
            state.close()
        shutil.rmtree(former, ignore_errors=True)
        if base.exists():
            os.replace(base, former)
        os.replace(directory, base)
        shutil.rmtree(former, ignore_errors=True)


# workspace.toml goes last: a directory is a workspace once it holds it.
_PARTS = ("lance", "encoders", "jobs", "reports", "cache", "records.db", "state.db")


def _build(root: Path, material: _Material) -> findings.Imported | None:
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
        imported = _fill(create(beside, material.settings), material)
        if existed:
            _move_parts(beside, root)
        else:
            beside.rename(root)
    except OSError as error:
        raise unwritable(root, error) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return imported


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
