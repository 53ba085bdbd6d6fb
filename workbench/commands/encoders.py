"""`rankbench encoders`: the registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from engine.errors import UsageError
from engine.measures import PRIMARY
from engine.workspace import Workspace
from workbench.commands.hints import hint
from workbench.commands.options import json_option, with_workspace
from workbench.commands.output import count, cut, emit_json, number, safe, say, table
from workbench.commands.verdict_page import show_page, unseen_delta

if TYPE_CHECKING:
    from engine.encoders.registry import EncoderInfo
    from engine.evaluation.history import PastRun
    from engine.state import Build, State


@click.command("encoders")
@click.option("--add", "source", metavar="ID", help="A Hugging Face id or a local directory.")
@click.option("--name", metavar="N", help="What to call the one that is added.")
@click.option("--remove", metavar="NAME", help="Delete an encoder and its index.")
@click.option("--latency", is_flag=True, help="Time one query on each (seconds an encoder).")
@click.argument("which", metavar="[NAME]", required=False)
@json_option
@with_workspace
def command(
    workspace: Workspace,
    source: str | None,
    name: str | None,
    remove: str | None,
    latency: bool,
    which: str | None,
    as_json: bool,
) -> None:
    """List the encoders, add one, remove one.

    With NAME, say where that one comes from and what its training fixed and broke: on queries that
    no training has seen, by imported judgments.
    """
    from engine.encoders import registry

    if source is not None and remove is not None:
        raise UsageError("--add and --remove do not go together.", "Give one of them.")
    if name is not None and source is None:
        raise UsageError("--name goes with --add.", "`rankbench encoders --add ID --name N`")
    if source is not None:
        say(f"Loading {source} …")
        added = registry.add(workspace, source, name)
        hint(f"Added {added.name}. Next: `rankbench index --encoder {added.name}`")
    if remove is not None:
        from engine.index.build import remove_encoder

        remove_encoder(workspace, remove)
        say(f"Removed {remove} and its index.")
    rows = describe(workspace, which, latency=latency)
    if as_json:
        emit_json(rows if which is None else rows[0])
    elif which is not None:
        show_one(rows[0])
    elif source is None and remove is None:
        show(rows)


def describe(
    workspace: Workspace, which: str | None = None, *, latency: bool = False
) -> list[dict[str, Any]]:
    """One value an encoder, the base first; of `which` alone also its lineage."""
    from engine.encoders import registry
    from engine.encoders.lineage import lineage
    from engine.state import State

    chosen = registry.list_encoders(workspace)
    if which is not None:
        chosen = [registry.resolve(workspace, which)]
    state = State(workspace.state_path)
    newest = _unseen_runs(workspace)
    try:
        rows = [_entry(info, state) for info in chosen]
        used = _used(workspace, state)
    finally:
        state.close()
    for row in rows:
        row["unseen"] = _unseen(row, newest)
        row["used"] = [place for place, name in used.items() if name == row["name"]]
    for row, info in zip(rows, chosen, strict=True):
        row["latency"] = _latency(info) if latency else None
    if which is not None:
        rows[0]["lineage"] = [asdict(step) for step in lineage(workspace, which)]
    return rows


def _unseen_runs(workspace: Workspace) -> dict[tuple[str, str], PastRun]:
    """(Encoder, fingerprint) -> the newest evaluation of it over all queries no side has seen."""
    from engine.errors import RankbenchError
    from engine.evaluation.history import past_runs

    try:
        runs, _ = past_runs(workspace)
    except RankbenchError as error:
        say(f"{error.what} {error.todo}")
        return {}
    return {
        (run.candidate, run.inputs.get("candidate encoder", "")): run
        for run in runs
        if (run.split, run.query_set, run.candidates) == ("unseen", "", "catalog")
        and PRIMARY in run.delta
        and run.candidate != run.baseline  # which says nothing of it
    }


def _unseen(
    row: Mapping[str, Any], newest: Mapping[tuple[str, str], PastRun]
) -> dict[str, Any] | None:
    """The delta on unseen queries: of the newest evaluation, else of its own run's verdict."""
    run = newest.get((row["name"], row["fingerprint"]))
    if run is not None:
        return {**run.delta[PRIMARY], "base": run.baseline, "run": run.number}
    found = row["verdict"].get("unseen")
    return {**found, "base": row["verdict"]["base"], "run": None} if found else None


def _used(workspace: Workspace, state: State) -> dict[str, str]:
    """The encoder behind each of the two sides, as a comparison takes them without a choice."""
    from engine.encoders.registry import BASE, list_encoders
    from engine.ranking.side_name import newest_tuned, parse_side

    settings = workspace.settings
    ready = (info for info in list_encoders(workspace) if state.active_build(info.name))
    candidate = settings.candidate or newest_tuned(info for info in ready if not info.fault)
    return {
        "baseline": parse_side(settings.baseline or BASE).encoder,
        "candidate": parse_side(candidate or "bm25").encoder,
    }


def _latency(info: EncoderInfo) -> dict[str, Any]:
    from engine.encoders.latency import query_latency

    return asdict(query_latency(info.path))


def _entry(info: EncoderInfo, state: State) -> dict[str, Any]:
    from engine.encoders.fingerprint import fingerprint

    build: Build | None = state.active_build(info.name)
    card = info.card
    return {
        "name": info.name,
        "source": info.source,
        "fingerprint": fingerprint(info.path),
        "dim": build.dim if build else None,
        "bytes": info.bytes,
        "build": build.build if build else None,
        "rows": build.rows if build else None,
        "indexed_per_s": build.rows / build.seconds if build and build.seconds else None,
        "created": card.created if card else None,
        "recipe": card.recipe if card else None,
        "parents": list(card.parents) if card else [],
        "scores": dict(card.scores) if card else {},
        "beats_base": card.beats_base if card else None,
        "note": card.note if card else "",
        "trained_queries": len(card.trained_queries) if card else 0,
        "verdict": dict(card.verdict) if card else {},
        "compression": dict(card.compression) if card else {},
        "keeps": card.keeps if card else "",
    }


