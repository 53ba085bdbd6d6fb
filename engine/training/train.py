"""One training run: judged queries and a base encoder in, an encoder directory with a card out."""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.catalog.normalise import clean_query, normalise_query
from engine.catalog.queries import JudgedQuery
from engine.encoders.card import Card, read_card, write_card
from engine.encoders.fingerprint import fingerprint
from engine.errors import RankbenchError
from engine.training.examples import Examples, build_examples, judgments_hash
from engine.training.outcome import Best, Cancelled, Report, ShouldStop, check_stop
from engine.training.recipe import Recipe
from engine.workspace import DEFAULT_GAINS, unwritable

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from engine.training.selection import DevSet

__all__ = ["BaseVectors", "Cancelled", "TrainResult", "train"]

BaseVectors = tuple[Sequence[str], np.ndarray]
"""Product ids and the base's unit document vectors [n, d], row by row."""
_UNINDEXED_DEV = 1000


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A finished run.

    Attributes:
        path: the encoder's directory, complete, with its card.
        card: what the card says.
        linear: the adapter's W [d, d], or None where all weights moved.
        rows: training rows; steps: optimiser steps taken.
    """

    path: Path
    card: Card
    linear: np.ndarray | None
    rows: int
    steps: int


def train(
    recipe: Recipe,
    base_dir: Path,
    train_queries: Sequence[JudgedQuery],
    dev_queries: Sequence[JudgedQuery],
    texts: Mapping[str, str],
    out_dir: Path,
    *,
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
        seed: overrides the recipe's.
        report: gets dicts with `event` "progress" or "log", `phase` ("loading", "training", "dev",
            "saving"), and `step`, `steps`, `loss`, `eta_s`, `score`, `message` where they apply.
        should_stop: polled at every step.
        base_vectors: the base's document vectors; the dev ranking uses them for its hard part, and
            `adapter` needs no encoding then.
        gains: grade -> gain.
        data: hashes the caller knows ("catalog", "template"), for the card.
        checkpoints: where the Trainer leaves its newest checkpoint; nowhere by default.

    Raises:
        RankbenchError: no usable rows (before any training), the loss diverged, the disk is full,
            or the saved encoder does not read back as the one in memory.
        Cancelled: `should_stop` said so; nothing is left in `out_dir`.
    """
    began = time.monotonic()
    report = report or (lambda event: None)
    stop: ShouldStop = should_stop or (lambda: False)
    run_seed = int(recipe["seed"]) if seed is None else seed
    if out_dir.exists():
        raise RankbenchError(f"{out_dir} exists already.", "Name another place for the encoder.")
    examples = build_examples(
        train_queries,
        texts,
        max_per_query=recipe["max_per_query"],
        negatives=recipe["negatives"],
        seed=run_seed,
    )
    for note in examples.notes:
        report({"event": "log", "message": note})
    report({"event": "progress", "phase": "loading", "step": 0, "steps": 0})

    from engine.encoders.load import load_model
    from engine.training.selection import dev_set

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
        base_hits=_base_hits(model, dev_queries, base_vectors),
    )
    check_stop(stop)
    known = _known_vectors(texts, base_vectors)
    base_score = _base_score(model, dev, known)
    report(
        {
            "event": "log",
            "message": f"{len(examples.rows)} rows from {len(examples.queries)} queries; "
            + (f"base {dev.measure} {base_score:.4f}" if dev else "dev too small to select on"),
        }
    )
    with ExitStack() as stack:
        place = checkpoints or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        steps = _Steps(report)
        model, best, linear = _fit(
            model, recipe, examples, dev, run_seed, steps, stop, known, place, checkpoints
        )
    check_stop(stop)
    report({"event": "progress", "phase": "saving", "step": steps.last, "steps": steps.last})
    card = replace(
        _card(recipe, run_seed, examples, dev, best, base_score),
        name=name or recipe.name,
        **_lineage(base_name, base_dir),
        seconds=round(time.monotonic() - began, 2),
    )
    card = replace(card, data={**(data or {}), **card.data}, note=_note(card))
    _save(model, out_dir, card, examples)
    return TrainResult(out_dir, card, linear, len(examples.rows), steps.last)


class _Steps:
    """Passes reports on and remembers the last step."""

    def __init__(self, report: Report) -> None:
        self.last = 0
        self._report = report

    def __call__(self, event: dict[str, Any]) -> None:
        self.last = max(self.last, int(event.get("step", 0)))
        self._report(event)


def _fit(
    model: SentenceTransformer,
    recipe: Recipe,
    examples: Examples,
    dev: DevSet | None,
    seed: int,
    report: Report,
    stop: ShouldStop,
    known: Mapping[str, np.ndarray],
    place: Path,
    keep: Path | None,
) -> tuple[SentenceTransformer, Best, np.ndarray | None]:
    if recipe.loss == "adapter":
        from engine.training import adapter

        vectors = _vectors(model, adapter.needed_texts(examples, dev), known)
        best, weight = adapter.fit(
            model,
            recipe,
            examples,
            dev,
            seed=seed,
            report=report,
            should_stop=stop,
            vectors=vectors,
        )
        return adapter.attach(model, weight), best, weight
    from engine.training import infonce

    best = infonce.fit(
        model,
        recipe,
        examples,
        dev,
        seed=seed,
        report=report,
        should_stop=stop,
        checkpoints=place,
        keep_checkpoints=keep is not None,
    )
    return model, best, None


