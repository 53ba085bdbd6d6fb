"""`rankbench gate`: rules that an encoder must pass."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.errors import UsageError
from engine.measures import PRIMARY
from workbench.commands.evaluate import keep_run, say_judgments, say_left_out
from workbench.commands.options import (
    asked_options,
    current_workspace,
    json_option,
    workspace_option,
)
from workbench.commands.output import (
    count,
    cut,
    emit_json,
    facts,
    interval,
    note_fragile,
    note_small,
    number,
    progress_bar,
    safe,
    say,
)

if TYPE_CHECKING:
    from engine.evaluation.gate import Checked, Gate, Protected
    from engine.evaluation.rules import Rule

FAILED = 3
Line = tuple[str, str]


@click.command("gate")
@click.option("--rule", "rule", metavar="RULE", multiple=True, help="Again for another rule.")
@click.option(
    "--rules",
    "rules_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="More rules, one a line; # begins a comment.",
)
@click.option(
    "--protect",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Queries that must not be harmed, one a line, whatever their split.",
)
@asked_options()
@click.option(
    "--junit",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write JUnit XML: a test for each rule and each protected query.",
)
@json_option
@workspace_option
@click.pass_context
def command(
    ctx: click.Context,
    rule: tuple[str, ...],
    rules_file: Path | None,
    protect: Path | None,
    baseline: str | None,
    candidate: str | None,
    split: str,
    query_set: str,
    candidates: str,
    judgments: str,
    junit: Path | None,
    as_json: bool,
) -> None:
    """Check rules on the candidate against the baseline; for a pipeline.

    A RULE is `MEASURE >= base + NUMBER`, with >=, >, <= or <, where base is the baseline's mean;
    or `harmed <= PERCENT%`, or improved, the share of the queries. MEASURE is one of eval's, such
    as ndcg@10: the candidate's mean. MEASURE.low and MEASURE.high are the ends of its 95 %
    interval: `ndcg@10.low >= base - 0.01` rules a larger loss out, where a mean may pass by chance.

    Exit status: 0 where all hold, 3 where one fails, 2 for a rule that does not parse, 1 where
    nothing could be checked.
    """
    from engine.evaluation.rules import check_candidates
    from engine.formats.writing import check_place

    if junit is not None:
        check_place(junit)
        # What stops this run must not leave an earlier one's file to be taken for its own.
        junit.unlink(missing_ok=True)
    rules = _rules(rule, rules_file)
    check_candidates(rules, candidates)
    protected = _protected(protect)
    if not rules and not protected:
        raise UsageError(
            "There is nothing to check.",
            f'Give --rule "{PRIMARY} >= base", --rules FILE or --protect FILE.',
        )
    workspace = current_workspace(ctx)

    from engine.evaluation.gate import run_gate
    from engine.ranking.comparer import Comparer

    began, clock = datetime.now(UTC), time.perf_counter()
    comparer = Comparer(workspace)
    try:
        with progress_bar("Evaluating", "queries", as_json) as report:
            gate = run_gate(
                comparer,
                rules,
                protected,
                baseline or workspace.settings.baseline,
                candidate or "",
                candidates,
                split,
                query_set=query_set,
                verdicts=judgments == "all",
                progress=report,
            )
        said = [comparer.words(row.query) for row in gate.evaluation.rows if judgments == "all"]
    finally:
        comparer.close()
    if rules:
        keep_run(workspace, gate.evaluation, "gate")
    if junit is not None:
        _write_junit(junit, gate, time.perf_counter() - clock, began)
    if as_json:
        emit_json({**gate.to_json(), "judgments": judgments})
    else:
        say(_about(gate))
        facts(_lines(gate))
        if gate.rules:
            _say_with_care(gate)
        say_judgments(judgments, said)
    if not gate.passed:
        ctx.exit(FAILED)


def _rules(texts: Sequence[str], path: Path | None) -> tuple[Rule, ...]:
    from engine.evaluation.rules import parse_rules
    from engine.formats.encoding import read_entries

    entries = read_entries(path) if path is not None else []
    return parse_rules(texts, [(f"{path}, line {line}", text) for line, text in entries])


def _protected(path: Path | None) -> list[str]:
    from engine.formats.query_list import read_queries

    return [] if path is None else read_queries(path)


def _about(gate: Gate) -> str:
    result = gate.evaluation
    names = f"{cut(result.candidate.encoder, 40)} against {cut(result.baseline.encoder, 40)}"
    if not gate.rules:
        return f"{names}, candidates: {result.candidates}"
    queries = f"{count(result.queries, 'query', 'queries')} ({safe(result.chosen)})"
    return f"{names}, {queries}, candidates: {result.candidates}"


def _lines(gate: Gate) -> list[Line]:
    """One line a rule, one a harmed query, or one for all protected ones."""
    lines = [
        (f"{_word(checked.passed)}  {safe(checked.rule.text)}", rule_measured(checked, gate))
        for checked in gate.rules
    ]
    harmed = [query for query in gate.protected if query.harmed]
    lines += [
        (f"{_word(False)}  protected: {cut(query.query, 40)}", query_measured(query, gate))
        for query in harmed
    ]
    if gate.protected and not harmed:
        lines.append((f"{_word(True)}  protected", _none_harmed(gate)))
    return lines


def _word(passed: bool) -> str:
    return "pass" if passed else "FAIL"


def rule_measured(checked: Checked, gate: Gate) -> str:
    """What was measured, what the rule needs, the interval, n and the set."""
    rule, delta = checked.rule, checked.delta
    where = f"n {delta.n}, {safe(gate.evaluation.chosen)}, {gate.evaluation.candidates}"
    if rule.is_share:
        limit = gate.evaluation.unchanged
        moved = f"{PRIMARY} by more than {limit:g}"
        of = f"{checked.value:.1f} % ({checked.count} of {delta.n})"
        return f"{of}, needs {rule.op} {rule.number:g} %; {moved}, {where}"
    value, needed = _told_apart(checked.value, checked.needed)
    moved = f"delta {number(delta.mean, sign=True)} ({interval(delta)})"
    fragile = ", fragile" if checked.passed and checked.fragile else ""
    if not fragile and checked.passed and delta.barely:
        fragile = ", hardly outside 0"
    return f"{value}, needs {rule.op} {needed}; {moved}{fragile}, {where}"


def query_measured(query: Protected, gate: Gate) -> str:
    """What a protected query's measure was on both sides, and what it needs."""
    before, after = number(query.baseline), number(query.candidate)
    limit = number(-gate.evaluation.unchanged, sign=True)
    seen = "trained or chose a side" if query.seen else "unseen"
    where = f"{query.split or 'no split'}, {seen}, {gate.evaluation.candidates}"
    moved = number(query.delta, sign=True)
    return f"{PRIMARY} {before} to {after}, delta {moved}, needs >= {limit}; {where}"


