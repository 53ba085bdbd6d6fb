"""`rankbench teach`: train a cross-encoder from judgments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from engine.workspace import Workspace
from workbench.commands.following import run_job
from workbench.commands.hints import hint
from workbench.commands.options import json_option, with_workspace
from workbench.commands.output import count, emit_json, ends, facts, number, safe, say, table

if TYPE_CHECKING:
    from engine.training.teachers import Teacher

KEYS = ("job", "teacher", "note", "beats", "check", "rate", "pairs", "seconds")


@click.command("teach")
@click.option("--name", metavar="N", default="", help="The teacher's name; default: teacher-NN.")
@click.option(
    "--from",
    "start",
    metavar="T",
    default="",
    help="Start from this cross-encoder: a teacher, a directory, a hub id; default: the base.",
)
@click.option("--loss", type=click.Choice(["lambda", "bce", "listnet"]), help="Default: lambda.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="epochs, lr, …")
@click.option("--seed", type=click.IntRange(0), help="Random seed; default: 0.")
@click.option("--list", "listing", is_flag=True, help="List the teachers there are.")
@click.option("--detach", is_flag=True, help="Start it and return at once.")
@json_option
@with_workspace
def command(
    workspace: Workspace,
    name: str,
    start: str,
    loss: str | None,
    settings: tuple[str, ...],
    seed: int | None,
    listing: bool,
    detach: bool,
    as_json: bool,
) -> None:
    """Train a cross-encoder from the train split's judgments, in a process of its own.

    It begins with the base encoder's transformer, reads a query and a product together, and is for
    `rankbench synth`. What it was trained on counts as seen by every encoder that learns from it.
    Ctrl-C stops watching, not training.
    """
    if listing:
        show_list(workspace, as_json)
        return
    from engine.jobs.teach import check
    from engine.training.teachers import find_teacher

    params: dict[str, Any] = {"loss": loss or "", "set": list(settings), "seed": seed}
    params |= {"teacher": name, "from": start}
    check(workspace, params)
    if start:
        params["from"] = find_teacher(workspace, start).fixed
    end = run_job(workspace, "teach", params, detach=detach, as_json=as_json)
    if end is None:
        return
    if as_json:
        emit_json({key: end.get(key) for key in KEYS})
        return
    facts(
        [
            ("teacher", safe(end["teacher"])),
            ("trained", f"{end['pairs']:,} pairs, {end['seconds']:.0f} s"),
            *check_lines(end["check"]),
            ("scores", f"{end['rate']:,.0f} pairs a second") if end.get("rate") else ("", ""),
            ("note", safe(end["note"])),
        ]
    )
    hint(f"Next: `rankbench synth LOG --teacher {end['teacher']}`")


def check_lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Teacher against student, as names and values."""
    from engine.experiments.synth import say_seen

    seen = [("seen", text) for text in say_seen(found or {})]
    if not found or not found.get("n"):
        return [("dev", "no query to compare teacher and student on"), *seen]
    between = ends(found["low"], found["high"], found["n"])
    return [
        ("measure", f"{found['measure']}, dev n {found['n']}"),
        ("teacher's", number(found["teacher"])),
        ("student's", number(found["student"])),
        ("difference", f"{number(found['delta'], sign=True)} ({between})"),
        *seen,
    ]


def show_list(workspace: Workspace, as_json: bool) -> None:
    """Print the workspace's teachers."""
    from engine.training.teachers import list_teachers

    found = list_teachers(workspace)
    if as_json:
        emit_json([teacher.card.to_json() for teacher in found if teacher.card])
        return
    if not found:
        hint("No teachers yet. `rankbench teach` trains one.")
        return
    table(
        ["teacher", "from", "loss", "queries", "dev, teacher", "dev, student", "n", "made", ""],
        [_row(teacher) for teacher in found],
        left=3,
    )
    say(f"{count(len(found), 'teacher')}; dev: catalog ndcg@10, reranking the candidates")


def _row(teacher: Teacher) -> list[str]:
    card = teacher.card
    assert card is not None  # it is listed by its card
    dev = card.scores.get("dev") or {}
    return [
        safe(teacher.id),
        safe(card.base),
        str((card.recipe or {}).get("loss", "")),
        f"{len(card.trained_queries):,}",
        number(dev.get("teacher")),
        number(dev.get("student")),
        str(dev.get("n", 0)),
        card.created[:10],
        "does not beat the student" if card.beats_base is False else "",
    ]