def show(rows: list[dict[str, Any]]) -> None:
    """Print the registry as a table, dev scores beside the base's on the same products."""
    cells = []
    for row in rows:
        scores = row["scores"]
        dev = f"{number(scores['base'])} -> {number(scores['tuned'])}" if "tuned" in scores else "—"
        cells.append(
            [
                row["name"],
                cut(row["source"], 40),
                row["build"] or "not indexed",
                f"{row['bytes'] / 1e6:.1f} MB",
                dev,
                _told_unseen(row["unseen"]) or "—",
                row["verdict"].get("call") or row["keeps"] or _on_dev(row),
                ", ".join(row["used"]),
            ]
        )
    headers = [
        "encoder",
        "from",
        "build",
        "size",
        "dev, base -> tuned",
        "unseen ndcg@10",
        "",
        "used",
    ]
    if timed := [row["latency"] for row in rows if row["latency"]]:
        headers.insert(4, "query, p50 / p95")
        for cell, found in zip(cells, timed, strict=True):
            cell.insert(4, _milliseconds(found))
    table(headers, cells, left=3)
    for measure in dict.fromkeys(row["scores"].get("measure") for row in rows):
        if measure:
            say(f"dev: {measure}")


def _told_unseen(unseen: Mapping[str, Any] | None) -> str:
    """The delta with interval and n, what it is against, and the run that has it in full."""
    from engine.encoders.registry import BASE

    told = unseen_delta({"unseen": unseen})
    if unseen is None or not told:
        return ""
    against = "" if unseen["base"] == BASE else f" against {cut(unseen['base'], 16)}"
    return told + against + (f", run {unseen['run']}" if unseen["run"] else "")


def _on_dev(row: dict[str, Any]) -> str:
    if row["beats_base"] is None:
        return ""
    return "beats its base on dev" if row["beats_base"] else "does not beat its base on dev"


def show_one(row: dict[str, Any]) -> None:
    """Print one encoder: its lineage, its scores, what it was trained on."""
    facts = {
        "encoder": row["name"],
        "from": row["source"],
        "fingerprint": row["fingerprint"],
        "build": f"{row['build']} ({row['rows']:,} products)" if row["build"] else "not indexed",
        "size": f"{row['bytes'] / 1e6:.1f} MB, {row['dim'] or '?'} dimensions",
        "query": _milliseconds(row["latency"]) if row["latency"] else "",
        "used": ", ".join(row["used"]),
        "created": row["created"],
        "recipe": _recipe(row),
        "trained on": _trained_on(row),
        "dev": _dev(row["scores"]),
        "unseen ndcg@10": _told_unseen(row["unseen"]),
        "note": row["note"] or _on_dev(row),
    }
    data = dict(row["lineage"][0]["data"])
    facts["template"] = data.pop("template", "")
    facts |= {f"{key} hash": value for key, value in data.items()}
    for name, value in facts.items():
        if value:
            click.echo(f"{name:<16}{safe(str(value))}")
    for step in row["lineage"][1:]:
        click.echo(f"{'parent':<16}{safe(step['name'])}{_step(step)}")
    if row["verdict"]:
        click.echo()
        show_page(row["verdict"])


def _recipe(row: dict[str, Any]) -> str:
    """`infonce: epochs 2, lr 2e-05, … seed 0; kept epoch 2, alpha 1`; "" for an untrained one."""
    made = row["recipe"]
    if not made:
        return ""
    told = ", ".join(
        f"{key} {_setting(value)}" for key, value in made.get("parameters", {}).items()
    )
    chosen = row["scores"].get("chosen")
    kept = f"; kept epoch {chosen['epoch']}, alpha {chosen['alpha']:g}" if chosen else ""
    return ": ".join(filter(None, (made["name"], told))) + kept


def _setting(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_setting, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _trained_on(row: dict[str, Any]) -> str:
    """`2 queries (20 rows), and 117 of replay (300 rows)`; "" for an untrained one."""
    total, scores = row["trained_queries"], row["scores"]
    if not total:
        return ""
    replayed, again = scores.get("replay_queries"), scores.get("replay_rows")
    if not again:
        return count(total, "query", "queries")
    if replayed is None:  # a card from before they were told apart
        every = count(total, "query", "queries")
        return f"{every}, those of its {count(again, 'replay row')} among them"
    own, rows = count(total - replayed, "query", "queries"), scores["rows"] - again
    known = f" over {count(replayed, 'judged query', 'judged queries')}" if replayed else ""
    return f"{own} ({count(rows, 'row')}), and {count(again, 'row')} of replay{known}"


def _step(step: dict[str, Any]) -> str:
    parts = [f" ({step['recipe']})" if step["recipe"] else ""]
    if not step["present"]:
        parts.append(", no longer in this workspace")
    elif step["same"] is False:
        parts.append(", replaced since: these are not the weights it was trained from")
    return "".join(parts)


def _dev(scores: dict[str, Any]) -> str:
    if "tuned" not in scores:
        return ""
    return f"{number(scores['base'])} -> {number(scores['tuned'])}  {scores['measure']}"


def _milliseconds(found: dict[str, Any]) -> str:
    return f"{found['p50_ms']:.1f} / {found['p95_ms']:.1f} ms"
