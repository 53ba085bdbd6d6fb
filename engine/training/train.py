"""One training run: judged queries or verdicts and a base in, an encoder directory out."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.catalog.normalise import normalise_query
from engine.catalog.queries import JudgedQuery
from engine.encoders.card import Card
from engine.errors import RankbenchError
from engine.training.basket import HELD_OUT, Basket
from engine.training.checkpoints import run_key
from engine.training.examples import Examples, judged_hash
from engine.training.finish import Material, lineage, make_card, make_note, save
from engine.training.outcome import Best, Boldest, Cancelled, Report, ShouldStop, check_stop
from engine.training.recipe import Recipe
from engine.training.remarks import many
from engine.training.rows import (
    NOTHING,
    Products,
    check_ranks,
    rows_of,
    rows_of_basket,
    rows_of_lists,
)
from engine.training.synthetic import ScoredList
from engine.training.vectors import BaseVectors, base_hits, known_vectors
from engine.workspace import DEFAULT_GAINS

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from engine.training.flags import Replayed
    from engine.training.mining import Labels
    from engine.training.selection import DevSet
    from engine.training.teachers import Teacher

__all__ = ["BaseVectors", "Cancelled", "TrainResult", "train"]

_UNINDEXED_DEV = 1000


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A finished run.

    Attributes:
        path: the encoder's directory, complete, with its card.
        card: what the card says.
        linear: the adapter's W [d, d], or None where all weights moved.
        rows: training rows; steps: optimiser steps taken.
        cancelled: the step after which a person stopped it; what was best by then was saved.
        dev: id of a dev query -> its NDCG@10 under the base and under the saved weights; empty
            where there were too few to choose on.
    """

    path: Path
    card: Card
    linear: np.ndarray | None
    rows: int
    steps: int
    cancelled: int | None = None
    dev: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def train(
    recipe: Recipe,
    base_dir: Path,
    train_queries: Sequence[JudgedQuery],
    dev_queries: Sequence[JudgedQuery],
    texts: Mapping[str, str],
    out_dir: Path,
    *,
    basket: Basket | None = None,
    queries: Sequence[JudgedQuery] = (),
    lists: Sequence[ScoredList] | None = None,
    teacher: Teacher | None = None,
    products: Products = NOTHING,
    seed: int | None = None,
    report: Report | None = None,
    should_stop: ShouldStop | None = None,
    base_vectors: BaseVectors | None = None,
    gains: Mapping[str, float] = DEFAULT_GAINS,
    name: str = "",
    base_name: str = "base",
    data: Mapping[str, str] | None = None,
    checkpoints: Path | None = None,
    device: str | None = None,
) -> TrainResult:
    """Tune the encoder in `base_dir` by `recipe` and save the result in `out_dir`.

    The saved weights are the best tuned ones by dev catalog NDCG@10, over every epoch and every
    interpolation of the recipe except the base itself; the card says whether they beat the base.
    The dev ranking is over a part of the catalog (see `selection`), named so in the card.

    Args:
        texts: product id -> rendered text, the whole catalog.
        out_dir: must not exist; it appears complete or not at all.
        basket: verdicts to train on in the place of `train_queries`.
        queries: all judged queries with people's words applied; needed with a basket, and what the
            `flags` loss takes its replay from.
        lists: what a teacher scored, to train on in the place of `train_queries`.
        teacher: who the recipe's `teacher` is: labels what is mined, and what it has seen counts as
            seen by the encoder.
        products: descriptions and categories, where the recipe reads them.
        seed: overrides the recipe's.
        report: gets dicts with `event` "progress" or "log", `phase` ("loading", "training", "dev",
            "saving"), and `step`, `steps`, `loss`, `eta_s`, `score`, `message` where they apply.
        should_stop: polled at every step.
        base_vectors: the base's document vectors; the dev ranking uses them for its hard part, and
            `adapter` needs no encoding then.
        gains: grade -> gain.
        data: hashes the caller knows ("catalog", "template"), for the card.
        checkpoints: where checkpoints are kept and looked for: a run of the same data, base, recipe
            and seed goes on from the newest whole one. Nowhere by default.

    Raises:
        RankbenchError: no usable rows, no ranks to mine or no such teacher (before any training),
            nothing was mined, the loss diverged, the disk is full, or the saved encoder does not
            read back as the one in memory.
        Cancelled: `should_stop` said so before an epoch had been scored; nothing is left in
            `out_dir`. Later the best weights so far are saved, and the result says `cancelled`.
    """
    began = time.monotonic()
    report = report or (lambda event: None)
    stop: ShouldStop = should_stop or (lambda: False)
    run_seed = int(recipe["seed"]) if seed is None else seed
    if out_dir.exists():
        raise RankbenchError(f"{out_dir} exists already.", "Name another place for the encoder.")
    if lists is not None:
        examples = rows_of_lists(recipe, lists, texts)
    elif basket is not None:
        examples = rows_of_basket(recipe, basket, queries, texts, run_seed)
    else:
        examples = rows_of(recipe, train_queries, texts, gains, products, run_seed)
    check_ranks(recipe, texts)
    for note in examples.notes:
        report({"event": "log", "message": note})
    report({"event": "progress", "phase": "loading", "step": 0, "steps": 0})

    from engine.encoders.load import load_model
    from engine.training.selection import dev_set

    labels, taught = _labels(recipe, teacher, device)
    model = load_model(base_dir, device)
    indexed = (
        recipe["dev_products"] if base_vectors else min(_UNINDEXED_DEV, recipe["dev_products"])
    )
    dev = dev_set(
        dev_queries,
        texts,
        gains,
        limit=indexed,
        seed=run_seed,
        base_hits=base_hits(model, dev_queries, base_vectors),
    )
    check_stop(stop)
    known = known_vectors(texts, base_vectors)
    every = queries or train_queries
    material = _material(examples, basket, every)
    if lists is not None:
        material = Material(examples, {"source": "log"})
    replayed: Replayed | None = None
    if recipe.loss == "flags":
        flagged = basket.flagged() if basket is not None else frozenset()
        replayed = _replayed(model, recipe, examples, every, texts, base_vectors, run_seed, flagged)
        material = _with_replay(material, replayed, every)
    examples = material.examples
    report(
        {
            "event": "log",
            "message": f"{many(len(examples.rows), 'row', 'rows')} from "
            f"{many(len(examples.queries), 'query', 'queries')}; " + _choosing(dev, recipe),
        }
    )
    check_stop(stop)
    origin = lineage(base_name, base_dir)
    told = [recipe.to_json(), run_seed, examples.data_hash, origin, _dev_hash(dev)]
    key = run_key(*told, *taught.values())
    with ExitStack() as stack:
        place = checkpoints or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        steps = _Steps(report)
        best: Best = Best()
        if recipe.loss == "flags":
            best = Boldest(margin=float(recipe["margin"]))
        from engine.training.stages import Fitting

        fitting = Fitting(recipe, examples, dev, run_seed, steps, stop, known, texts, labels)
        model, linear = fitting.run(model, best, replayed, place, key if checkpoints else "")
    report({"event": "progress", "phase": "saving", "step": steps.last, "steps": steps.last})
    card = replace(
        _card(recipe, run_seed, material, dev, best),
        name=name or recipe.name,
        **origin,
        seconds=round(time.monotonic() - began, 2),
    )
    judged = judged_hash(queries or [*train_queries, *dev_queries])
    card = replace(
        card,
        data={**(data or {}), **card.data, **taught, "judged": judged},
        inherited_queries=_inherited(card, teacher if labels else None),
        note=make_note(card, best, material.held_out),
    )
    save(model, out_dir, card, examples)
    rows, stopped = len(examples.rows), best.cancelled
    return TrainResult(out_dir, card, linear, rows, steps.last, stopped, _by_query(dev, best))


