"""`report`: one file of what both sides do."""

from __future__ import annotations

import csv
import html
from pathlib import Path
from typing import Any

import pytest

from engine.encoders.card import Card, write_card


def sides(root: Path) -> list[object]:
    return ["-w", root, "--candidate", "bm25", "--split", "all"]


def test_the_page_goes_to_the_workspaces_reports(workspace: Path, rankbench: Any) -> None:
    result = rankbench("report", *sides(workspace))
    assert result.code == 0, result.err
    [made] = (workspace / "reports").glob("*.html")
    assert made.name.startswith("bm25-against-base-all-") and made.suffix == ".html"
    assert str(made) in result.err and result.out == ""
    page = html.unescape(made.read_text(encoding="utf-8"))
    found = rankbench("eval", *sides(workspace), "--cosines", "--json").json
    for side in ("baseline", "candidate"):
        assert f"{found[side]['ndcg@10']:.4f} with {found[side]['encoder']}" in page
    assert "n\u00a0=\u00a012 judged queries" in page
    assert f"{found['baseline']['title_cosine']:.4f}" in page
    assert found["inputs"]["judgments"] in page
    assert "rankbench eval --baseline base --candidate bm25 --split all --cosines" in page
    assert "fewer than 20 queries" in page


def test_the_suffix_says_what_is_written(made: Path, tmp_path: Path, rankbench: Any) -> None:
    options = [*sides(made), "--no-cosines", "-o"]
    assert rankbench("report", *options, tmp_path / "r.md").code == 0
    assert (tmp_path / "r.md").read_text(encoding="utf-8").startswith("# ")
    assert rankbench("report", *options, tmp_path / "r.csv").code == 0
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    per_query = rankbench("eval", *sides(made), "--per-query", "--json").json["per_query"]
    expected = {row["query"]: row["delta"]["ndcg@10"] for row in per_query}
    assert {row["query"]: float(row["delta:ndcg@10"]) for row in rows} == pytest.approx(expected)


def test_no_examples_and_no_cosines_are_a_page_too(
    made: Path, tmp_path: Path, rankbench: Any
) -> None:
    path = tmp_path / "r.txt"
    options = ["--format", "html", "--examples", "0", "--no-cosines", "-o", path]
    assert rankbench("report", *sides(made), *options).code == 0
    page = path.read_text(encoding="utf-8")
    assert "<article" not in page and "title_cosine" not in page


def test_a_name_that_says_nothing_is_refused(made: Path, tmp_path: Path, rankbench: Any) -> None:
    rankbench("report", *sides(made), "-o", tmp_path / "r.pdf").assert_error(2, "r.pdf", "--format")
    options = ["--format", "html", "-o", tmp_path]
    rankbench("report", *sides(made), *options).assert_error(1, "is a directory")


def test_without_an_unseen_query_it_says_what_that_means(workspace: Path, rankbench: Any) -> None:
    listed = rankbench("eval", *sides(workspace), "--per-query", "--json").json["per_query"]
    seen = tuple(row["query"] for row in listed)
    write_card(workspace / "encoders" / "base", Card("base", base="tiny", trained_queries=seen))
    options = ["-w", workspace, "--candidate", "bm25"]
    rankbench("report", *options).assert_error(1, "12 judged queries", "not seen", "--split all")
    path = workspace / "r.html"
    assert rankbench("report", *sides(workspace), "--no-cosines", "-o", path).code == 0
    page = path.read_text(encoding="utf-8")
    assert "12 of the 12 queries trained or chose one of the sides" in page


def test_peoples_verdicts_are_counted_or_left_out(workspace: Path, rankbench: Any) -> None:
    assert rankbench("flag", "canopy tent", "p01", "I", "-w", workspace).code == 0
    path = workspace / "r.html"
    options = [*sides(workspace), "--no-cosines", "-o", path]
    assert rankbench("report", *options).code == 0
    page = path.read_text(encoding="utf-8")
    assert "1 grade comes from" in page and "<code>--judgments imported</code> leaves" in page
    assert "`" not in page
    markdown = workspace / "r.md"
    assert rankbench("report", *options[:-1], markdown).code == 0
    assert "`--judgments imported` leaves" in markdown.read_text(encoding="utf-8")
    assert rankbench("report", *options, "--judgments", "imported").code == 0
    page = path.read_text(encoding="utf-8")
    assert "1 grade" not in page and "--judgments imported" in page


def test_a_query_with_terminal_escapes_leaves_no_litter(
    shop: Path, tmp_path: Path, rankbench: Any
) -> None:
    judgments = tmp_path / "judgments.csv"
    judgments.write_text("query,product_id,label\n\x1b[31mred\x1b[0m tent,p01,E\nhose,p09,E\n")
    root = tmp_path / "w"
    files = ["--catalog", shop / "products.csv", "--judgments", judgments]
    assert rankbench("init", root, *files).code == 0
    both = ["-w", root, "--baseline", "bm25", "--candidate", "bm25", "--split", "all"]
    for form in ("csv", "md", "html"):
        path = tmp_path / f"report.{form}"
        assert rankbench("report", *both, "--no-cosines", "-o", path).code == 0
        text = path.read_text(encoding="utf-8")
        assert "[31m" not in text and "31m" not in text
    with (tmp_path / "report.csv").open(encoding="utf-8", newline="") as file:
        assert {row["query"] for row in csv.DictReader(file)} == {"red tent", "hose"}
