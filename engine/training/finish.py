"""The end of a run: what the card says, and the encoder on disk, whole or not at all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.catalog.normalise import normalise_query
from engine.catalog.queries import JudgedQuery
from engine.encoders.card import Card, read_card, write_card
from engine.encoders.fingerprint import fingerprint
from engine.encoders.save import save_model, whole_directory
from engine.errors import RankbenchError
from engine.training.examples import Examples, queries_hash
from engine.training.near import Near
from engine.training.outcome import Best, Boldest, written
from engine.training.recipe import Recipe
from engine.training.remarks import many

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from engine.training.selection import DevSet

_TIE = 1e-9  # means of the same scores, added up in another order


@dataclass(frozen=True, slots=True)
class Material:
    """What a run is made of.

    Attributes:
        examples: its rows.
        asked: "source": "judgments", "flags", "both" or "log"; with verdicts also "include_test"
            and "deselected".
        verdicts: hash of the verdicts that gave rows, "" for none.
        replayed: judged queries whose base scores are replayed; replay: rows of replay in all.
        held_out: normalised queries of the dev and test splits that are trained on all the same.
        near: judged queries that a query trained on nearly repeats.
    """

    examples: Examples
    asked: Mapping[str, Any] = field(default_factory=lambda: {"source": "judgments"})
    verdicts: str = ""
    replayed: Sequence[JudgedQuery] = ()
    replay: int = 0
    held_out: Sequence[str] = ()
    near: Sequence[Near] = ()


def make_card(
    recipe: Recipe,
    seed: int,
    material: Material,
    dev: DevSet | None,
    best: Best,
) -> Card:
    """The card of the weights that `best` chose, without name and lineage."""
    examples = material.examples
    queries = (*examples.queries, *material.replayed)
    trained = {normalise_query(q.query) for q in (*queries, *material.near)}
    assert best.chosen is not None
    chosen = best.chosen
    what = recipe.to_json()
    what.pop("summary")
    what["parameters"]["seed"] = seed
    base_score = fmean(best.base) if dev is not None else math.nan
    scores: dict[str, Any] = {
        "chosen": {"epoch": chosen.epoch, "alpha": chosen.alpha},
        "rows": len(examples.rows),
    }
    if material.asked["source"] != "judgments":
        scores |= {"source": material.asked["source"]}
    if material.replay:
        scores |= {"replay_rows": material.replay, "replay_queries": len(material.replayed)}
    if material.held_out:
        scores |= {"held_out_trained": sorted(material.held_out)}
    if best.cancelled is not None:
        scores |= {"cancelled_after_step": best.cancelled}
    if dev is not None:
        scores |= {
            "measure": dev.measure,
            "queries": len(dev.ids),
            "base": written(base_score),
            "tuned": written(chosen.score),
            "candidates": [
                {"epoch": c.epoch, "alpha": c.alpha, "score": written(c.score)} for c in best.tried
            ],
        }
    return Card(
        name=recipe.name,
        recipe=what,
        asked=material.asked,
        data=_hashes(material),
        trained_queries=tuple(sorted(trained)),
        trained_query_ids=tuple(query.query_id for query in queries),
        selection_queries=tuple(sorted({normalise_query(q) for q in dev.queries})) if dev else (),
        scores=scores,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        beats_base=None if dev is None else chosen.score > base_score + _TIE,
    )


def _hashes(material: Material) -> dict[str, str]:
    examples = material.examples
    found = {"rows": examples.data_hash, "judgments": queries_hash(examples.queries)}
    return {**found, "verdicts": material.verdicts} if material.verdicts else found


def lineage(base_name: str, base_dir: Path) -> dict[str, Any]:
    """The card's values that say what it descends from."""
    parent = read_card(base_dir)
    return {
        "base": base_name,
        "base_fingerprint": fingerprint(base_dir),
        "parents": (base_name, *(parent.parents if parent else ())),
        "inherited_queries": parent.seen_queries() if parent else (),
    }


def make_note(card: Card, best: Best, held_out: Sequence[str]) -> str:
    """What a person should read of the run, in one line; "" for nothing."""
    notes = []
    if best.cancelled is not None:
        assert best.chosen is not None
        notes.append(f"cancelled after step {best.cancelled}: epoch {best.chosen.epoch} was kept")
    if isinstance(best, Boldest) and best.chosen and not best.holds(best.chosen):
        notes.append("every interpolation scored clearly worse than the base on dev")
    if card.beats_base is None:
        notes.append(
            "too few dev queries to choose or to compare on; the recipe's defaults were kept"
        )
    elif not card.beats_base:
        notes.append(f"did not beat {card.base} on dev")
    if held_out:
        queries = many(len(held_out), "query", "queries")
        notes.append(f"trained on {queries} of the dev and test splits")
    return "; ".join(notes)


def save(model: SentenceTransformer, out_dir: Path, card: Card, examples: Examples) -> None:
    """Write beside, read back, compare, flush, rename.

    Raises:
        RankbenchError: the disk refuses, or what it reads back is not what was trained.
    """
    from engine.encoders.load import SentenceEncoder, load_model

    rows = examples.rows[:8]
    probe = [row.positive for row in rows]
    with whole_directory(out_dir) as work:
        save_model(model, work)
        write_card(work, card)
        saved = SentenceEncoder(load_model(work, str(model.device)))
        memory = SentenceEncoder(model)
        for a, b in (
            (saved.encode_documents(probe), memory.encode_documents(probe)),
            (
                saved.encode_queries([row.query for row in rows]),
                memory.encode_queries([row.query for row in rows]),
            ),
        ):
            if not np.isfinite(a).all() or not np.allclose(a, b, atol=1e-5):
                raise RankbenchError(
                    "The saved encoder does not give the vectors of the trained one.",
                    "Check the disk, then train again; nothing was kept.",
                )