def _choosing(dev: DevSet | None, recipe: Recipe) -> str:
    if dev is not None:
        return f"{dev.measure} chooses, n {len(dev.ids)}"
    waits = "; patience has no score to wait for" if recipe.get("patience", 0) else ""
    return f"dev too small to select on{waits}"


def _labels(
    recipe: Recipe, teacher: Teacher | None, device: str | None
) -> tuple[Labels | None, dict[str, str]]:
    """The teacher that the recipe names, loaded, and the hash of its weights for the card.

    Raises:
        RankbenchError: it is none, or the recipe names one and nobody said who it is.
    """
    if not recipe.get("teacher", ""):
        return None, {}
    if teacher is None:
        raise RankbenchError(
            f"Nobody knows who the teacher {recipe['teacher']!r} is.",
            "Train with `rankbench train`, or without `--set teacher=…`.",
        )
    from engine.encoders.cross_encoder import load_cross_encoder, weights_hash
    from engine.training.mining import Labels

    model = load_cross_encoder(teacher.source, device)
    margin = float(recipe.get("teacher_margin", 0.0))
    return Labels(model, margin), {"teacher": weights_hash(model)}


def _inherited(card: Card, teacher: Teacher | None) -> tuple[str, ...]:
    """What the encoder has seen without being trained on it, a teacher's queries among them."""
    if teacher is None:
        return card.inherited_queries
    return tuple(sorted(teacher.seen().union(card.inherited_queries) - {*card.trained_queries}))


