"""The page: the evaluation's own numbers, its queries behind the bars, every text inert."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from engine.evaluation.evaluate import evaluate
from engine.measures import DEFINITIONS, PRIMARY
from engine.report.headline import side_labels
from engine.report.page import render_html
from engine.report.report import Report
from tests.evaluation.fake_sides import ScoredSide, make_queries
from tests.report.hostile import CATALOG, GAINS, evaluated, reported


class Page(HTMLParser):
    """What a browser would see: elements, and the text of table cells and list items."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.lists: dict[str, list[str]] = {}
        self.text = ""
        self._into: str | None = None
        self._silent = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.elements.append((tag, found))
        self._silent = tag == "style"
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "ul" and found.get("class") == "queries":
            self._into = found["id"]
            self.lists[str(self._into)] = []
        elif tag == "li" and self._into:
            self.lists[self._into].append("")

    def handle_endtag(self, tag: str) -> None:
        self._silent = False
        if tag == "ul":
            self._into = None

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        self.text += data
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data
        if self._into and self.lists[self._into]:
            self.lists[self._into][-1] += data


@pytest.fixture(scope="module")
def report() -> Report:
    return reported(evaluated())


@pytest.fixture(scope="module")
def page(report: Report) -> Page:
    return Page(render_html(report))


def value(cell: str) -> float:
    return float(cell.replace("−", "-").replace("±", "").replace("< ", ""))


def test_every_measure_stands_with_the_numbers_of_the_evaluation(
    report: Report, page: Page
) -> None:
    found = report.evaluation
    rows = {row[0]: row for row in page.rows}
    shown = [name for name, mean in found.baseline.means.items() if mean is not None]
    assert len(shown) == 7  # all but judged ndcg
    for name in shown:
        cells = rows[name + DEFINITIONS[name].about]
        delta = found.delta[name]
        numbers = [found.baseline.means[name], found.candidate.means[name], delta.mean]
        assert [value(cell) for cell in cells[1:4]] == pytest.approx(numbers, abs=5.1e-5)
        ends = [value(end) for end in cells[4].split(" to ")]
        assert ends == pytest.approx([delta.low, delta.high], abs=5.1e-5)
        assert value(cells[6]) == pytest.approx(max(delta.p or 0, 0.001), abs=5.1e-4)
        counts = f"{delta.improved} / {delta.unchanged} / {delta.harmed}"
        assert cells[7:9] == [counts, str(delta.n)]


def test_every_bar_has_its_queries_and_every_query_its_bar(report: Report, page: Page) -> None:
    for measure, anchor in ((PRIMARY, "bars-ndcg-10"), ("rbo_ideal", "bars-rbo-ideal")):
        lists = {key: items for key, items in page.lists.items() if key.startswith(anchor)}
        shown = sorted(value(item[:6]) for items in lists.values() for item in items)
        deltas = sorted(row.delta[measure] for row in report.evaluation.rows)  # type: ignore[type-var]
        assert shown == pytest.approx(deltas, abs=5.1e-4)
        links = {
            (attributes["href"] or "")[1:]
            for tag, attributes in page.elements
            if tag == "a" and (attributes.get("href") or "").startswith(f"#{anchor}")
        }
        assert links == set(lists)


def test_links_lead_to_places_on_the_page_and_ids_are_unique(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    hrefs = [a["href"] or "" for tag, a in page.elements if tag == "a" and "href" in a]
    assert hrefs and all(href[0] == "#" and href[1:] in ids for href in hrefs)


def test_hostile_text_is_text(page: Page, report: Report) -> None:
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "iframe", "object", "embed", "b", "i"}
    attributes = [name for _, found in page.elements for name in found]
    assert not [name for name in attributes if name.startswith("on") or name == "src"]
    for shown in ("<script>alert(1)</script>", "{{ 7 * 7 }}", "</style></bdi></article>"):
        assert shown in page.text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", page.text)


