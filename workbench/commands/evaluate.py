"""`rankbench eval`: the query set through both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from engine.errors import UsageError
from engine.measures import LARGEST_DELTA, PRIMARY
from engine.workspace import Workspace
from workbench.commands.hints import hint
from workbench.commands.options import asked_options, json_option, with_workspace
from workbench.commands.output import (
    count,
    cut,
    emit_json,
    interval,
    note_small,
    number,
    p_value,
    progress_bar,
    safe,
    say,
    table,
)

if TYPE_CHECKING:
    from engine.evaluation.cosines import SideCosines
    from engine.evaluation.frame import Evaluation, Group
    from engine.evaluation.intervals import Delta
    from engine.records import Word

_BY = (
    "The same numbers for each value of a query column, of split or seen, or of head (head, torso, "
    "tail, by the queries' weight), category, length, negation."
)


_NOT_WITH_EVERY = {
    "split": "--split",
    "query_set": "--set",
    "candidates": "--candidates",
    "runs": "--runs",
    "per_query": "--per-query",
    "by": "--by",
    "cosines": "--cosines",
}


@click.command("eval")
@asked_options()
@click.option(
    "--runs",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write baseline.run, candidate.run and qrels.txt in TREC form.",
)
@click.option("--per-query", is_flag=True, help="Add a row for every query, worst first.")
@click.option("--by", metavar="COLUMN", help=_BY)
@click.option("--cosines", is_flag=True, help="Add cosines of queries with titles, descriptions.")
@click.option("--every", is_flag=True, help="Every encoder and bm25 against every query set.")
@json_option
@with_workspace
def command(
    workspace: Workspace,
    baseline: str | None,
    candidate: str | None,
    split: str,
    query_set: str,
    candidates: str,
    judgments: str,
    runs: Path | None,
    per_query: bool,
    by: str | None,
    cosines: bool,
    every: bool,
    as_json: bool,
) -> None:
    """Measure both sides over the judged queries; every delta with n and a 95 % interval.

    What was found is kept: `rankbench runs` lists it.
    """
    if every:
        from workbench.commands.board import show_board

        _refuse_beside_every()
        show_board(
            workspace, baseline or workspace.settings.baseline, candidate, judgments, as_json
        )
        return
    from engine.evaluation.evaluate import breakdown
    from engine.evaluation.query_set import evaluate_query_set
    from engine.evaluation.runs import write_runs
    from engine.formats.writing import check_parent
    from engine.ranking.comparer import Comparer

    if runs is not None and not runs.is_dir():
        check_parent(runs)
    comparer = Comparer(workspace)
    try:
        with progress_bar("Evaluating", "queries") as report:
            result = evaluate_query_set(
                comparer,
                baseline or workspace.settings.baseline,
                candidate or "",
                candidates,
                split,
                query_set=query_set,
                verdicts=judgments == "all",
                keep_rankings=runs is not None,
                progress=report,
            )
        said = [comparer.words(row.query) for row in result.rows if judgments == "all"]
        groups = breakdown(result, by) if by else {}
        if runs is not None:
            paths = write_runs(runs, result)
            say(f"Wrote {', '.join(str(path) for path in paths)}.")
        extra = _cosines(workspace, result) if cosines else None
    finally:
        comparer.close()
    keep_run(workspace, result, "eval")
    if as_json:
        counted = {"judgments": judgments, "verdicts": sum(map(len, said))}
        emit_json({**to_json(result, per_query, by, groups, extra), **counted})
        return
    show(result, extra)
    say_judgments(judgments, said)
    if by:
        from workbench.commands.groups import show_groups

        show_groups(by, groups, result)
    note_small(delta for part in (result, *groups.values()) for delta in part.delta.values())
    if per_query:
        show_queries(result)


def _refuse_beside_every() -> None:
    """Raise UsageError where an option was given that `--every` has no use for."""
    ctx = click.get_current_context()
    given = [
        option
        for name, option in _NOT_WITH_EVERY.items()
        if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT
    ]
    if given:
        raise UsageError(
            f"--every does not go with {', '.join(given)}.",
            "It measures catalog ndcg@10 over the unseen queries of every set; leave one out.",
        )


def keep_run(workspace: Workspace, result: Evaluation, command: str) -> None:
    """Add an evaluation to the history; where the disk cannot be written it is only said."""
    from engine.errors import RankbenchError
    from engine.evaluation.history import remember

    try:
        remember(workspace, result, command)
    except RankbenchError as error:
        say(f"Not kept for `rankbench runs`: {error.what}")


def to_json(
    result: Evaluation,
    per_query: bool = False,
    by: str | None = None,
    groups: Mapping[str, Group] | None = None,
    cosines: SideCosines | None = None,
) -> dict[str, Any]:
    """The `eval` contract, with what was asked for besides."""
    found = result.to_json(per_query)
    if cosines:
        found["baseline"] |= cosines.baseline
        found["candidate"] |= cosines.candidate
        found["delta"] |= {
            name: {key: getattr(delta, key) for key in ("mean", "low", "high", "p", "n")}
            for name, delta in cosines.delta.items()
        }
    if by is not None:
        found["by"] = {by: {value: group.to_json() for value, group in (groups or {}).items()}}
        found["outside"] = {by: dict(result.outside.get(by, {}))}
    return found


def show(result: Evaluation, cosines: SideCosines | None) -> None:
    """Print the means, every delta with its interval, p, counts and n, and the random floor."""
    names = names_of(result)
    what = f"{count(result.queries, 'query', 'queries')} ({safe(result.chosen)})"
    click.echo(f"{names[1]} against {names[0]}, {what}, candidates: {result.candidates}")
    headers = ["measure", *names, "delta", "95 % interval", "p", f"+/=/- at {result.unchanged:g}"]
    rows = []
    for name, before in result.baseline.means.items():
        after = result.candidate.means[name]
        if before is None and after is None:
            continue
        floor = number(result.floor.get(name)) if name in result.floor else ""
        rows.append([name, number(before), number(after), *delta_cells(result.delta[name]), floor])
    table([*headers, "n", "random"], rows)
    if result.rbo is not None:
        click.echo(f"rbo between the sides  {number(result.rbo)}")
    if result.bounds is not None and result.candidates == "catalog":
        low, high = (number(value, sign=True) for value in result.bounds)
        click.echo(
            f"{PRIMARY} delta if every unjudged hit in a top 10 were judged  {low} to {high}"
        )
    _show_power(result.delta[PRIMARY])
    _show_cautions(result)
    if cosines:
        _show_cosines(names, cosines)
    _show_weighted(names, result)
    say_left_out(result)


def say_left_out(result: Evaluation) -> None:
    """Say what is in no mean, or counts 0 in it."""
    if result.seen_by:
        out, by = result.left_out, " or ".join(cut(name, 24) for name in result.seen_by)
        asked = count(result.asked, "query", "queries")
        say(f"{result.asked - out} of {asked}: {out} left out, seen by {by}.")
    if result.excluded:
        excluded = count(len(result.excluded), "query", "queries")
        say(f"{excluded} without a positive grade in the catalog left out.")
    if seen := sum(row.seen for row in result.rows):
        say(
            f"{seen} of the {result.queries} queries trained or chose one of the sides, which "
            "flatters it: `--split unseen` leaves them out."
        )
    if result.absent:
        say(f"{count(result.absent, 'judgment')} of products that are not in the catalog left out.")
    if result.without_exact:
        say(
            f"{result.without_exact} of the {result.queries} queries have no Exact product: their "
            "mrr@10, recall@50 and precision@10 are 0 by definition."
        )
    for side in (result.baseline, result.candidate):
        if side.unanswered:
            say(
                f"{cut(side.encoder, 60)}: the run has no answer to {len(side.unanswered)} of the "
                f"{result.queries} queries; each counts 0."
            )
    if not result.queries:
        say(_nothing(result))


def _show_power(delta: Delta) -> None:
    """Print what a set of this size can show, and whether it is too small for what it shows."""
    if delta.visible is None:
        return
    least = number(min(delta.visible, LARGEST_DELTA), 3)
    click.echo(
        f"n = {delta.n} shows a true {PRIMARY} difference of {least} four times in five (80 % "
        "power), a smaller one less often"
    )
    if delta.too_few:
        click.echo(
            f"this set is too small to tell: {number(delta.mean, sign=True)} is less than that and "
            "its interval spans 0"
        )


def _show_cautions(result: Evaluation) -> None:
    """Print that a side is no better than chance, or an interval surer than its queries."""
    from engine.report.headline import barely_sentence, floor_sentence, fragile_sentence

    delta = result.delta[PRIMARY]
    for sentence in (floor_sentence(result), fragile_sentence(delta) or barely_sentence(delta)):
        if sentence:
            click.echo(f"{PRIMARY}: {sentence}")


def say_judgments(judgments: str, said: Sequence[Mapping[str, Word]]) -> None:
    """Say whose judgments counted, where a person has said anything."""
    words = [word for found in said for word in found.values()]
    against = sum(word.overrules for word in words)
    if judgments == "imported":
        say("Judged by the imported judgments alone, without people's verdicts.")
    elif words:
        hint(
            f"{count(len(words), 'grade')} by people's verdicts, {against:,} against an imported "
            "judgment; `rankbench eval --judgments imported` leaves them out."
        )


def _nothing(result: Evaluation) -> str:
    """Why there is no query in the means: none was selected, or all of them were left out."""
    if result.excluded:
        return (
            "That is every query of this split: nothing was measured. Grade some products of this "
            "catalog, or check that the judgments name its products."
        )
    return "No query is in this split; `--split all` takes every query."


def encoding(encoder: str) -> str:
    """What the progress of an encoder's fields is called."""
    return f"Titles, descriptions by {cut(encoder, 16)}"


