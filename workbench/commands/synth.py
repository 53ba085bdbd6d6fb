"""`rankbench synth`: a teacher scores what a log's queries find."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from engine.workspace import Workspace
from workbench.commands.following import run_job
from workbench.commands.hints import hint
from workbench.commands.options import json_option, with_workspace
from workbench.commands.output import count, emit_json, facts, number, safe, say, table
from workbench.commands.teach import check_lines

KEYS = ("job", "synth", "counts", "check", "accepted", "teacher", "rate", "seconds")


@click.command("synth")
@click.argument("log", type=click.Path(path_type=Path), required=False)
@click.option(
    "--teacher",
    metavar="T",
    default="",
    help="A teacher's name, a directory or a hub id of a cross-encoder; default: the newest.",
)
@click.option(
    "--encoder",
    metavar="NAME",
    default="base",
    show_default=True,
    help="The student: gives candidates, and must be beaten.",
)
@click.option(
    "--queries",
    type=click.IntRange(1),
    default=300,
    show_default=True,
    help="Queries to score: half the most searched, half drawn from the rest.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the draw.")
@click.option("--name", metavar="N", default="", help="The set's name; default: synth-NN.")
@click.option("--accept-teacher", is_flag=True, help="Even one that does not beat the student.")
@click.option("--detach", is_flag=True, help="Start it and return at once.")
@json_option
@with_workspace
def command(
    workspace: Workspace,
    log: Path | None,
    teacher: str,
    encoder: str,
    queries: int,
    seed: int,
    name: str,
    accept_teacher: bool,
    detach: bool,
    as_json: bool,
) -> None:
    """Score the products that the queries of LOG find, with a cross-encoder; without LOG, list.

    LOG: UBI JSON lines, a table with a query column, or one search a line. Queries that (nearly)
    repeat a judged one of the dev or test split are left out. Candidates are the encoder's and
    bm25's best 100 together. First the teacher is checked on the judged dev queries: one that does
    not beat the encoder there is refused, unless --accept-teacher says otherwise, and then the
    set's card says so. `rankbench train --recipe distill --source log` trains from it.
    """
    if log is None:
        show_list(workspace, as_json)
        return
    from engine.jobs.synth import check, say_drawn

    params: dict[str, Any] = {"log": str(log.resolve()), "teacher": teacher, "encoder": encoder}
    params |= {"queries": queries, "seed": seed, "synth": name, "accept": accept_teacher}
    found, drawn, _ = check(workspace, params)
    if detach:
        say(safe(say_drawn(drawn)))
    params["teacher"] = found.fixed
    end = run_job(workspace, "synth", params, detach=detach, as_json=as_json)
    if end is None:
        return
    if as_json:
        emit_json({key: end.get(key) for key in KEYS})
        return
    counts = end["counts"]
    scored = f"{count(counts['pairs'], 'pair')} of {count(counts['queries'], 'query', 'queries')}"
    facts(
        [
            ("set", safe(end["synth"])),
            ("scored", f"{scored}, {end['rate']:,.0f} pairs a second"),
            *check_lines(end["check"]),
        ]
    )
    if end["accepted"]:
        say("The teacher was not shown to beat the student; its card says that it was accepted.")
    hint(f"Next: `rankbench train --recipe distill --source log --synth {end['synth']}`")


def show_list(workspace: Workspace, as_json: bool) -> None:
    """Print the workspace's synthetic sets."""
    from engine.training.synthetic import read_synth_card, synth_sets

    found = [read_synth_card(path) for path in synth_sets(workspace)]
    if as_json:
        emit_json([card.to_json() for card in found])
        return
    if not found:
        hint("No synthetic sets yet. `rankbench synth LOG` makes one.")
        return
    headers = ["set", "log", "teacher", "queries", "pairs", "dev, teacher", "dev, student", "n"]
    table(
        [*headers, "made"],
        [
            [
                safe(card.name),
                safe(str(card.log.get("name", ""))),
                safe(str(card.teacher.get("id", ""))) + (" (accepted)" if card.accepted else ""),
                f"{card.counts.get('queries', 0):,}",
                f"{card.counts.get('pairs', 0):,}",
                number(card.check.get("teacher")),
                number(card.check.get("student")),
                str(card.check.get("n", 0)),
                card.created[:10],
            ]
            for card in found
        ],
        left=3,
    )
    say("dev: catalog ndcg@10, reranking the candidates")
