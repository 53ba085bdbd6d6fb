"""Builds: only what changed is encoded, nothing goes live unverified, damage is seen."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from filelock import FileLock

from engine.encoders.load import load_encoder
from engine.errors import RankbenchError
from engine.index.build import active_build, build_index, load_matrix
from engine.index.matrix import VectorMatrix, best, check_vectors
from engine.index.store import catalog_hash, connect, read_items, table_names, write_items
from engine.state import State
from engine.workspace import Workspace


def catalog(ws: Workspace) -> pl.DataFrame:
    return read_items(ws, ["product_id", "title"])


def test_first_build_encodes_everything_and_matches_a_bare_encode(
    tiny_workspace: Workspace,
) -> None:
    seen: list[tuple[int, int]] = []
    report = build_index(tiny_workspace, progress=lambda *step: seen.append(step))
    items = read_items(tiny_workspace, ["product_id", "text"])
    assert report.encoded == report.build.rows == items.height == 220
    assert seen[0] == (0, 220) and seen[-1] == (220, 220)
    matrix = load_matrix(tiny_workspace, "base")
    bare = load_encoder(tiny_workspace.encoders_dir / "base").encode_documents(
        items["text"].to_list()
    )
    np.testing.assert_allclose(matrix.vectors, bare, atol=1e-5)
    assert matrix.ids == tuple(items["product_id"])


def test_only_changed_rows_are_encoded_and_gone_rows_leave(tiny_workspace: Workspace) -> None:
    ws = tiny_workspace
    first = build_index(ws)
    assert build_index(ws).encoded == 0
    before = catalog_hash(ws)
    changed = catalog(ws)[2:].with_columns(
        pl.when(pl.col("product_id") == "p100").then(pl.lit("new words")).otherwise("title")
        .alias("title")
    )  # fmt: skip
    extra = pl.DataFrame({"product_id": ["it's new"], "title": ["an odd id"]})
    write_items(ws, pl.concat([changed, extra]))
    assert catalog_hash(ws) != before
    report = build_index(ws)
    assert report.encoded == 2 and report.build.rows == 219
    assert report.build.table_name == first.build.table_name
    matrix = load_matrix(ws, "base")
    assert "p000" not in matrix.rows and "it's new" in matrix.rows
    write_items(ws, changed)
    assert build_index(ws).encoded == 0 and "it's new" not in load_matrix(ws, "base").rows


def test_a_run_that_changes_nothing_leaves_the_active_build_as_it_is(
    tiny_workspace: Workspace,
) -> None:
    first = build_index(tiny_workspace).build
    assert build_index(tiny_workspace).build == first
    assert active_build(tiny_workspace, "base") == first
    assert build_index(tiny_workspace, rebuild=True).build != first


def test_another_template_makes_another_build_and_drops_the_former(
    tiny_workspace: Workspace,
) -> None:
    from dataclasses import replace

    first = build_index(tiny_workspace).build
    ws = tiny_workspace.save(replace(tiny_workspace.settings, template="{title} {product_id}"))
    write_items(ws, catalog(ws))
    second = build_index(ws)
    assert second.encoded == 220 and second.build.build != first.build
    assert first.table_name not in table_names(connect(ws))


def test_a_stopped_run_keeps_what_it_encoded(
    tiny_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.index.build.BATCH", 100)

    def stop(done: int, total: int) -> None:
        if done > 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_index(tiny_workspace, progress=stop)
    with pytest.raises(RankbenchError, match="not indexed"):
        active_build(tiny_workspace, "base")
    assert build_index(tiny_workspace).encoded == 120


def test_readers_keep_the_active_build_while_the_next_is_made(
    tiny_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = tiny_workspace
    first = build_index(ws).build
    monkeypatch.setattr("engine.index.build.BATCH", 50)
    titles = pl.concat_str(pl.col("title"), pl.lit(" new"))
    write_items(ws, catalog(ws)[10:].with_columns(titles.alias("title")))

    def stop(done: int, total: int) -> None:
        assert load_matrix(ws, "base").vectors.shape == (220, 32)
        if done > 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_index(ws, progress=stop)
    assert active_build(ws, "base") == first
    assert load_matrix(ws, "base").vectors.shape == (220, 32)
    report = build_index(ws)
    assert report.encoded == 110 and load_matrix(ws, "base").vectors.shape == (210, 32)


def test_a_rebuild_answers_from_the_former_table_until_it_is_done(
    tiny_workspace: Workspace,
) -> None:
    ws = tiny_workspace
    first = build_index(ws).build
    seen = []
    second = build_index(
        ws, rebuild=True, progress=lambda *_: seen.append(load_matrix(ws, "base").ids)
    )
    assert seen and second.encoded == 220 and second.build.table_name != first.table_name
    assert build_index(ws).encoded == 0
    assert [t for t in table_names(connect(ws)) if t.startswith("vec_")] == [
        second.build.table_name
    ]


def test_a_damaged_items_table_is_made_again(tiny_workspace: Workspace) -> None:
    rows = catalog(tiny_workspace)
    shutil.rmtree(tiny_workspace.lance_dir / "items.lance" / "_versions")
    assert write_items(tiny_workspace, rows) == 220
    assert read_items(tiny_workspace).height == 220


def test_a_second_writer_gets_a_clear_word(tiny_workspace: Workspace) -> None:
    with (
        FileLock(tiny_workspace.root / ".writer.lock"),
        pytest.raises(RankbenchError, match="Another process is writing"),
    ):
        build_index(tiny_workspace)


def test_lost_state_is_rebuilt_without_encoding(tiny_workspace: Workspace) -> None:
    build_index(tiny_workspace)
    for path in tiny_workspace.root.glob("state.db*"):
        path.unlink()
    assert build_index(tiny_workspace).encoded == 0
    assert active_build(tiny_workspace, "base").rows == 220


def test_a_damaged_table_is_seen_and_made_again(tiny_workspace: Workspace) -> None:
    ws = tiny_workspace
    table = build_index(ws).build.table_name
    shutil.rmtree(ws.lance_dir / f"{table}.lance" / "data")
    with pytest.raises(RankbenchError, match="cannot be read") as caught:
        load_matrix(ws, "base")
    assert "rankbench index" in caught.value.todo
    assert build_index(ws).encoded == 220
    assert load_matrix(ws, "base").vectors.shape == (220, 32)


def test_garbage_vectors_are_refused() -> None:
    good = np.eye(4, dtype=np.float32)
    check_vectors(good, 4, 4)
    for bad in (good[:3], good * 2, good * np.nan):
        with pytest.raises(RankbenchError, match="damaged"):
            check_vectors(bad, 4, 4)


def test_an_empty_catalog_is_refused(tiny_workspace: Workspace) -> None:
    with pytest.raises(RankbenchError, match="no products"):
        write_items(tiny_workspace, catalog(tiny_workspace)[:0])
    assert read_items(tiny_workspace).height == 220


def test_exact_search_agrees_with_a_full_sort_and_cuts_ties_by_id() -> None:
    chance = np.random.default_rng(3)
    for n, depth in ((1, 5), (50, 10), (500, 500), (300, 7)):
        scores = chance.integers(0, 9, n).astype(np.float32) / 8
        rows, values = best(scores, depth)
        expected = sorted(range(n), key=lambda i: (-scores[i], i))[:depth]
        assert rows.tolist() == expected
        assert values.tolist() == scores[expected].tolist()
    matrix = VectorMatrix.of(["b", "a"], np.asarray([[1, 0], [1, 0]], np.float32))
    assert [matrix.ids[i] for i in matrix.top(np.asarray([1, 0], np.float32), 2)[0]] == ["a", "b"]


def test_a_damaged_state_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(RankbenchError, match="damaged"):
        State(path)
