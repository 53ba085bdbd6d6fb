"""`rankbench flags`: what people said, by query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from engine.errors import UsageError
from engine.workspace import Workspace
from workbench.commands.hints import hint
from workbench.commands.options import json_option, with_workspace
from workbench.commands.output import count, cut, emit_json, number, safe, say, table
from workbench.commands.verdicts import quoted, titles, to_json, when

if TYPE_CHECKING:
    from engine.records.listing import Listed, ListedQuery


@click.command("flags")
@click.option("--query", default="", metavar="Q", help="Only those that hold for this query.")
@click.option("--disputed", is_flag=True, help="The results judges disagree on, and their kappa.")
@click.option("--history", is_flag=True, help="Every record ever written, undos too.")
@json_option
@with_workspace
def command(workspace: Workspace, query: str, disputed: bool, history: bool, as_json: bool) -> None:
    """List the verdicts that stand, grouped by query, and where imported judgments disagree."""
    from engine.catalog.normalise import clean_query
    from engine.records import Records, Verdicts
    from engine.records.listing import list_verdicts

    if disputed and history:
        raise UsageError("--disputed and --history show different things.", "Name only one.")
    if history:
        show_history(workspace, clean_query(query), as_json)
        return
    with Verdicts(workspace.records_path) as verdicts:
        standing, separated = verdicts.standing(), verdicts.separated()
    with Records(workspace.records_path) as records:
        imported = records.judged_queries()
    listed = list_verdicts(imported, standing, separated, clean_query(query))
    if disputed:
        show_disputed(workspace, listed, as_json)
        return
    names = titles(workspace, [row.verdict.product_id for each in listed for row in each.verdicts])
    if as_json:
        emit_json([_row_json(each, row, names) for each in listed for row in each.verdicts])
        return
    for each in listed:
        show_query(each, names)
    flagged = sum(verdict.bad for verdict in standing)
    if not listed:
        hint(
            "No verdicts yet: press x on a bad result in the app, or "
            "`rankbench flag QUERY PRODUCT_ID x`."
            if not query
            else "No verdict holds for this query."
        )
    elif not query:
        over = count(len(listed), "query", "queries")
        say(f"{count(len(standing), 'verdict')} over {over}; {count(flagged, 'flag')}.")


def show_query(listed: ListedQuery, names: Mapping[str, str]) -> None:
    """Print one query's verdicts, and which spellings share them."""
    click.echo(cut(listed.query, 78))
    others = [cut(text, 40) for text in listed.spellings[1:]]
    if others:
        click.echo(f"  shared with {', '.join(others)}")
        hint(f"  `rankbench separate {quoted(listed.query)}` parts them.")
    if listed.separate:
        click.echo("  stands alone: shares nothing with its other spellings")
    rows = [_cells(listed, row, names) for row in listed.verdicts]
    headers = ["", "grade", "product", "title", "judge", "seen", "given", "import", "note"]
    empty = [at for at in range(1, len(headers)) if not any(row[at] for row in rows)]
    kept = [at for at in range(len(headers)) if at not in empty]
    table([headers[at] for at in kept], [[row[at] for at in kept] for row in rows], left=99)
    click.echo()


def _cells(listed: ListedQuery, row: Listed, names: Mapping[str, str]) -> list[str]:
    verdict = row.verdict
    seen = f"{cut(verdict.side, 20)} {f'#{verdict.rank}' if verdict.rank else ''}".rstrip()
    against = f"says {row.imported}" if row.disagrees else ""
    notes = [cut(verdict.note, 60)] if verdict.note else []
    if verdict.query != listed.query:
        notes.append(f"(on {cut(verdict.query, 40)})")
    if not row.counts:
        notes.append("(said otherwise later, under another spelling)")
    return [
        "",
        f"{verdict.grade} x" if verdict.bad else verdict.grade,
        safe(verdict.product_id),
        cut(names.get(verdict.product_id, "not in the catalog" if names else ""), 40),
        cut(verdict.judge, 20),
        seen,
        when(verdict.given),
        against,
        " ".join(notes),
    ]


def _row_json(listed: ListedQuery, row: Listed, names: Mapping[str, str]) -> dict[str, Any]:
    spelling = row.verdict.query
    return {
        **to_json(row.verdict),
        "title": names.get(row.verdict.product_id),
        "imported": row.imported or None,
        "overrules": row.disagrees,
        "counts": row.counts,
        "shared_with": [text for text in listed.spellings if text != spelling],
        "separate": listed.separate,
    }


def show_disputed(workspace: Workspace, listed: Sequence[ListedQuery], as_json: bool) -> None:
    """Print the disputed pairs and every two judges' kappa."""
    from engine.evaluation.agreement import agreements, disputes

    found, pairs = disputes(listed), agreements(listed)
    if as_json:
        emit_json(
            {
                "disputed": [dispute.to_json() for dispute in found],
                "agreement": [agreement.to_json() for agreement in pairs],
            }
        )
        return
    if found:
        names = titles(workspace, [dispute.product_id for dispute in found])
        rows = [
            [
                cut(dispute.query, 40),
                safe(dispute.product_id),
                cut(names.get(dispute.product_id, ""), 40),
                ", ".join(f"{cut(judge, 20)} {grade}" for judge, grade in dispute.grades.items()),
            ]
            for dispute in found
        ]
        table(["query", "product", "title", "said"], rows, left=4)
        click.echo()
    if pairs:
        rows = [
            [
                *(cut(judge, 24) for judge in agreement.judges),
                number(agreement.kappa, 3),
                f"{agreement.same} of {agreement.n}",
                str(agreement.n),
            ]
            for agreement in pairs
        ]
        table(["judge", "judge", "Cohen's kappa", "same grade", "n"], rows, left=2)
    else:
        say("No result was judged twice: there is nothing to agree on.")
    if pairs and not found:
        say("Nothing is disputed.")
    if any(agreement.kappa is None for agreement in pairs):
        say("A kappa is undefined (—) where both gave one and the same grade throughout.")


def show_history(workspace: Workspace, query: str, as_json: bool) -> None:
    """Print every record, oldest first."""
    from engine.catalog.normalise import normalise_query
    from engine.formats.verdicts import iso_time
    from engine.records import Verdicts

    with Verdicts(workspace.records_path) as verdicts:
        records = verdicts.history()
    if query:
        key = normalise_query(query)
        acts = {
            r["batch"] for r in records if r["query"] and normalise_query(str(r["query"])) == key
        }
        records = [r for r in records if (r["target"] or r["batch"]) in acts]
    if as_json:
        for record in records:
            for name in ("created", "given"):
                record[name] = iso_time(float(str(record[name] or 0))) or None
        emit_json(records)
        return
    rows = [
        [
            str(record["id"]),
            when(float(str(record["created"]))),
            cut(str(record["author"]), 20),
            str(record["action"]),
            f"act {record['target']}" if record["target"] else cut(str(record["query"]), 40),
            safe(str(record["product_id"])),
            f"{record['grade'] or ''}{' x' if record['bad'] else ''}",
            cut(str(record["note"]), 40),
        ]
        for record in records
    ]
    if not rows:
        say("No records.")
        return
    table(["#", "time", "by", "what", "query", "product", "grade", "note"], rows, left=8)