def _known_vectors(
    texts: Mapping[str, str], base_vectors: BaseVectors | None
) -> dict[str, np.ndarray]:
    if base_vectors is None:
        return {}
    ids, matrix = base_vectors
    return {
        texts[product]: vector
        for product, vector in zip(ids, matrix, strict=True)
        if texts.get(product)
    }


def _vectors(
    model: SentenceTransformer, needed: Sequence[str], known: Mapping[str, np.ndarray]
) -> Mapping[str, np.ndarray]:
    from engine.encoders.load import SentenceEncoder

    missing = [text for text in needed if text not in known]
    if not missing:
        return known
    found = SentenceEncoder(model).encode_documents(missing)
    return {**known, **dict(zip(missing, found, strict=True))}


def _base_hits(
    model: SentenceTransformer, queries: Sequence[JudgedQuery], base_vectors: BaseVectors | None
) -> dict[str, list[str]]:
    """Query id -> the base's best products, best first; empty without an index."""
    from engine.encoders.load import SentenceEncoder
    from engine.training.selection import BASE_DEPTH

    if base_vectors is None or not queries:
        return {}
    ids, matrix = base_vectors
    vectors = SentenceEncoder(model).encode_queries([clean_query(q.query) for q in queries])
    hits = {}
    for query, vector in zip(queries, vectors, strict=True):
        rows = np.argsort(-(matrix @ vector), kind="stable")[:BASE_DEPTH]
        hits[query.query_id] = [ids[row] for row in rows]
    return hits


def _base_score(
    model: SentenceTransformer, dev: DevSet | None, known: Mapping[str, np.ndarray]
) -> float:
    from engine.encoders.load import SentenceEncoder

    if dev is None:
        return math.nan
    if all(text in known for text in dev.texts):
        queries = SentenceEncoder(model).encode_queries(dev.queries)
        return fmean(dev.score_vectors(queries, np.stack([known[text] for text in dev.texts])))
    return fmean(dev.score(model))


def _card(
    recipe: Recipe,
    seed: int,
    examples: Examples,
    dev: DevSet | None,
    best: Best,
    base_score: float,
) -> Card:
    assert best.chosen is not None
    chosen = best.chosen
    what = recipe.to_json()
    what.pop("summary")
    what["parameters"]["seed"] = seed
    scores: dict[str, Any] = {"chosen": {"epoch": chosen.epoch, "alpha": chosen.alpha}}
    if dev is not None:
        scores |= {
            "measure": dev.measure,
            "queries": len(dev.ids),
            "base": round(base_score, 5),
            "tuned": round(chosen.score, 5),
            "candidates": [
                {"epoch": c.epoch, "alpha": c.alpha, "score": round(c.score, 5)} for c in best.tried
            ],
        }
    return Card(
        name=recipe.name,
        recipe=what,
        data={"rows": examples.data_hash, "judgments": judgments_hash(examples.queries)},
        trained_queries=tuple(sorted({normalise_query(q.query) for q in examples.queries})),
        trained_query_ids=tuple(query.query_id for query in examples.queries),
        selection_queries=tuple(sorted({normalise_query(q) for q in dev.queries})) if dev else (),
        scores=scores,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        beats_base=None if dev is None else chosen.score > base_score,
    )


def _lineage(base_name: str, base_dir: Path) -> dict[str, Any]:
    parent = read_card(base_dir)
    return {
        "base": base_name,
        "base_fingerprint": fingerprint(base_dir),
        "parents": (base_name, *(parent.parents if parent else ())),
        "inherited_queries": parent.seen_queries() if parent else (),
    }


def _note(card: Card) -> str:
    if card.beats_base is None:
        return "too few dev queries to choose or to compare on; the recipe's defaults were kept"
    if card.beats_base:
        return ""
    return f"did not beat {card.base} on dev; {card.base} stays the default"


def _save(model: SentenceTransformer, out_dir: Path, card: Card, examples: Examples) -> None:
    """Write beside, read back, compare, rename."""
    from engine.encoders.load import SentenceEncoder, load_model

    work = out_dir.with_name(f".{out_dir.name}.partial")
    shutil.rmtree(work, ignore_errors=True)
    rows = examples.rows[:8]
    probe = [row.positive for row in rows]
    try:
        out_dir.parent.mkdir(parents=True, exist_ok=True)
        model.save_pretrained(str(work), create_model_card=False, safe_serialization=True)
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
        work.rename(out_dir)
    except OSError as error:
        raise unwritable(out_dir.parent, error) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