def _material(
    examples: Examples, basket: Basket | None, queries: Sequence[JudgedQuery]
) -> Material:
    """What the run is made of, replay apart."""
    if basket is None:
        return Material(examples)
    near = tuple(near for group in basket.trained for near in group.near)
    known = {query.query_id for query in queries if query.imported}
    # What nearly repeats a query that its file gave to train was not asked for, only seen.
    chosen = [group for group in basket.trained if group.split in HELD_OUT]
    split = [q for group in chosen for q in (group, *group.near) if q.query_id in known]
    held = sorted({normalise_query(q.query) for q in split if q.split in HELD_OUT})
    asked = {
        "source": basket.source,
        "include_test": basket.include_test,
        "deselected": [list(pair) for pair in basket.deselected],
    }
    return Material(examples, asked, basket.verdicts_hash, held_out=held, near=near)


def _replayed(
    model: SentenceTransformer,
    recipe: Recipe,
    examples: Examples,
    queries: Sequence[JudgedQuery],
    texts: Mapping[str, str],
    base_vectors: BaseVectors | None,
    seed: int,
    flagged: Collection[tuple[str, str]],
) -> Replayed:
    """The rows with the replay that the `flags` loss wants."""
    from engine.encoders.load import SentenceEncoder
    from engine.training.flags import with_replay

    encoder = SentenceEncoder(model)
    if base_vectors is None:
        needed = {p for row in examples.rows for p in (row.positive_id, *row.negative_ids)}
        ids = sorted(needed | set(sorted(p for p in texts if texts[p])[:_UNINDEXED_DEV]))
        base_vectors = ids, encoder.encode_documents([texts[p] for p in ids])
    encode = encoder.encode_queries
    return with_replay(
        examples, queries, texts, base_vectors, encode, recipe, seed, flagged=flagged
    )


def _with_replay(
    material: Material, replayed: Replayed, queries: Sequence[JudgedQuery]
) -> Material:
    """`material` with the rows of the replay, and the judged queries among them."""
    rows, first = replayed.examples.rows, len(material.examples.rows)
    taken = {row.query_id for row in rows[first:]}
    return replace(
        material,
        examples=replayed.examples,
        replayed=tuple(query for query in queries if query.query_id in taken),
        replay=len(rows) - first,
    )


def _card(
    recipe: Recipe,
    seed: int,
    material: Material,
    dev: DevSet | None,
    best: Best,
) -> Card:
    """The card of what was chosen, with the hash of what it was chosen on."""
    card = make_card(recipe, seed, material, dev, best)
    return card if dev is None else replace(card, data={**card.data, "dev": _dev_hash(dev)})


def _by_query(dev: DevSet | None, best: Best) -> dict[str, tuple[float, float]]:
    if dev is None or best.chosen is None:
        return {}
    return dict(zip(dev.ids, zip(best.base, best.chosen.scores, strict=True), strict=True))


def _dev_hash(dev: DevSet | None) -> str:
    if dev is None:
        return ""
    digest = hashlib.sha256(repr((dev.queries, dev.product_ids, dev.texts)).encode())
    digest.update(dev.gains.tobytes())
    return digest.hexdigest()[:16]


class _Steps:
    """Passes reports on and remembers the last step of the training."""

    def __init__(self, report: Report) -> None:
        self.last = 0
        self._report = report

    def __call__(self, event: dict[str, Any]) -> None:
        if event.get("phase") in ("training", "dev"):
            self.last = max(self.last, int(event["step"]))
        self._report(event)
