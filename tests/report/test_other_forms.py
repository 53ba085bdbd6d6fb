"""Markdown and CSV: the same numbers, and text that nothing obeys."""

from __future__ import annotations

import csv
import html
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from engine.errors import UsageError
from engine.formats.writing import inert_cell
from engine.measures import DEFINITIONS, PRIMARY
from engine.report.markdown import plain
from engine.report.rendering import render
from engine.report.report import Report
from tests.report.hostile import evaluated, reported

STARTS = tuple("=+-@\t\r\n")


@pytest.fixture(scope="module")
def report() -> Report:
    return reported(evaluated())


@pytest.fixture(scope="module")
def rows(report: Report) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render(report, "csv"))))


def test_the_csv_has_every_query_and_its_numbers(
    report: Report, rows: list[dict[str, str]]
) -> None:
    known = {row.query_id: row for row in report.evaluation.rows}
    assert {row["query_id"] for row in rows} == set(known)
    for row in rows:
        expected = known[row["query_id"]]
        for name in DEFINITIONS:
            for side in ("baseline", "candidate", "delta"):
                want = getattr(expected, side)[name]
                cell = row[f"{side}:{name}"]
                assert cell == "" if want is None else float(cell) == want
        assert float(row[f"lowest_delta:{PRIMARY}"]) == expected.bounds[0]
    deltas = [float(row[f"delta:{PRIMARY}"]) for row in rows]
    assert deltas == sorted(deltas)


def test_no_cell_is_a_formula(report: Report) -> None:
    cells = [cell for row in csv.reader(io.StringIO(render(report, "csv"))) for cell in row]
    risky = [cell for cell in cells if cell.startswith(STARTS)]
    assert risky and all(re.fullmatch(r"-[\d.e-]+", cell) for cell in risky)  # negative numbers
    assert any(cell.startswith("'=HYPERLINK") for cell in cells)
    assert not any(re.search("[\x00-\x1f\x7f\u202a-\u202e]", cell) for cell in cells)


@given(st.text(max_size=8))
def test_an_inert_cell_is_the_text_or_begins_with_an_apostrophe(text: str) -> None:
    found = inert_cell(text)
    assert not found.lstrip(" ").startswith((*STARTS, "＝", "＋", "－", "＠"))
    assert found in (text, f"'{text}")


def shown(text: str) -> str:
    """What a reader of the rendered Markdown sees."""
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    return html.unescape(re.sub(r"<[^>]*>", "", page))


@given(st.text(alphabet="ab<>&|`*_[](){}#+-=!~\\.:@1 '\"", max_size=30))
def test_markdown_shows_any_text_as_it_is(text: str) -> None:
    table = "| h |\n| --- |\n| x " + plain(text) + " |"
    assert shown(table).split() == ["h", "x", *text.split()]


def test_markdown_has_no_elements_of_the_catalogs(report: Report) -> None:
    text = render(report, "md")
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    tags = set(re.findall(r"<([a-z0-9]+)", page))
    assert not tags & {"script", "img", "a", "em", "svg", "i"}
    assert "<script>alert(1)</script>" in shown(text)
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", text)


def test_markdown_tables_keep_their_columns(report: Report) -> None:
    text = render(report, "md")
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    assert len(tables) > 10
    for table in tables:
        bars = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(bars) == 1


def test_markdown_has_the_numbers_of_the_evaluation(report: Report) -> None:
    text = render(report, "md")
    delta = report.evaluation.delta[PRIMARY]
    [line] = [line for line in text.splitlines() if line.startswith("| ndcg@10 |")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert float(cells[3].replace("−", "-")) == pytest.approx(delta.mean, abs=5.1e-5)
    assert cells[7] == str(delta.n)


def cells_of(text: str, start: str) -> list[str]:
    [line] = [line for line in text.splitlines() if line.startswith(start)]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_cosines_have_their_interval_p_and_n(report: Report) -> None:
    text = render(report, "md")
    assert cells_of(text, "| title\\_cosine")[3:] == [
        "+0.0100",
        "−0.0123 to +0.0323",
        "0.300",
        "29",
    ]
    assert cells_of(text, "| title\\_margin")[1:] == ["0.1000", "0.1000", "—", "—", "—", ""]
    page = re.sub(r"<[^>]*>", " ", render(report, "html"))
    assert re.search(r"title_cosine .*\+0\.0100 .*−0\.0123 to \+0\.0323 .*0\.300 .*29", page)


def test_a_breakdown_has_the_random_floor(report: Report) -> None:
    text, page = render(report, "md"), render(report, "html")
    for value, group in report.breakdowns["split"].items():
        floor = f"{group.floor[PRIMARY]:.4f}"
        assert cells_of(text, f"| {value} | {group.delta[PRIMARY].n} |")[-1] == floor
        [row] = re.findall(rf"<bdi>{value}</bdi></th>.*?</tr>", page, flags=re.DOTALL)
        assert row.endswith(f"<td>{floor}</td></tr>")
    assert "random" in text[text.index("by split") :].split("\n\n")[1].splitlines()[0]


def test_another_form_is_refused(report: Report) -> None:
    with pytest.raises(UsageError, match="pdf"):
        render(report, "pdf")
