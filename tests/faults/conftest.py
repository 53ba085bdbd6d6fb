"""A tiny indexed shop, a training that nobody interrupted, and processes to be killed."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from breaking import INSIDE, rankbench, train
from killed_runs import Whole, copy

from engine import supervise
from engine.catalog.queries import JudgedQuery
from engine.workspace import Workspace, open_workspace


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """The same moments in every run of a test; RANKBENCH_FAULTS_SEED chooses others."""
    return random.Random(f"{request.node.name} {os.environ.get('RANKBENCH_FAULTS_SEED', 0)}")


@pytest.fixture(scope="session")
def shop(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_encoder_dir: Path,
    tiny_texts: dict[str, str],
    tiny_queries: list[JudgedQuery],
) -> Workspace:
    """The tiny shop with its base indexed. Not to be written to."""
    place = tmp_path_factory.mktemp("faults")
    rows = [f"{product},{title}" for product, title in tiny_texts.items()]
    (place / "products.csv").write_text("\n".join(["product_id,title", *rows]))
    rows = [
        f"{query.query_id},{query.query},{product},{grade},{query.split}"
        for query in tiny_queries
        for product, grade in query.grades.items()
    ]
    head = "query_id,query,product_id,label,split"
    (place / "judgments.csv").write_text("\n".join([head, *rows]))
    root = place / "shop"
    made = rankbench(
        "init", root, "--catalog", place / "products.csv",
        "--judgments", place / "judgments.csv", "--encoder", tiny_encoder_dir,
    )  # fmt: skip
    assert made.code == 0, made.err
    assert rankbench("index", "-w", root).code == 0
    return open_workspace(root)


@pytest.fixture
def ws(shop: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the shop to break."""
    return copy(shop, tmp_path / "shop")


@pytest.fixture(scope="session")
def whole(shop: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The training of `train`, uninterrupted. Not to be written to."""
    place = tmp_path_factory.mktemp("whole")
    log = place / "operations"
    ws = copy(shop, place / "shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(INSIDE))
        patch.setenv("RANKBENCH_FAULT_LOG", str(log))
        job = train(ws)
        assert list(supervise.follow(job))[-1]["event"] == "done", (job.path / "log").read_text()
    ended = supervise.get(ws, job.id)
    assert ended.ended is not None
    return Whole(ws, tuple(log.read_text().splitlines()), ended.ended - ended.created)
