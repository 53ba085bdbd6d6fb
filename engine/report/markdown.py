"""The report as Markdown: the same figures and words, drawn by no chart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from engine.evaluation.frame import Group
from engine.evaluation.intervals import Delta
from engine.formats.printable import printable
from engine.measures import PRIMARY
from engine.report.coded import spans
from engine.report.examples import Example, Result
from engine.report.headline import bounds_sentence, set_name, side_labels
from engine.report.numbers import count, edge, interval, number, p_value, signed
from engine.report.page import EXAMPLE_MEASURES, measure_rows, settings_of
from engine.report.provenance import SideFacts
from engine.report.report import Report

# What CommonMark or a table obeys inside a line, and what GitHub makes a link of.
_OBEYED = re.compile(
    r"([\\`*_{}\[\]<>#|~&]|(?<=[a-z]):(?=\S)|(?<=\bwww)\.|@(?=[\w-]+\.))", re.IGNORECASE
)


def render_markdown(report: Report) -> str:
    """The whole report. Text of the catalog and of people is escaped."""
    return "\n".join(_lines(report)) + "\n"


def plain(text: str) -> str:
    """`text` shown as it is, inside a line: never at its start."""
    return _OBEYED.sub(r"\\\1", printable(text))


def _coded(line: str) -> str:
    """A sentence of this program with its commands as code."""
    return "".join(f"`{printable(part)}`" if code else plain(part) for part, code in spans(line))


def _lines(report: Report) -> Iterator[str]:
    evaluation, head = report.evaluation, report.headline
    delta = evaluation.delta[PRIMARY]
    yield f"# {plain(head.title)}"
    yield from ("", plain(head.finding), "", plain(head.zero), "")
    counts = f"{delta.improved} improved, {delta.unchanged} unchanged, {delta.harmed} harmed"
    within = f"unchanged within ±{evaluation.unchanged:g}"
    yield f"Of {count(delta.n, 'query', 'queries')}: {counts} ({within})."
    if head.cautions:
        yield from ("", "**Read with care**", "", *(f"- {_coded(line)}" for line in head.cautions))
    said = [*filter(None, [bounds_sentence(evaluation)]), *head.left_out]
    yield from ("", "**What the figures are over**", "", *(f"- {_coded(line)}" for line in said))
    yield from _measures(report)
    yield from _distributions(report)
    for column, groups in report.breakdowns.items():
        yield from ("", f"## {PRIMARY} by {plain(column)}", "")
        headers = ["", "n", "baseline", "candidate", "difference", "95 % interval", "+ / = / −"]
        headers += ["random"]
        yield from _table(headers, (_group(value, group) for value, group in groups.items()))
    names = [plain(name) for name in side_labels(evaluation)]
    for title, shown, none in (
        ("Best wins", report.wins, "No win is shown."),
        ("Worst harms", report.harms, "No harm is shown."),
    ):
        yield from ("", f"## {title}", "")
        if not shown:
            yield none
        for example in shown:
            yield from _example(example, names)
    yield from _origin(report)


def _measures(report: Report) -> Iterator[str]:
    evaluation = report.evaluation
    sides = [plain(name) for name in side_labels(evaluation)]
    yield from ("", "## All measures", "")
    about = f"{count(evaluation.queries, 'query', 'queries')} ({set_name(evaluation)})"
    yield f"Means over the {about}; candidates: {evaluation.candidates}."
    yield f"Below {Delta.FEWEST} queries there is no interval and no p (too few)."
    yield from ("Random: what a random ranking scores.", "")
    headers = ["measure", *sides, "difference", "95 % interval", "p", "+ / = / −", "n", "random"]
    yield from _table(
        headers,
        (
            [
                plain(row.name),
                number(row.before),
                number(row.after),
                *_delta(row.delta),
                "" if row.floor is None else number(row.floor),
            ]
            for row in measure_rows(report)
        ),
    )
    if weighted := evaluation.weighted.get(PRIMARY):
        yield from (
            "",
            f"Weighted by traffic, {PRIMARY}: {number(weighted.baseline)} to "
            f"{number(weighted.candidate)}, {signed(weighted.delta)} ({interval(weighted)}; n "
            f"{weighted.n:,}, effective n {weighted.n_effective:.1f}).",
        )
    if evaluation.rbo is not None:
        yield from ("", f"Rank-biased overlap of the two sides: {number(evaluation.rbo)}.")
    if cosines := report.cosines:
        yield from ("", "Cosines are means over pairs; interval and p are over n queries.", "")
        yield from _table(
            ["cosine", *sides, "difference", "95 % interval", "p", "n"],
            (
                [plain(name), number(before), number(cosines.candidate[name]), *cells]
                for name, before in cosines.baseline.items()
                for cells in [_uncounted(cosines.delta.get(name))]
            ),
        )


def _distributions(report: Report) -> Iterator[str]:
    for name, found in report.distributions.items():
        yield from ("", f"## Differences of {plain(name)}", "")
        most = max((len(bar.query_ids) for bar in found.bars), default=1) or 1
        rows = []
        for bar in found.bars:
            drawn = "█" * round(24 * len(bar.query_ids) / most)
            span = f"{edge(bar.low)} to {edge(bar.high)}"
            rows.append([span, bar.kind, str(len(bar.query_ids)), drawn])
        yield from _table(["difference", "", "queries", ""], rows)


def _example(example: Example, names: Sequence[str]) -> Iterator[str]:
    row = example.row
    yield from (f"### {plain(row.query)}", "")
    pairs = ", ".join(
        f"{name} {number(row.baseline[name], 3)} → {number(row.candidate[name], 3)}"
        for name in EXAMPLE_MEASURES
    )
    yield f"{PRIMARY} {signed(row.delta[PRIMARY], 3)}; {plain(pairs)}"
    yield ""
    longest = max(len(example.baseline), len(example.candidate))
    left, right = (
        [*map(_result, side), *[""] * (longest - len(side))]
        for side in (example.baseline, example.candidate)
    )
    rows = (
        [str(rank), one, two] for rank, (one, two) in enumerate(zip(left, right, strict=True), 1)
    )
    yield from _table(["", *names], rows)
    yield ""


def _result(hit: Result) -> str:
    return f"{hit.mark} **{hit.grade or '·'}** {plain(hit.title)}"


def _origin(report: Report) -> Iterator[str]:
    origin, evaluation = report.provenance, report.evaluation
    yield from ("", "## How this was made", "")
    yield f"- date: {origin.made}"
    yield f"- workspace: {plain(origin.workspace)}"
    yield from (f"- {name} hash: {plain(value)}" for name, value in evaluation.inputs.items())
    yield f"- gains: {plain(settings_of(evaluation.gains))}"
    yield f"- unchanged within: ±{evaluation.unchanged:g}; rbo persistence {evaluation.rbo_p:g}"
    yield f"- versions: {plain(settings_of(origin.versions))}"
    for role, side in zip(("baseline", "candidate"), origin.sides, strict=True):
        yield f"- {role}: {'; '.join(_side(side))}"
    yield from ("", "In the directory of this workspace:", "")
    yield from (f"    {printable(text)}" for text, _ in origin.commands)


def _side(side: SideFacts) -> Iterator[str]:
    yield plain(side.name)
    for name, value in (
        ("from", side.source),
        ("fingerprint", side.fingerprint),
        ("build", side.build),
        ("made", side.created),
        ("recipe", f"{side.recipe} {settings_of(side.parameters)}" if side.recipe else ""),
        ("trained on", count(side.trained, "query", "queries") if side.trained else ""),
        ("training data", settings_of(side.data)),
        ("parents", ", ".join(parent.name for parent in side.parents)),
        ("verdict on its run", str(side.verdict.get("call", ""))),
    ):
        if value:
            yield f"{name} {plain(value)}"


def _group(value: str, group: Group) -> list[str]:
    delta = group.delta[PRIMARY]
    mean, span, _, counts, n = _delta(delta)
    sides = (number(group.baseline[PRIMARY]), number(group.candidate[PRIMARY]))
    floor = number(group.floor[PRIMARY])
    return [plain(value) or "(none)", n, *sides, mean, span, counts, floor]


def _delta(delta: Delta) -> list[str]:
    counts = f"{delta.improved} / {delta.unchanged} / {delta.harmed}"
    return [signed(delta.mean), interval(delta), plain(p_value(delta.p)), counts, str(delta.n)]


def _uncounted(delta: Delta | None) -> list[str]:
    """As `_delta` without the counts, which say nothing of a mean over pairs."""
    if delta is None:
        return ["—", "—", "—", ""]
    return [signed(delta.mean), interval(delta), plain(p_value(delta.p)), str(delta.n)]


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headers)} |"
    yield f"|{' --- |' * len(headers)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
