"""A catalog file that changed is read again; one that did not is left alone."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import RankbenchError
from engine.index.store import read_items
from engine.making.refresh import refresh_items
from engine.workspace import open_workspace


def items(root: Path, *columns: str) -> list[tuple[Any, ...]]:
    return read_items(open_workspace(root), ["product_id", *columns]).rows()


def test_an_unset_column_stays_unset_when_the_catalog_is_read_again(
    tmp_path: Path, rankbench: Any
) -> None:
    catalog, root = tmp_path / "p.csv", tmp_path / "w"
    catalog.write_text("id,title,description\na,Tent,Large\n")
    options = ["--column", "description="]
    assert rankbench("init", root, "--catalog", catalog, *options).code == 0
    catalog.write_text("id,title,description\na,Tent,Large\nb,Lamp,Small\n")
    assert "Read 2 products" in refresh_items(open_workspace(root))
    assert items(root, "file_description") == [("a", "Large"), ("b", "Small")]
    catalog.write_text("id,name\na,Tent\n")
    with pytest.raises(RankbenchError, match="no longer has the column 'title'"):
        refresh_items(open_workspace(root))


def test_the_catalog_is_read_again_by_content_and_not_by_date(
    tmp_path: Path, rankbench: Any
) -> None:
    catalog, root = tmp_path / "p.csv", tmp_path / "w"
    catalog.write_text("id,title\na,Tent\n")
    assert rankbench("init", root, "--catalog", catalog).code == 0
    workspace = open_workspace(root)
    os.utime(catalog, (2e9, 2e9))
    workspace = workspace.save(replace(workspace.settings, theme="dark"))
    assert refresh_items(workspace) == ""
    catalog.write_text("id,title\na,Lamp\n")
    os.utime(catalog, (1e9, 1e9))
    assert "Read 1 products" in refresh_items(workspace)
    assert refresh_items(workspace) == ""
    changed = workspace.save(replace(workspace.settings, template="{title} {product_id}"))
    assert "Read 1 products" in refresh_items(changed)
    assert items(root, "text") == [("a", "Lamp a")]
    catalog.unlink()
    assert "is gone" in refresh_items(changed)


def test_a_damaged_items_table_is_written_again(tmp_path: Path, rankbench: Any) -> None:
    catalog, root = tmp_path / "p.csv", tmp_path / "w"
    catalog.write_text("id,title\na,Tent\n")
    assert rankbench("init", root, "--catalog", catalog).code == 0
    for path in (root / "lance" / "items.lance" / "data").rglob("*"):
        path.write_bytes(b"damaged")
    assert "Read 1 products" in refresh_items(open_workspace(root))
    assert items(root, "title") == [("a", "Tent")]
