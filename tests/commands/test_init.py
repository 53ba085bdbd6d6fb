"""`init`: what it finds is told, what is wrong is one clear error, and nothing is half-made."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from engine.index.store import read_items
from engine.records import Records
from engine.state import State
from engine.workspace import open_workspace


def listing(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def test_init_prints_what_it_found(shop: Path, tmp_path: Path, rankbench: Any) -> None:
    root = tmp_path / "mine"
    result = rankbench(
        "init",
        root,
        "--catalog",
        shop / "products.csv",
        "--judgments",
        shop / "judgments.csv",
    )
    assert result.code == 0, result.err
    said = dict(re.findall(r"^(\S+(?: \S+)*)  +(.*)$", result.out, re.MULTILINE))
    assert said["products"] == "16 of 16 rows"
    assert said["judgments"].startswith("30 over 12 queries")
    assert re.fullmatch(r"14 \(46\.7 %\)", said["grade E"])
    assert said["unknown products"].startswith("0 ")
    assert "column            title from name" in result.out
    assert f"Next: `rankbench index -w {root}`" in result.err


def test_init_tells_the_same_as_json(shop: Path, tmp_path: Path, rankbench: Any) -> None:
    root = tmp_path / "mine"
    files = ["--catalog", shop / "products.csv", "--judgments", shop / "judgments.csv"]
    found = rankbench("init", root, *files, "--json").json
    assert found["rows"] == found["products"] == 16
    assert found["columns"] == {
        "product_id": "sku",
        "title": "name",
        "brand": "brand",
        "color": "colour",
    }
    assert found["missing"]["color"] == 2
    judged = found["judgments"]
    assert judged["grades"] == {"E": 14, "S": 6, "C": 6, "I": 4}
    assert sum(judged["splits"].values()) == judged["queries"] == 12


def test_one_text_column_is_enough(tmp_path: Path, rankbench: Any) -> None:
    (tmp_path / "titles.csv").write_text("title\nTent\nLamp\n", encoding="utf-8")
    result = rankbench("init", tmp_path / "w", "--catalog", tmp_path / "titles.csv", "--json")
    assert result.json["products"] == 2
    assert "row number" in " ".join(result.json["notes"])


def test_duplicates_null_titles_and_unknown_products_are_counted(
    tmp_path: Path, rankbench: Any
) -> None:
    (tmp_path / "p.csv").write_text("id,title\na,Tent\na,Other tent\nb,\n,Lost\n")
    (tmp_path / "j.csv").write_text("query,product_id,label\ntent,a,E\ntent,zzz,S\nlamp,b,I\n")
    files = ["--catalog", tmp_path / "p.csv", "--judgments", tmp_path / "j.csv"]
    found = rankbench("init", tmp_path / "w", *files, "--json").json
    assert (found["rows"], found["products"]) == (4, 2)
    assert (found["duplicates"], found["no_id"]) == (1, 1)
    assert found["missing"]["title"] == 1
    assert found["judgments"]["unknown_products"] == 1


def test_columns_template_and_gains_are_kept(shop: Path, tmp_path: Path, rankbench: Any) -> None:
    root = tmp_path / "mine"
    options = ["--column", "title=brand", "--column", "brand=name", "--template", "{title} {brand}"]
    options += ["--gains", "E=3,S=1", "--gains", "C=0.5"]
    assert rankbench("init", root, "--catalog", shop / "products.csv", *options).code == 0
    settings = tomllib.loads((root / "workspace.toml").read_text())
    assert settings["columns"]["title"] == "brand"
    assert settings["template"] == "{title} {brand}"
    assert settings["gains"] == {"E": 3.0, "S": 1.0, "C": 0.5, "I": 0.0}


BAD_CATALOGS = {
    "missing file": (None, ["nothing.csv"]),
    "empty file": (b"", ["empty"]),
    "only a header": (b"id,title\n", []),
    "no id column": (b"title,brand\nTent,Halden\n", ["product_id"]),
    "no title column": (b"id,price\n1,2.50\n", ["title"]),
    "no catalog at all": (bytes(range(256)) * 20, []),
}


@pytest.mark.parametrize("case", BAD_CATALOGS)
def test_a_bad_catalog_is_one_error_and_leaves_nothing(
    case: str, tmp_path: Path, rankbench: Any
) -> None:
    content, words = BAD_CATALOGS[case]
    catalog = tmp_path / "nothing.csv"
    if content is not None:
        catalog.write_bytes(content)
    before = listing(tmp_path)
    rankbench("init", tmp_path / "w", "--catalog", catalog).assert_error(1, *words)
    assert listing(tmp_path) == before


BAD_JUDGMENTS = {
    "missing file": (None, []),
    "empty file": ("", ["empty"]),
    "no product column": ("query,label\ntent,E\n", ["product"]),
    "no query text": ("query_id,product_id,label\n1,p01,E\n", ["--queries"]),
    "unknown grades": ("query,product_id,label\ntent,p01,superb\n", ["superb"]),
    "not a number": ("query,product_id,label\ntent,p01,nan\n", []),
}


@pytest.mark.parametrize("case", BAD_JUDGMENTS)
def test_bad_judgments_are_one_error_and_leave_nothing(
    case: str, shop: Path, tmp_path: Path, rankbench: Any
) -> None:
    content, words = BAD_JUDGMENTS[case]
    judgments = tmp_path / "j.csv"
    if content is not None:
        judgments.write_text(content)
    before = listing(tmp_path)
    result = rankbench(
        "init", tmp_path / "w", "--catalog", shop / "products.csv", "--judgments", judgments
    )
    result.assert_error(1, *words)
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        (["--column", "title"], 2, "CANONICAL=NAME"),
        (["--column", "titel=title"], 2, "titel"),
        (["--column", "title=nosuch"], 2, "nosuch"),
        (["--template", "{nosuch}"], 1, "nosuch"),
        (["--template", "{title"], 2, "template"),
        (["--gains", "E=much"], 2, "gains"),
        (["--gains", "E=nan"], 2, "gains"),
        (["--gains", "X=1"], 2, "gains"),
        (["--queries", "q.csv"], 2, "--judgments"),
        (["--encoder", "./no/such/encoder"], 1, "encoder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_options_are_one_error_and_leave_nothing(
    options: list[str],
    code: int,
    word: str,
    shop: Path,
    tmp_path: Path,
    rankbench: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    result = rankbench("init", tmp_path / "w", "--catalog", shop / "products.csv", *options)
    result.assert_error(code, word)
    assert listing(tmp_path) == []


def test_a_workspace_is_not_overwritten(workspace: Path, shop: Path, rankbench: Any) -> None:
    before = (workspace / "workspace.toml").read_text()
    result = rankbench("init", workspace, "--catalog", shop / "products.csv")
    result.assert_error(1, "already", "--force")
    assert (workspace / "workspace.toml").read_text() == before


def test_force_reads_the_catalog_anew_and_keeps_the_judgments(
    workspace: Path, tmp_path: Path, rankbench: Any
) -> None:
    catalog = tmp_path / "new.csv"
    catalog.write_text("sku,name,brand,colour\np01,Canopy,Halden,white\np99,New lamp,,\n")
    result = rankbench("init", workspace, "--catalog", catalog, "--force", "--json")
    assert result.json["products"] == 2
    with Records(workspace / "records.db") as records:
        assert len(records.judged_queries()) == 12
    assert rankbench("index", "-w", workspace, "--json").json["rows"] == 2


def test_a_failed_force_leaves_the_old_workspace(
    workspace: Path, tmp_path: Path, shop: Path, rankbench: Any
) -> None:
    before = (workspace / "workspace.toml").read_text()
    options = ["--catalog", shop / "products.csv", "--force"]
    rankbench("init", workspace, *options, "--template", "{nosuch}").assert_error(1, "nosuch")
    rankbench("init", workspace, *options, "--judgments", tmp_path / "none.csv").assert_error(1)
    assert (workspace / "workspace.toml").read_text() == before
    assert rankbench("search", "tent", "-w", workspace, "--json").code == 0


def test_an_existing_directory_keeps_what_it_holds(
    shop: Path, tmp_path: Path, rankbench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    assert rankbench("init", ".", "--catalog", shop / "products.csv").code == 0
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".rankbench-")]
    assert rankbench("encoders", "--json").code == 0


def test_a_file_in_the_way_is_one_error(shop: Path, tmp_path: Path, rankbench: Any) -> None:
    (tmp_path / "w").write_text("mine")
    result = rankbench("init", tmp_path / "w", "--catalog", shop / "products.csv")
    result.assert_error(1, "file")
    assert (tmp_path / "w").read_text() == "mine"


def test_two_directories_are_one_too_many(shop: Path, tmp_path: Path, rankbench: Any) -> None:
    options = ["--catalog", shop / "products.csv", "-w", tmp_path / "b"]
    rankbench("init", tmp_path / "a", *options).assert_error(2, "two directories")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_cannot_be_written_is_one_error(
    shop: Path, tmp_path: Path, rankbench: Any
) -> None:
    tmp_path.chmod(0o500)
    try:
        result = rankbench("init", tmp_path / "w", "--catalog", shop / "products.csv")
        result.assert_error(1, "cannot write")
    finally:
        tmp_path.chmod(0o700)


def test_a_disk_that_refuses_is_one_error(
    shop: Path, tmp_path: Path, rankbench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    result = rankbench("init", tmp_path / "w", "--catalog", shop / "products.csv")
    result.assert_error(1, "read-only file system")
    assert listing(tmp_path) == []


def test_hostile_product_text_goes_in_and_comes_out_harmless(
    tmp_path: Path, rankbench: Any
) -> None:
    title = "Tent \x1b[31mred\x1b[0m size [/] 10 \u202egpj.exe \x07"
    (tmp_path / "p.csv").write_text(f'id,title\na,"{title}"\n', encoding="utf-8")
    root = tmp_path / "w"
    assert rankbench("init", root, "--catalog", tmp_path / "p.csv").code == 0
    shown = rankbench("search", "tent", "-w", root, "--baseline", "bm25", "--candidate", "bm25")
    assert shown.code == 0, shown.err
    assert "[/] 10" in shown.out
    assert not set("\x1b\x07\u202e") & set(shown.out + shown.err)


def items(root: Path, *columns: str) -> list[tuple[Any, ...]]:
    return read_items(open_workspace(root), ["product_id", *columns]).rows()


def test_headers_that_fold_to_one_name_are_kept_apart(tmp_path: Path, rankbench: Any) -> None:
    (tmp_path / "p.csv").write_text("id,title,price ($),price (€)\na,Tent,5,4\n", encoding="utf-8")
    root = tmp_path / "w"
    result = rankbench("init", root, "--catalog", tmp_path / "p.csv")
    assert result.code == 0, result.err
    assert "'price (€)' is price_2" in result.out
    assert items(root, "price", "price_2") == [("a", "5", "4")]


def test_a_second_judgment_file_with_the_same_ids_is_told(
    tmp_path: Path, shop: Path, workspace: Path, rankbench: Any
) -> None:
    (tmp_path / "j.csv").write_text(
        "query_id,query,product_id,label\nq00,green lamp,p01,I\nq99,Canopy Tents,p03,S\n"
    )
    told = rankbench("import", "judgments", tmp_path / "j.csv", "-w", workspace)
    assert "q00 is q00-2" in told.out and "q99 is q00" in told.out
    found = rankbench("import", "judgments", tmp_path / "j.csv", "-w", workspace, "--json").json
    assert (found["joined"], found["renamed"]) == ({"q00": "q00-2", "q99": "q00"}, {})
    with Records(workspace / "records.db") as records:
        grades = {query.query_id: query.grades for query in records.judged_queries()}
    assert grades["q00-2"] == {"p01": "I"}
    assert grades["q00"] == {"p01": "E", "p02": "E", "p03": "S"}


def test_a_narrowed_linking_rule_is_one_line(tmp_path: Path, rankbench: Any) -> None:
    (tmp_path / "p.csv").write_text("id,title\na,Tent\nb,Lamp\nc,Hose\n")
    rows = [f"word{n},{product},E\n" for n in range(12) for product in "abc"]
    (tmp_path / "j.csv").write_text("query,product_id,label\n" + "".join(rows))
    files = ["--catalog", tmp_path / "p.csv", "--judgments", tmp_path / "j.csv"]
    result = rankbench("init", tmp_path / "w", *files)
    assert len(re.findall(r"^linked .*only near-equal texts", result.out, re.MULTILINE)) == 1
    assert (
        rankbench("init", tmp_path / "v", *files, "--json").json["judgments"]["linked_by"]
        == "texts"
    )


def test_force_with_an_encoder_replaces_the_base_and_forgets_its_build(
    workspace: Path, shop: Path, tiny_encoder_dir: Path, rankbench: Any
) -> None:
    options = ["--catalog", shop / "products.csv", "--force", "--encoder"]
    state = State(workspace / "state.db")
    card = (workspace / "encoders" / "base" / "card.json").stat()
    try:
        assert rankbench("init", workspace, *options, "./no/such/encoder").code == 1
        with open_workspace(workspace).writer_lock():  # items come first: nothing is replaced
            result = rankbench("init", workspace, *options, tiny_encoder_dir)
        result.assert_error(1, "another process")
        assert state.active_build("base") is not None
        assert (workspace / "encoders" / "base" / "card.json").stat() == card
        assert rankbench("init", workspace, *options, tiny_encoder_dir).code == 0
        assert state.active_build("base") is None
    finally:
        state.close()
    assert sorted(os.listdir(workspace / "encoders")) == ["base"]
    assert (workspace / "encoders" / "base" / "card.json").stat() != card
    assert rankbench("index", "-w", workspace, "--json").json["rows"] == 16


def test_columns_that_nothing_uses_are_listed(tmp_path: Path, rankbench: Any) -> None:
    (tmp_path / "p.csv").write_text("id,title,price ($),size\na,Tent,5,XL\nb,Lamp,6,S\n")
    options = ["--catalog", tmp_path / "p.csv"]
    assert rankbench("init", tmp_path / "a", *options, "--json").json["unused"] == [
        "price ($)",
        "size",
    ]
    shown = rankbench("init", tmp_path / "b", *options, "--template", "{title} {size}")
    assert re.search(r"^not used +price \(\$\) ", shown.out, re.MULTILINE)


def test_judgments_without_an_exact_grade_are_told(
    shop: Path, tmp_path: Path, rankbench: Any
) -> None:
    (tmp_path / "j.csv").write_text("query,product_id,label\ntent,p01,S\n")
    files = ["--catalog", shop / "products.csv", "--judgments", tmp_path / "j.csv"]
    assert re.search(r"^no Exact ", rankbench("init", tmp_path / "w", *files).out, re.MULTILINE)


def test_a_template_by_the_files_own_name_is_told_the_name_here(
    shop: Path, tmp_path: Path, rankbench: Any
) -> None:
    options = ["--catalog", shop / "products.csv", "--template", "{name}"]
    rankbench("init", tmp_path / "w", *options).assert_error(1, "name (here it is title)")


def test_the_settings_say_what_may_be_edited_and_what_to_run_then(
    shop: Path, tmp_path: Path, rankbench: Any
) -> None:
    assert rankbench("init", tmp_path / "w", "--catalog", shop / "products.csv").code == 0
    lines = (tmp_path / "w" / "workspace.toml").read_text().splitlines()
    head = [line for line in lines[: lines.index("")] if line.startswith("# ")]
    text = " ".join(head)
    assert "by hand" in text and "`rankbench index`" in text
    settings = tomllib.loads("\n".join(lines))
    for name in settings:
        assert name in text, f"nothing is said of {name}"
