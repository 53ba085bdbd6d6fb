"""The catalog's ids and titles without LanceDB."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import polars as pl

from engine.index.known import FILE_NAME, open_known
from engine.index.store import write_items
from engine.workspace import Workspace


def test_titles_near_matches_and_products_that_are_gone(tiny_workspace: Workspace) -> None:
    known = open_known(tiny_workspace)
    assert known.title("p000") == "red men sneaker classic"
    assert known.title("nope") is None
    assert set(known.titles(["p000", "p001", "nope", "p\udcff"])) == {"p000", "p001"}
    assert known.near("P000") == "p000"
    assert known.near("p000x") == "p000"
    assert known.near("'; drop") == ""
    known.close()
    write_items(tiny_workspace, pl.DataFrame({"product_id": ["new"], "title": ["A lamp"]}))
    known = open_known(tiny_workspace)
    assert known.title("new") == "A lamp" and known.title("p000") is None


def test_the_copy_answers_without_the_library(tiny_workspace: Workspace) -> None:
    open_known(tiny_workspace).close()
    code = (
        "import sys; from pathlib import Path\n"
        "from engine.workspace import open_workspace\n"
        "from engine.index.known import open_known\n"
        f"assert open_known(open_workspace(Path({str(tiny_workspace.root)!r}))).title('p000')\n"
        "print([m for m in ('lancedb', 'polars', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_damaged_copy_or_a_disk_that_refuses_is_no_trouble(tiny_workspace: Workspace) -> None:
    open_known(tiny_workspace).close()
    path = tiny_workspace.cache_dir / FILE_NAME
    path.write_bytes(b"not a database at all" * 100)
    assert open_known(tiny_workspace).title("p000")
    sqlite3.connect(path).execute("SELECT * FROM made").fetchone()
    path.unlink()
    path.mkdir()
    assert open_known(tiny_workspace).title("p000")
