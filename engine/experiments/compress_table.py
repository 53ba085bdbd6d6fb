"""Every way to make one encoder smaller or faster, measured in one run."""

from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from engine.encoders.fingerprint import fingerprint
from engine.encoders.licence import licence_in
from engine.experiments import paths
from engine.experiments.compress_ways import BASELINE, PLAIN, Models, Way, ways_of
from engine.experiments.distil import STEPS
from engine.experiments.interleaved import Encode, Spread, interleave
from engine.experiments.kept import Kept, Parent, kept, scores
from engine.experiments.store import held
from engine.supervise.process import write_json
from engine.training.checkpoints import run_key
from engine.training.outcome import Report, ShouldStop, check_stop
from engine.workspace import Workspace

DIMS = (256, 128, 64)
ROUNDS = 3
_FILE = "scores.json"


@dataclass(frozen=True, slots=True)
class Row:
    """One way to encode.

    Attributes:
        weights: "float32", the parent's; else what was done to them ("pca-256d").
        path: how they are run.
        name: of the encoder that there is, or that `compress` makes so; "" where it does not.
        learned: whether it was fitted to the catalog's texts.
        plain: whether this is how sentence-transformers runs the weights.
        dim: of its vectors; bytes: of the weights that encode a query, on disk.
        p50_ms, p95_ms: of one query at one thread, n times; None where only quality was measured.
        light, bare: how many times quicker at p50 than the parent in float32 by the light loader,
            and by sentence-transformers.
        kept: catalog NDCG@10 beside the parent's; None for a floor, which ranks nothing.
        note: what to know of it.
    """

    weights: str
    path: str
    name: str
    learned: bool
    plain: bool
    dim: int | None = None
    bytes: int | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    n: int = 0
    light: float | None = None
    bare: float | None = None
    kept: Kept | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """All rows, and what they have in common.

    Attributes:
        trained: queries that trained or chose the parent's weights.
        seen: judged queries left out because of that.
    """

    encoder: str
    base: str
    licence: str
    trained: int
    products: int
    queries: int
    seen: int
    threads: int
    processor: str
    rows: tuple[Row, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def directory_of(ws: Workspace, parent: Parent) -> Path:
    """Where a workspace keeps students and scores of an encoder: other weights, catalog, template,
    judgments, torch or onnxruntime, another directory."""
    texts = [parent.texts[product] for product in parent.matrix.ids]
    judged = [(q.query_id, q.query, sorted(q.grades.items())) for q in parent.queries]
    made_by = []
    for package in ("torch", "onnxruntime"):
        with suppress(PackageNotFoundError):
            made_by.append(version(package))
    key = run_key(
        fingerprint(parent.directory), parent.matrix.ids, texts, judged, dict(parent.gains), made_by
    )
    return ws.reports_dir / f"compress-{parent.info.name}-{key[:8]}"


def compress_table(
    ws: Workspace,
    parent: Parent,
    place: Path,
    *,
    rounds: int = ROUNDS,
    steps: int = STEPS,
    dims: Sequence[int] = DIMS,
    report: Report | None = None,
    should_stop: ShouldStop | None = None,
) -> Table:
    """Measure every path: quality once (scores are kept in `place`), latency always anew.

    Args:
        rounds: how often each judged query is timed on each path.
        steps: of each student's distillation.

    Raises:
        RankbenchError: the encoder is no plain BERT, or `place` is another run's.
        Cancelled: students, checkpoints and scores so far stay in `place`.
    """
    report, stop = report or (lambda event: None), should_stop or (lambda: False)
    with held(place), tempfile.TemporaryDirectory(dir=place) as work, one_thread():
        models = Models(parent, place, Path(work), steps, report, stop)
        ways = ways_of(parent.directory, dims, steps)
        own = {} if not parent.queries else _scores(models, ways, place / _FILE)
        spreads = _latency(models, ways, rounds)
        rows = _rows(models, ways, spreads, own, ws.settings.unchanged)
    card = parent.info.card
    return Table(
        encoder=parent.info.name,
        base=parent.info.source,
        licence=(card.licence if card else "") or licence_in(parent.directory),
        trained=len(card.seen_queries()) if card else 0,
        products=len(parent.matrix.ids),
        queries=len(parent.queries),
        seen=parent.seen,
        threads=1,
        processor=_processor(),
        rows=tuple(rows),
    )


def _scores(models: Models, ways: Sequence[Way], kept_in: Path) -> dict[str, list[float]]:
    """NDCG@10 of each query by each way; what an earlier run wrote is read."""
    found: dict[str, list[float]] = {}
    with suppress(OSError, ValueError):
        found = json.loads(kept_in.read_text(encoding="utf-8"))
    texts = models.parent.query_texts()
    for number, way in enumerate(ways):
        check_stop(models.stop)
        if way.key in found:
            continue
        models.report({"event": "log", "message": f"{number + 1}/{len(ways)} {way.key}".strip()})
        queries = models.open(way)
        if queries is not None:
            # One at a time, as a person types them: one path's vectors depend on their batch.
            vectors = np.concatenate([queries([text]) for text in texts])
            found[way.key] = scores(models.parent, vectors, models.documents(way))
            write_json(kept_in, found)
    return found


def _latency(models: Models, ways: Sequence[Way], rounds: int) -> dict[str, Spread]:
    opened: dict[str, Encode] = {}
    for way in ways:
        queries = None if way.documents_too else models.open(way)
        if queries is not None:
            opened[way.key] = lambda text, encode=queries: encode([text])
    for path in (paths.LIGHT, paths.ORT_INT8):
        queries = paths.open_path(path, models.empty(), models.work)
        if queries is not None:
            opened[f"floor {path}"] = lambda text, encode=queries: encode([text])
    opened["floor"] = paths.tokenise(models.parent.directory)
    texts = models.parent.query_texts() or ["red tent for two people", "usb c cable"]
    return interleave(opened, texts, rounds, models.report, models.stop)


def _rows(
    models: Models,
    ways: Sequence[Way],
    spreads: Mapping[str, Spread],
    own: Mapping[str, list[float]],
    unchanged: float,
) -> list[Row]:
    whole, parent = models.parent.matrix.vectors.shape[1], models.parent.info.name
    first = own.get(BASELINE.key, [])
    rows = []
    for way in ways:
        there = way.key in spreads or way.documents_too
        row = Row(
            weights=way.weights,
            path=way.path,
            name=way.name(parent),
            learned=way.plan is not None and way.plan.method != "truncate",
            plain=way.path == paths.BARE,
            dim=(way.plan.dim if way.plan else None) or whole,
            bytes=models.bytes(way) if there else None,
            kept=kept(own.get(way.key, []), first, unchanged) if there else None,
            note=way.note if there else "not by this torch or this processor",
        )
        rows.append(_timed(row, way.key, spreads))
    floors = {path: f"floor {path}" for path in (paths.LIGHT, paths.ORT_INT8)}
    for path, key in {**floors, "tokeniser alone": "floor"}.items():
        weights = "no layer" if path in floors else "none"
        rows.append(_timed(Row(weights, path, "", False, False, note="floor"), key, spreads))
    return rows


def _timed(row: Row, key: str, spreads: Mapping[str, Spread]) -> Row:
    spread = spreads.get(key)
    if spread is None:
        return row
    light, bare = (spreads[way.key].p50 / spread.p50 for way in (BASELINE, PLAIN))
    return replace(row, p50_ms=spread.p50, p95_ms=spread.p95, n=spread.n, light=light, bare=bare)


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@contextmanager
def one_thread() -> Iterator[None]:
    """torch with one thread, as a typed query is encoded."""
    import torch

    several = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(several)