def test_nothing_is_fetched(report: Report) -> None:
    text = render_html(report)
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(http" not in style and "@import" not in style
    assert re.findall(r"url\(([^)]*)\)", style) == ["#hatch"]
    links = re.findall(r"<link[^>]*>", text)
    assert links == ['<link rel="icon" href="data:,">']
    assert "default-src 'none'" in text


def test_examples_show_both_lists_with_grades_and_movements(report: Report, page: Page) -> None:
    rows = report.evaluation.rows
    deltas = sorted((row.delta[PRIMARY], row.query_id) for row in rows)
    assert [item.row.query_id for item in report.harms] == [query for _, query in deltas[:4]]
    assert [item.row.delta[PRIMARY] for item in report.wins] == [d for d, _ in deltas[:-5:-1]]
    for item in (*report.wins, *report.harms):
        assert item.row.rankings is not None
        before, after = item.row.rankings
        assert [hit.product_id for hit in item.candidate] == list(after[:10])
        for hit in item.candidate:
            moved = before.index(hit.product_id) + 1 - hit.rank
            mark = f"▲{moved}" if moved > 0 else f"▼{-moved}" if moved else "="
            assert (hit.mark, hit.grade) == (mark, item.row.grades.get(hit.product_id, ""))
    articles = [a for tag, a in page.elements if tag == "article"]
    assert len(articles) == 8


def test_a_breakdown_needs_a_few_groups(report: Report) -> None:
    assert set(report.breakdowns) == {"split", "=stratum<b>"}
    groups = report.breakdowns["=stratum<b>"]
    assert sum(group.n for group in groups.values()) == report.evaluation.queries


def test_a_product_that_only_one_side_has_is_new() -> None:
    found = evaluated(20)
    win = reported(found).wins[0].row
    before, after = win.rankings or ((), ())
    rows = [
        replace(row, rankings=(before[150:], after)) if row is win else row for row in found.rows
    ]
    shown = reported(replace(found, rows=tuple(rows))).wins[0].candidate
    marks = {hit.product_id: hit.mark for hit in shown}
    gone = [product for product in after[:10] if product not in before[150:]]
    assert gone and all(marks[product] == "new" for product in gone)


def test_nothing_measured_is_a_page_that_says_so() -> None:
    gains = {**GAINS, "E": 0.0, "S": 0.0, "C": 0.0}
    queries = make_queries(CATALOG, 3)
    sides = [ScoredSide(name, CATALOG, queries) for name in ("a", "b")]
    empty = evaluate(*sides, queries, CATALOG, gains=gains, keep_rankings=True)
    assert not empty.rows
    text = html.unescape(render_html(reported(empty)))
    assert "Nothing was measured of b and a" in text and "No query is left to measure." in text
    assert "3 left out: no product of positive gain" in text


def test_the_movement_names_the_other_side(page: Page, report: Report) -> None:
    base, candidate = side_labels(report.evaluation)
    shown = " ".join(page.text.split())
    moved = [hit.moved_from("x") for e in report.wins for hit in (*e.baseline, *e.candidate)]
    assert any("higher than by x" in words for words in moved)
    for side in (base, candidate):
        assert re.search(rf"(higher|lower) than by {re.escape(side)}", shown), side
    assert "than there" not in shown and "the other side does not have it" in shown


def test_where_nothing_is_unjudged_no_line_is_drawn_for_it(report: Report) -> None:
    evaluation = report.evaluation
    mean = evaluation.delta[PRIMARY].mean
    assert "were every result judged</text>" in render_html(
        replace(report, evaluation=replace(evaluation, bounds=(mean - 0.1, mean + 0.1)))
    )
    whole = render_html(replace(report, evaluation=replace(evaluation, bounds=(mean, mean))))
    assert "were every result judged</text>" not in whole
    assert "Every result in either top ten is judged" in whole
    rows = [replace(e.row, bounds=(0.1, 0.1)) for e in report.wins]
    wins = tuple(replace(e, row=row) for e, row in zip(report.wins, rows, strict=True))
    assert "difference, were all judged" not in render_html(replace(report, wins=wins, harms=()))
