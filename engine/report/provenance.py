"""Where a report's figures come from: encoders, data, versions, and how to make them again."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from engine import __version__
from engine.encoders.lineage import Ancestor, lineage
from engine.encoders.registry import BASE, resolve
from engine.errors import RankbenchError
from engine.evaluation.frame import Evaluation
from engine.ranking.comparer import Comparer
from engine.ranking.side_name import parse_side
from engine.workspace import Workspace

_LIBRARIES = ("sentence-transformers", "transformers", "torch", "lancedb", "numpy", "rbo")


@dataclass(frozen=True, slots=True)
class SideFacts:
    """What is known of one side.

    Attributes:
        kind: "encoder", "bm25", "hybrid" or "run".
        build, fingerprint: of the index that answered and of the encoder behind it; "" without.
        source: where the encoder came from.
        trained: how many queries trained it.
        scores: of the dev queries that chose its weights, as its card has them.
        parents: its lineage, nearest first.
        verdict: what its own run's page said (`RunVerdict.to_json`); empty without one.
    """

    name: str
    kind: str
    build: str
    fingerprint: str = ""
    source: str = ""
    created: str = ""
    trained: int = 0
    recipe: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)
    parents: tuple[Ancestor, ...] = ()
    verdict: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Everything beside the figures.

    Attributes:
        made: UTC, ISO 8601, to the second.
        versions: package -> version, Rankbench and Python first.
        commands: what to type in the workspace's directory, and what it does.
    """

    workspace: str
    made: str
    versions: Mapping[str, str]
    sides: tuple[SideFacts, SideFacts]
    commands: tuple[tuple[str, str], ...]


def provenance(
    comparer: Comparer, evaluation: Evaluation, *, cosines: bool, verdicts: bool, examples: int
) -> Provenance:
    """Gather it from the workspace, after the evaluation.

    Raises:
        RankbenchError: as `lineage`.
    """
    sides = [
        _side(comparer, side.encoder, side.build)
        for side in (evaluation.baseline, evaluation.candidate)
    ]
    return Provenance(
        workspace=comparer.ws.settings.name or comparer.ws.root.name,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions(),
        sides=(sides[0], sides[1]),
        commands=tuple(commands(evaluation, sides, cosines, verdicts, examples)),
    )


def versions() -> dict[str, str]:
    """Rankbench, Python and the libraries that figures depend on."""
    found = {"rankbench": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def commands(
    evaluation: Evaluation,
    sides: list[SideFacts],
    cosines: bool,
    verdicts: bool,
    examples: int,
) -> list[tuple[str, str]]:
    """(command, what it does), in the order in which they are typed."""
    names = [shlex.quote(side.name) for side in sides]
    asked = f"--baseline {names[0]} --candidate {names[1]} --split {evaluation.split}"
    if evaluation.query_set:
        asked += f" --set {shlex.quote(evaluation.query_set)}"
    if not verdicts:
        asked += " --judgments imported"
    found = [
        (f"rankbench train --from-card {encoder}", f"makes {encoder} again, under another name")
        for encoder in dict.fromkeys(parse_side(side.name).encoder for side in sides if side.recipe)
    ]
    encoders = dict.fromkeys(parse_side(side.name).encoder or BASE for side in sides)
    found += [
        (
            f"rankbench index{'' if encoder == BASE else f' --encoder {encoder}'}",
            "encodes what changed",
        )
        for encoder in encoders
    ]
    extra = " --cosines" if cosines else ""
    found += [
        (f"rankbench eval {asked}{extra} --per-query", "prints the table and every query"),
        (f"rankbench eval {asked} --runs runs", "writes run files and qrels for other tools"),
        (
            f"rankbench report {asked} --examples {examples}{'' if cosines else ' --no-cosines'}",
            "makes this page",
        ),
    ]
    return found


def _side(comparer: Comparer, name: str, build: str) -> SideFacts:
    parsed = parse_side(name)
    if not parsed.encoder:
        return SideFacts(name, parsed.kind, build)
    ws: Workspace = comparer.ws
    info = resolve(ws, parsed.encoder)
    card = info.card
    recipe = card.recipe if card and card.recipe else {}
    try:
        parents = lineage(ws, parsed.encoder)[1:]
    except RankbenchError:  # the card of a parent that no figure here depends on
        parents = ()
    return SideFacts(
        name=name,
        kind=parsed.kind,
        build=build,
        fingerprint=comparer.fingerprint(name),
        source=info.source,
        created=card.created if card else "",
        trained=len(card.trained_queries) if card else 0,
        recipe=str(recipe.get("name", "")),
        parameters=dict(recipe.get("parameters", {})),
        data=dict(card.data) if card else {},
        scores=dict(card.scores) if card else {},
        parents=parents,
        verdict=dict(card.verdict) if card else {},
    )
