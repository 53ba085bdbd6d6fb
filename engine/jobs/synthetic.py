"""What a distillation reads of its workspace, and what its student's card takes over."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.catalog.queries import JudgedQuery
from engine.encoders.card import write_card
from engine.errors import RankbenchError, UsageError
from engine.experiments.synth_queries import leaking
from engine.jobs.context import Context
from engine.jobs.material import LOG, seed_of, source_of
from engine.supervise.process import write_json
from engine.training.recipe import Recipe
from engine.training.synthetic import (
    ScoredList,
    SynthCard,
    distilled,
    find_synth,
    read_synth_card,
    synth_lists,
)
from engine.training.train import TrainResult
from engine.workspace import Workspace

SET = "set.json"  # in the job's directory: which set it trains on


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A set as a run is trained on it: a list of scored products a query."""

    card: SynthCard
    lists: tuple[ScoredList, ...]


def find_set(ws: Workspace, params: Mapping[str, Any]) -> SynthCard:
    """The card of the set that the params name, or of the newest.

    Raises:
        RankbenchError: there is none.
    """
    return read_synth_card(find_synth(ws, str(params.get("synth") or "")))


def check_set(ws: Workspace, recipe: Recipe, params: Mapping[str, Any]) -> None:
    """Refuse a set that is not there, or that the run would not learn from.

    Raises:
        UsageError: so it is, or as `source_of`.
    """
    name = str(params.get("synth") or "")
    if not name:
        return
    if (source := source_of(recipe, params)) != LOG:
        raise UsageError(
            f"--synth goes with --source log; recipe {recipe.name} trains on {source} here.",
            "Leave --synth out, or add `--recipe distill --source log`.",
        )
    find_synth(ws, name)


def read_set(
    context: Context, texts: Mapping[str, str], recipe: Recipe, judged: Sequence[JudgedQuery]
) -> Synthetic:
    """The lists of the run, without queries that a judged one of dev or test (nearly) repeats.

    The set was made without them; judgments that came later may have made new ones.

    Raises:
        RankbenchError: no such set, or nothing is left of it.
    """
    ws, params = context.ws, context.params
    card = find_set(ws, {"synth": _pinned(context)})
    place = ws.synth_dir / card.name
    found = synth_lists(place, texts, int(recipe["documents"]), seed_of(recipe, params))
    leaks = leaking([query for query, _, _ in found], judged)
    lists = tuple(row for row in found if row[0] not in leaks)
    if leaks:
        message = f"{len(leaks):,} queries (nearly) repeat judged ones of dev or test: left out"
        context.report({"event": "log", "message": message})
    if not lists:
        raise RankbenchError(
            f"No query of {card.name} is left to learn from.",
            "Make another with `rankbench synth`.",
        )
    return Synthetic(card, lists)


def _pinned(context: Context) -> str:
    """The set's name, as it was at the job's first start: a resume trains on the same."""
    place = context.directory / SET
    with suppress(OSError, ValueError, KeyError):
        return str(json.loads(place.read_text(encoding="utf-8"))["synth"])
    name = find_set(context.ws, context.params).name
    write_json(place, {"synth": name})
    return name


def pass_on(finished: Path, result: TrainResult, synthetic: Synthetic) -> TrainResult:
    """Let the student's card say what its teacher has seen; the encoder is not in its place yet."""
    queries = [query for query, _, _ in synthetic.lists]
    card = distilled(result.card, synthetic.card, queries)
    write_card(finished, card)
    return replace(result, card=card)
