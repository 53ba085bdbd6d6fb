"""The report as one HTML file: styles and drawings inside, no script, nothing fetched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import jinja2

from engine.evaluation.distribution import Histogram
from engine.evaluation.frame import QueryRow
from engine.evaluation.intervals import Delta
from engine.formats.printable import printable
from engine.measures import DEFINITIONS, PRIMARY
from engine.report import charts, coded, numbers
from engine.report.headline import bounds_sentence, can_move, set_name, side_labels
from engine.report.report import Report

EXAMPLE_MEASURES = (PRIMARY, "rbo_ideal", "mrr@10", "recall@50", "judged@10")


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """One line of the table of measures."""

    name: str
    about: str
    before: float | None
    after: float | None
    delta: Delta
    floor: float | None


@dataclass(frozen=True, slots=True)
class Drawn:
    """A measure's distribution: its chart, its bars, and the name its anchors begin with."""

    measure: str
    anchor: str
    chart: charts.HistogramChart
    histogram: Histogram


def render_html(report: Report) -> str:
    """The whole page. Text of the catalog and of people is shown as text, whatever it holds."""
    evaluation = report.evaluation
    delta = evaluation.delta[PRIMARY]
    moved = evaluation.bounds if evaluation.bounds and can_move(evaluation.bounds) else None
    rows = measure_rows(report)
    shown = {example.row.query_id for example in (*report.wins, *report.harms)}
    numbered = {row.query_id: number for number, row in enumerate(evaluation.rows)}
    return _templates().get_template("report.html.j2").render(
        report=report,
        evaluation=evaluation,
        sides=(evaluation.baseline, evaluation.candidate),
        labels=side_labels(evaluation),
        primary=PRIMARY,
        delta=delta,
        set_name=set_name(evaluation),
        bounds=bounds_sentence(evaluation),
        measures=rows,
        measure_scale=charts.scale((row.delta for row in rows), 180),
        hero_scale=charts.scale([delta], charts.WIDTH, moved or ()),
        hero_bounds=moved,
        can_move=can_move,
        stacked=charts.stacked(delta),
        distributions=[
            Drawn(name, f"bars-{_anchor(name)}", charts.histogram_chart(found), found)
            for name, found in report.distributions.items()
        ],
        rows={row.query_id: row for row in evaluation.rows},
        example_ids={query_id: f"example-{numbered[query_id]}" for query_id in shown},
        example_measures=EXAMPLE_MEASURES,
        group_scales={
            column: charts.scale((group.delta[PRIMARY] for group in groups.values()), 220)
            for column, groups in report.breakdowns.items()
        },
    )  # fmt: skip


def measure_rows(report: Report) -> list[MeasureRow]:
    """Every measure that is defined on a side, in the order of `DEFINITIONS`, the primary first."""
    evaluation = report.evaluation
    names = sorted(DEFINITIONS, key=lambda name: name != PRIMARY)
    before, after = evaluation.baseline.means, evaluation.candidate.means
    return [
        MeasureRow(
            name,
            DEFINITIONS[name].about,
            before[name],
            after[name],
            evaluation.delta[name],
            evaluation.floor.get(name),
        )
        for name in names
        if before[name] is not None or after[name] is not None
    ]


def query_delta(row: QueryRow, measure: str) -> float:
    """The delta of a query that is in a bar, and so has one."""
    delta = row.delta[measure]
    assert delta is not None
    return delta


def settings_of(values: Mapping[str, object]) -> str:
    """`lr 2e-05, epochs 2`."""

    def written(value: object) -> str:
        if isinstance(value, (list, tuple)):
            return " / ".join(map(written, value))
        return f"{value:g}" if isinstance(value, float) else str(value)

    return printable(", ".join(f"{name} {written(value)}" for name, value in values.items()))


def _anchor(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


@cache
def _templates() -> jinja2.Environment:
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("engine.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "clean": printable,
        "coded": coded.html,
        "number": numbers.number,
        "signed": numbers.signed,
        "interval": numbers.interval,
        "p": numbers.p_value,
        "edge": numbers.edge,
        "counted": numbers.count,
        "grouped": "{:,}".format,
        "share": numbers.share,
        "settings": settings_of,
        "query_delta": query_delta,
        "px": lambda value: f"{value:.1f}".removesuffix(".0"),
    }
    return found
