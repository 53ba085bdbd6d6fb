"""`rankbench encoders`: the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from engine.errors import UsageError
from engine.workspace import Workspace
from workbench.commands.hints import hint
from workbench.commands.options import json_option, with_workspace
from workbench.commands.output import cut, emit_json, number, say, table

if TYPE_CHECKING:
    from engine.encoders.registry import EncoderInfo
    from engine.state import Build, State


@click.command("encoders")
@click.option("--add", "source", metavar="ID", help="A Hugging Face id or a local directory.")
@click.option("--name", metavar="N", help="What to call the one that is added.")
@click.option("--remove", metavar="NAME", help="Delete an encoder and its index.")
@json_option
@with_workspace
def command(
    workspace: Workspace, source: str | None, name: str | None, remove: str | None, as_json: bool
) -> None:
    """List the encoders, add one, or remove one."""
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
    rows = describe(workspace)
    if as_json:
        emit_json(rows)
    elif source is None and remove is None:
        show(rows)


def describe(workspace: Workspace) -> list[dict[str, Any]]:
    """One value an encoder, the base first."""
    from engine.encoders import registry
    from engine.state import State

    state = State(workspace.state_path)
    try:
        return [_entry(info, state) for info in registry.list_encoders(workspace)]
    finally:
        state.close()


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
    }


def show(rows: list[dict[str, Any]]) -> None:
    """Print the registry as a table, dev scores beside the base's on the same products."""
    cells = []
    for row in rows:
        scores = row["scores"]
        dev = f"{number(scores['base'])} -> {number(scores['tuned'])}" if "tuned" in scores else ""
        cells.append(
            [
                row["name"],
                cut(row["source"], 40),
                row["build"] or "not indexed",
                row["fingerprint"],
                str(row["dim"] or ""),
                f"{row['bytes'] / 1e6:.1f} MB",
                dev,
                _verdict(row),
            ]
        )
    headers = ["encoder", "from", "build", "fingerprint", "dim", "size", "dev, base -> tuned", ""]
    table(headers, cells, left=4)
    for measure in dict.fromkeys(row["scores"].get("measure") for row in rows):
        if measure:
            say(f"dev: {measure}")


def _verdict(row: dict[str, Any]) -> str:
    if row["beats_base"] is None:
        return ""
    return "beats its base on dev" if row["beats_base"] else "does not beat its base on dev"