def _none_harmed(gate: Gate) -> str:
    worst = min(gate.protected, key=lambda query: query.delta)
    limit = number(-gate.evaluation.unchanged, sign=True)
    seen = sum(query.seen for query in gate.protected)
    told = f"{seen or 'none'} trained or chose a side"
    return (
        f"none of {count(len(gate.protected), 'query', 'queries')} harmed: least {PRIMARY} delta "
        f"{number(worst.delta, sign=True)}, needs >= {limit}; {told}, {gate.evaluation.candidates}"
    )


def _told_apart(value: float, needed: float) -> Line:
    """Both in four digits, or in as many as they differ in."""
    for digits in (4, 6, 8):
        shown = number(value, digits), number(needed, digits)
        if shown[0] != shown[1]:
            return shown
    return number(value), number(needed)


def _say_with_care(gate: Gate) -> None:
    """Say what the figures leave out, and which rules chance could have decided."""
    result = gate.evaluation
    say_left_out(result)
    close = [checked.rule for checked in gate.rules if checked.close]
    if close:
        names = ", ".join(dict.fromkeys(rule.measure for rule in close))
        say(
            f"What a rule needs of {names} lies inside its interval: other queries could decide "
            f"otherwise. {close[0].measure}.low asks for more than a mean."
        )
    note_fragile(checked.delta for checked in gate.rules if checked.passed and checked.fragile)
    note_small(checked.delta for checked in gate.rules)


def _write_junit(path: Path, gate: Gate, seconds: float, began: datetime) -> None:
    from engine.formats.junit import TestCase, write_junit

    result = gate.evaluation
    cases = []
    for checked in gate.rules:
        told = rule_measured(checked, gate)
        failure = "" if checked.passed else told
        cases.append(TestCase("rankbench.gate", checked.rule.text, told, failure))
    for query in gate.protected:
        told = query_measured(query, gate)
        failure = told if query.harmed else ""
        cases.append(TestCase("rankbench.gate.protected", query.query, told, failure))
    properties = {
        "baseline": f"{result.baseline.encoder} {result.baseline.build}".strip(),
        "candidate": f"{result.candidate.encoder} {result.candidate.build}".strip(),
        **{f"inputs.{name}": value for name, value in result.inputs.items()},
    }
    name = f"{result.candidate.encoder} against {result.baseline.encoder}"
    write_junit(path, name, cases, properties, seconds, began.isoformat(timespec="seconds"))