def _cosines(workspace: Workspace, result: Evaluation) -> SideCosines:
    from engine.evaluation.cosines import side_cosines

    with progress_bar("Titles, descriptions", "texts") as report:
        return side_cosines(
            workspace, result, lambda encoder: report.stage(encoding(encoder), "texts"), report
        )


def delta_cells(delta: Delta) -> list[str]:
    counts = f"{delta.improved}/{delta.unchanged}/{delta.harmed}"
    mean = number(delta.mean, sign=True)
    return [mean, interval(delta), p_value(delta.p), counts, str(delta.n)]


def _show_cosines(names: list[str], cosines: SideCosines) -> None:
    click.echo()
    rows = []
    for name, before in cosines.baseline.items():
        delta = cosines.delta.get(name)
        # What a query adds to a mean over pairs is no improvement or harm: no counts.
        mean, span, p, _, n = delta_cells(delta) if delta else ["—", "—", "—", "", ""]
        row = [name, number(before), number(cosines.candidate[name]), mean, span, p, n]
        rows.append(row)
    table(["cosine", *names, "delta", "95 % interval", "p", "n"], rows)


def _show_weighted(names: list[str], result: Evaluation) -> None:
    """Print the traffic-weighted means, where the queries have weights."""
    rows = [
        [
            name,
            number(means.baseline),
            number(means.candidate),
            number(means.delta, sign=True),
            interval(means),
            str(means.n),
            f"{means.n_effective:.1f}",
        ]
        for name, means in result.weighted.items()
        if means.delta is not None
    ]
    if not rows:
        return
    click.echo()
    headers = ["weighted by traffic", *names, "delta", "95 % interval", "n", "effective n"]
    table(headers, rows)
    without = sum(row.weight is None for row in result.rows)
    if without:
        say(f"{without} of the {result.queries} queries have no weight: in no weighted mean.")


def names_of(result: Evaluation) -> list[str]:
    """Both sides as a table heads its columns with them."""
    return [cut(side.encoder, 24) for side in (result.baseline, result.candidate)]


def show_queries(result: Evaluation) -> None:
    """Print the primary measure of every query, the worst delta first."""
    ordered = sorted(
        result.rows, key=lambda row: (row.delta[PRIMARY] is None, row.delta[PRIMARY] or 0.0)
    )
    rows = [
        [
            cut(row.query, 50),
            row.split or "",
            number(row.baseline[PRIMARY]),
            number(row.candidate[PRIMARY]),
            number(row.delta[PRIMARY], sign=True),
        ]
        for row in ordered
    ]
    click.echo()
    table([f"query ({PRIMARY})", "split", *names_of(result), "delta"], rows, left=2)
