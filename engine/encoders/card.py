"""What an encoder directory says about itself: where it comes from and what it was trained on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from engine.encoders.save import flush
from engine.errors import RankbenchError

FILE_NAME = "card.json"


@dataclass(frozen=True, slots=True)
class Card:
    """The `card.json` beside a tuned encoder's weights.

    Attributes:
        name: the encoder's name in its workspace.
        base: name of the encoder it was trained from; base_fingerprint: that one's weights.
        recipe: name, loss and every parameter of the run, the seed included; None where the encoder
            was added as it is.
        data: what went in, as hashes: "catalog", "judgments" (both sides of the rows), "verdicts",
            "judged" (all of the train and dev splits), "rows", "dev" (what chose the weights); and
            "template", as it is.
        trained_queries: normalised text of each query the weights have seen (train split); a query
            is *seen* by the encoder if it is in `seen_queries()`.
        selection_queries: normalised text of the dev queries that chose epoch and interpolation.
        scores: the selection's measure, its name, base and tuned values, every candidate.
        inherited_queries: normalised text of the queries its parents had seen when it was made.
        parents: names of all encoders it descends from, nearest first.
        seconds: wall time of the training, selection included.
        created: UTC, ISO 8601.
        beats_base: whether the saved weights scored above the base on dev; None where dev was too
            small to ask.
        note: one line a person should read.
        verdict: `RunVerdict.to_json()` of `engine.evaluation.run_verdict`, drawn once the encoder
            was indexed; empty where none was.
        asked: what the run was asked to train on, beside the recipe: "source", "include_test",
            "deselected" ([[query, product], ...]).
        compression: how it was made smaller or faster than its base: "method", "dim", "layers",
            "steps", and "measured" beside its base; empty where it was not.
        licence: as its base's own page names it, "" where that says nothing.
    """

    name: str
    base: str = ""
    base_fingerprint: str = ""
    recipe: Mapping[str, Any] | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    trained_queries: tuple[str, ...] = ()
    trained_query_ids: tuple[str, ...] = ()
    selection_queries: tuple[str, ...] = ()
    inherited_queries: tuple[str, ...] = ()
    scores: Mapping[str, Any] = field(default_factory=dict)
    parents: tuple[str, ...] = ()
    seconds: float = 0.0
    created: str = ""
    beats_base: bool | None = None
    note: str = ""
    verdict: Mapping[str, Any] = field(default_factory=dict)
    asked: Mapping[str, Any] = field(default_factory=dict)
    compression: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""

    @property
    def made_by(self) -> str:
        """The recipe, or the method that made it smaller; "" where it was added as it is."""
        return str((self.recipe or {}).get("name") or self.compression.get("method") or "")

    @property
    def keeps(self) -> str:
        """`keeps 99.8%, n 120` of its parent's catalog NDCG@10, where `compress` measured it."""
        measured = self.compression.get("measured") or {}
        share = measured.get("share")
        return "" if share is None else f"keeps {share:.1%}, n {measured['n']:,}"

    def seen_queries(self) -> tuple[str, ...]:
        """Every query that trained or chose these weights, or a parent's."""
        return (*self.trained_queries, *self.selection_queries, *self.inherited_queries)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def read_card(directory: Path) -> Card | None:
    """The card in an encoder directory, or None where it has none (an added, untuned encoder).

    Raises:
        RankbenchError: there is a card that cannot be read.
    """
    path = directory / FILE_NAME
    if not path.is_file():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        known = {item.name: item for item in fields(Card)}
        values = {key: value for key, value in data.items() if key in known}
        for key in (name for name, item in known.items() if item.default == ()):
            values[key] = tuple(values.get(key, ()))
        return Card(**values)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise RankbenchError(
            f"{path} cannot be read: {error}.",
            "Remove the encoder with `rankbench encoders --remove NAME` and train it again.",
        ) from None


def write_card(directory: Path, card: Card) -> None:
    """Write `card.json`, beside and then renamed, so that a reader never sees half of one.

    Raises:
        OSError: the disk refuses.
    """
    path = directory / FILE_NAME
    beside = path.with_suffix(".json.tmp")
    text = json.dumps(card.to_json(), ensure_ascii=False, indent=1, sort_keys=True)
    beside.write_text(text + "\n", encoding="utf-8")
    flush(beside)
    os.replace(beside, path)
    flush(directory)
