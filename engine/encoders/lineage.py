"""Where an encoder comes from: the chain of runs down to the encoder nobody here tuned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.encoders.registry import list_encoders, resolve
from engine.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Ancestor:
    """One step of a lineage.

    Attributes:
        present: whether the workspace still has it; of one that is gone only the name is known.
        same: whether its weights are still those its child was trained from; None where unknown.
        recipe: the recipe's name, or how it was made smaller; "" for one that was added as it is.
        data: the hashes of what it was trained on.
    """

    name: str
    present: bool
    same: bool | None
    recipe: str
    data: Mapping[str, str]
    created: str


def lineage(ws: Workspace, name: str) -> tuple[Ancestor, ...]:
    """The encoder itself, then its parents, nearest first, as far as their cards tell.

    Raises:
        RankbenchError: there is no encoder of that name, or its card cannot be read.
    """
    from engine.encoders.fingerprint import fingerprint

    card = resolve(ws, name).card
    known = {info.name: info for info in list_encoders(ws)}
    found = [_step(name, card, present=True, same=None)]
    expected = card.base_fingerprint if card else ""
    for parent in card.parents if card else ():
        info = known.get(parent)
        if info is None:
            found.append(_step(parent, None, present=False, same=None))
            expected = ""
            continue
        same = fingerprint(info.path) == expected if expected else None
        found.append(_step(parent, info.card, present=True, same=same))
        # A parent that was replaced says nothing of what came before it then.
        expected = info.card.base_fingerprint if info.card and same else ""
    return tuple(found)


def _step(name: str, card: Any, *, present: bool, same: bool | None) -> Ancestor:
    recipe = card.made_by if card else ""
    return Ancestor(
        name, present, same, recipe, dict(card.data) if card else {}, card.created if card else ""
    )
