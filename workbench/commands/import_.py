"""`rankbench import`: judgments, verdicts, query sets, search and click logs into a workspace."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from engine.errors import RankbenchError, UsageError
from engine.formats.query_list import read_queries
from engine.making.make import add_judgments, name_queries
from engine.workspace import Workspace
from workbench.commands import findings
from workbench.commands.hints import hint
from workbench.commands.options import Finite, json_option, with_workspace
from workbench.commands.output import count, emit_json, facts, safe, say
from workbench.commands.verdicts import when


@click.command("import")
@click.argument("kind", type=click.Choice(["judgments", "flags", "queries", "log", "clicks"]))
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--queries", metavar="FILE", type=click.Path(path_type=Path), help="Query texts.")
@click.option("--scale", metavar="S", help="The scale, where it cannot be told from the values.")
@click.option(
    "--set",
    "query_set",
    metavar="NAME",
    default="",
    help="Name the file's queries, for `eval --set NAME`; a name's newest file counts.",
)
@click.option(
    "--weight",
    type=Finite(0, 100, min_open=True),
    default=1.0,
    help="How often the file's judgments count in training: 2 twice, .5 half of them.",
)
@click.option(
    "--undo", is_flag=True, help="Take back the newest import of judgments, or the newest log."
)
@json_option
@with_workspace
def command(
    workspace: Workspace,
    kind: str,
    file: Path | None,
    queries: Path | None,
    scale: str | None,
    query_set: str,
    weight: float,
    undo: bool,
    as_json: bool,
) -> None:
    """Read FILE into the workspace. A run needs no import: name it as the side run:FILE.

    judgments: CSV, TREC qrels, Quepid, OpenSearch or ESCI. flags: what `rankbench export flags`
    wrote, in any of its formats; each line is a verdict, and all of them are one act. queries: one
    judged query (or its id) a line, which --set NAME makes a set. log: what people searched for
    (UBI JSON lines, a table with a query column and maybe one of counts, or one search a line);
    the counts of the newest log are the weights of the judged queries. clicks: UBI impressions and
    clicks with positions, or a table of query, product_id, position, clicked (or, counted,
    impressions and clicks); the grades that a click model makes of them go into a file of their
    own, beside the judgments.

    Nothing is overwritten: the newest judgment of a query and product counts, and with --undo, in
    the place of FILE, what the newest import of judgments, or log, replaced counts again.
    """
    if weight != 1 and kind != "judgments":
        raise UsageError("--weight goes with judgments.", "Leave it out.")
    if undo:
        undo_import(workspace, kind, file, as_json)
        return
    if file is None:
        raise UsageError("Missing argument 'FILE'.", "Name the file to read.")
    if kind == "log":
        if query_set or queries or scale:
            raise UsageError("A log takes no --set, --queries or --scale.", "Leave them out.")
        import_log(workspace, file, as_json)
        return
    if kind == "clicks":
        if query_set or queries or scale:
            raise UsageError("Clicks take no --set, --queries or --scale.", "Leave them out.")
        from workbench.commands.clicks import judge

        judge(workspace, file, as_json)
        return
    if kind == "queries":
        import_queries(workspace, file, query_set, as_json)
        return
    if kind == "flags":
        if query_set:
            raise UsageError("--set goes with judgments and queries.", "Leave it out.")
        import_flags(workspace, file, queries, scale, as_json)
        return
    found = add_judgments(workspace, file, queries, scale, query_set, weight)
    if as_json:
        emit_json(found.to_json())
    else:
        findings.show_judgments(found)


def undo_import(workspace: Workspace, kind: str, file: Path | None, as_json: bool) -> None:
    """Take the newest import of judgments, or the newest log, back, and say which that was."""
    from engine.records import Records

    if kind == "flags":
        raise UsageError("Flags are taken back by their own command.", "Run `rankbench undo`.")
    if kind == "clicks":
        raise UsageError(
            "Clicks change no judgment: there is nothing to take back.",
            "Run `rankbench import judgments --undo` if their file was imported.",
        )
    if kind == "queries" or file is not None:
        raise UsageError(
            "--undo takes the newest import of judgments, or the newest log, back.",
            "Run `rankbench import judgments --undo` or `rankbench import log --undo`.",
        )
    if kind == "log":
        _undo_log(workspace, as_json)
        return
    with Records(workspace.records_path) as records:
        found = records.undo_import()
    if found is None:
        raise RankbenchError(
            "There is no import of judgments to take back.",
            "`rankbench import judgments FILE` makes one.",
        )
    if as_json:
        emit_json(found)
        return
    many = count(int(str(found["judgments"])), "judgment")
    over = count(int(str(found["queries"])), "query", "queries")
    given = when(float(str(found["created"])))
    click.echo(f"taken back: {safe(str(found['source']))} of {given}, {many} over {over}")
    hint("What it replaced counts again; importing the file again brings it back.")


def _undo_log(workspace: Workspace, as_json: bool) -> None:
    from engine.records import Records

    with Records(workspace.records_path) as records:
        found = records.undo_log()
    if found is None:
        raise RankbenchError(
            "There is no search log to take back.", "`rankbench import log FILE` brings one."
        )
    if as_json:
        emit_json(asdict(found))
        return
    queries = count(found.queries, "query", "queries")
    told = f"{_amount(found.searches)} searches for {queries}"
    click.echo(f"taken back: {safe(found.source)} of {when(found.created)}, {told}")
    counts = safe(found.before) if found.before else "no log"
    hint(f"From here on {counts} weights the queries; importing the file again brings it back.")


def import_queries(workspace: Workspace, file: Path, query_set: str, as_json: bool) -> None:
    """Name the judged queries that a plain file lists."""
    if not query_set:
        raise UsageError("Queries need a name.", "Add --set NAME.")
    found = name_queries(workspace, query_set, read_queries(file))
    if as_json:
        emit_json(found.to_json())
        return
    click.echo(findings.named(found))
    if unknown := found.unknown:
        shown = ", ".join(f'"{safe(text)}"' for text in unknown[:5])
        more = f" and {len(unknown) - 5:,} more" if len(unknown) > 5 else ""
        say(f"Nobody has judged {shown}{more}: left out.")
    hint(f"`rankbench eval --set {query_set}` measures both sides over them.")


def import_log(workspace: Workspace, file: Path, as_json: bool) -> None:
    """Keep how often each query was searched, and say what the judged ones make of it."""
    from engine.making.logs import add_log

    found = add_log(workspace, file)
    if as_json:
        emit_json(found.to_json())
        return
    each = f"counts from {safe(found.counted)}" if found.counted else f"one a {_UNIT[found.format]}"
    queries = count(found.queries, "query", "queries")
    lines = [("searches", f"{_amount(found.searches)} for {queries} ({each})")]
    if found.repeated:
        lines.append(
            ("repeated", f"{count(found.repeated, 'row')} of a search that was counted already")
        )
    lines += [("left out", f"{count(rows, 'row')} {why}") for why, rows in found.dropped.items()]
    lines += [("note", safe(note)) for note in found.notes]
    told = f"{found.judged_in_log:,} of {count(found.judged, 'judged query', 'judged queries')}"
    traffic = f"{_amount(found.judged_searches)} searches, {100 * found.share:.1f} % of the traffic"
    facts([*lines, ("judged", f"{told} searched for: {traffic}")])
    if found.own_weight:
        keep = count(found.own_weight, "judged query keeps", "judged queries keep")
        say(f"{keep} the weight of the query file: let both count the same, or leave one out.")
    hint("`rankbench import log --undo` takes the log back.")
    if found.judged_in_log > found.own_weight:
        hint("`rankbench eval --by head` weights by the traffic, and parts head from tail.")


_UNIT = {"ubi": "query_id and text", "table": "row", "lines": "line"}


def _amount(searches: float) -> str:
    return f"{searches:,.15g}"


def import_flags(
    workspace: Workspace, file: Path, queries: Path | None, scale: str | None, as_json: bool
) -> None:
    """Keep the verdicts of a file that are new here, and say how many."""
    from engine.formats.verdicts import read_verdicts
    from engine.records.importing import import_verdicts
    from engine.records.judge import judge_name

    read = read_verdicts(file, queries=queries, scale=scale)
    author = judge_name(workspace.settings)
    done = import_verdicts(workspace.records_path, read.verdicts, author)
    # From here on they are on the disk.
    if as_json:
        number = done.number or None
        counts = {"added": len(done.added), "known": done.known, "older": done.older}
        emit_json({**counts, "number": number})
    elif done.added:
        over = count(len({verdict.query for verdict in done.added}), "query", "queries")
        judges = sorted({verdict.judge for verdict in done.added})
        said = ", ".join(safe(judge) for judge in judges[:5])
        click.echo(f"kept {count(len(done.added), 'verdict')} over {over}, by {said}")
    else:
        click.echo(f"nothing new among {count(len(read.verdicts), 'verdict')} in the file")
    for note in read.notes:
        say(safe(note))
    if done.known:
        say(f"{count(done.known, 'was', 'were')} in the records already.")
    if done.older:
        were = count(done.older, "was", "were")
        say(f"{were} given before what the same judge says of the result now, and left out.")
    if not done.added:
        return
    unknown = _unknown(workspace, {verdict.product_id for verdict in done.added})
    if unknown:
        many = count(unknown, "product of them is", "products of them are")
        say(f"{many} not in the catalog: verdicts on these count once it has them.")
    hint("`rankbench undo` takes the whole file back.")


def _unknown(workspace: Workspace, product_ids: set[str]) -> int:
    """How many the catalog lacks; 0 where it cannot tell."""
    from engine.errors import RankbenchError
    from engine.index.known import open_known

    try:
        known = open_known(workspace)
    except RankbenchError:
        return 0
    try:
        return len(product_ids - known.titles(product_ids).keys())
    finally:
        known.close()
