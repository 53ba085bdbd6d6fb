"""A teacher: a cross-encoder trained from judgments, on the base encoder's own transformer.

Where no published cross-encoder can be had this is the only kind there is. What it was trained on
is in its card (an encoder's `Card`), and counts as seen by every student that learns from it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.catalog.normalise import normalise_query
from engine.catalog.queries import JudgedQuery
from engine.encoders.card import Card, write_card
from engine.encoders.cross_encoder import (
    check_directory,
    from_transformer,
    load_cross_encoder,
    score_pairs,
    weights_hash,
)
from engine.encoders.save import save_model, whole_directory
from engine.errors import RankbenchError, UsageError
from engine.training.checkpoints import run_key
from engine.training.examples import queries_hash
from engine.training.finish import lineage
from engine.training.outcome import Report, ShouldStop, check_stop
from engine.training.recipe import Recipe
from engine.training.reranking import Check, Ranker, check
from engine.training.teacher_rows import GradedList, graded_lists, lists_hash
from engine.workspace import DEFAULT_GAINS

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

LOSSES = ("lambda", "bce", "listnet")
# Quick looks at the dev split of the ESCI sample (n 18, one seed; the base has .557 there), catalog
# NDCG@10: 60 steps of lists of 12 judged and 4 unjudged at 2e-4: lambda .476, bce .468, listnet
# .428; bce over a whole epoch .441. What counts is the unjudged: 110 steps of 8 and 8, lambda,
# .536, the defaults' whole epoch .544, one more from there .490. At 5e-5 a new head learns too
# little (lambda, 60 steps: .280).
_PARAMETERS: Mapping[str, Any] = {
    "epochs": 1,
    "lr": 2e-4,
    "batch_size": 2,
    "warmup": 0.1,
    "weight_decay": 0.01,
    "seed": 0,
    "max_steps": 0,
    "max_length": 96,
    "documents": 8,
    "negatives": 8,
}


@dataclass(frozen=True, slots=True)
class Taught:
    """A finished teacher.

    Attributes:
        path: its directory, complete, with its card.
        check: against the student on dev; None where too few dev queries can be scored.
    """

    path: Path
    card: Card
    check: Check | None


def teach_recipe(loss: str = LOSSES[0], assignments: Sequence[str] = ()) -> Recipe:
    """How a teacher is trained, with `key=value` texts applied.

    `batch_size` counts lists, `documents` the judged products of a list, `negatives` the unjudged
    ones beside them; `max_length` the tokens a pair is cut to, while training and ever after.

    Raises:
        UsageError: no such loss, a key that it does not have, or an impossible value.
    """
    if loss not in LOSSES:
        raise UsageError(f"There is no loss {loss!r}.", f"Choose one of {', '.join(LOSSES)}.")
    summary = "A cross-encoder from the train split's judgments."
    return Recipe("teach", summary, loss, _PARAMETERS).with_set(assignments)


def teach(
    recipe: Recipe,
    start: Path,
    train_queries: Sequence[JudgedQuery],
    dev_queries: Sequence[JudgedQuery],
    texts: Mapping[str, str],
    out_dir: Path,
    *,
    rankers: Sequence[Ranker] = (),
    seed: int | None = None,
    report: Report | None = None,
    should_stop: ShouldStop | None = None,
    gains: Mapping[str, float] = DEFAULT_GAINS,
    name: str = "",
    base_name: str = "base",
    data: Mapping[str, str] | None = None,
    checkpoints: Path | None = None,
    device: str | None = None,
    student_seen: Collection[str] = (),
    note: Callable[[str, str], None] = lambda name, created: None,
) -> Taught:
    """Train a cross-encoder and save it in `out_dir`.

    The last step's weights are kept: nothing is chosen on dev, so that its score there is one of
    queries it never saw. What `start` had seen of dev is left out.

    Args:
        start: an encoder's directory, whose transformer it begins with, or a cross-encoder's.
        rankers: the student first; they give unjudged negatives, and candidates for the dev score.
        student_seen: normalised queries that the student was trained or chosen on.
        note: told the card's name and birth before the teacher appears.
        report, should_stop, gains, data, checkpoints: as `engine.training.train.train`.

    Raises:
        RankbenchError: no usable rows (before any training), or the loss diverged.
        Cancelled: nothing is left in `out_dir`; a checkpoint is, where `checkpoints` is given.
    """
    began = time.monotonic()
    report = report or (lambda event: None)
    stop: ShouldStop = should_stop or (lambda: False)
    run_seed = int(recipe["seed"]) if seed is None else seed
    if out_dir.exists():
        raise RankbenchError(f"{out_dir} exists already.", "Name another place for the teacher.")
    report({"event": "progress", "phase": "loading", "step": 0, "steps": 0})
    lists = graded_lists(train_queries, texts, recipe, run_seed, rankers, gains)
    model, message = _begin(start, recipe, run_seed, device)
    if message:
        report({"event": "log", "message": message})
    kept = {"seed": run_seed, "max_length": model.max_seq_length}
    pairs = sum(len(row.documents) for row in lists)
    message = f"{pairs:,} pairs in {len(lists):,} lists of {len(_ids(lists)):,} queries"
    report({"event": "log", "message": message})
    check_stop(stop)
    origin = lineage(base_name, start)
    with ExitStack() as stack:
        place = checkpoints or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        key = run_key(recipe.to_json(), run_seed, lists_hash(lists), origin) if checkpoints else ""
        from engine.training.teacher_fit import fit

        fit(model, recipe, lists, seed=run_seed, place=place, key=key, report=report, stop=stop)
    trained = time.monotonic() - began
    found = None
    if rankers:
        found = check(
            model,
            dev_queries,
            rankers,
            texts,
            gains,
            report=report,
            should_stop=stop,
            seen=set(origin["inherited_queries"]),
            student_seen=student_seen,
        )
    report({"event": "progress", "phase": "saving", "step": 0, "steps": 0})
    used = [query for query in train_queries if query.query_id in _ids(lists)]
    told = found if found and found.enough else None
    card = _card(recipe, kept, used, lists, told, found.left_out if found else 0)
    card = replace(
        card,
        **origin,
        name=name or recipe.name,
        data={**(data or {}), **card.data, "weights": weights_hash(model)},
        seconds=round(trained, 2),
    )
    note(card.name, card.created)
    save_teacher(model, out_dir, card, lists[0])
    return Taught(out_dir, card, told)


def _begin(start: Path, recipe: Recipe, seed: int, device: str | None) -> tuple[CrossEncoder, str]:
    """The untrained teacher, and what to say of its length; its head's weights are by `seed`."""
    import torch

    asked = int(recipe["max_length"])
    try:
        check_directory(start)
    except RankbenchError:
        torch.manual_seed(seed)
        return from_transformer(start, asked, device), ""
    model = load_cross_encoder(start, device)
    own = model.max_seq_length or asked
    model.max_seq_length = min(own, asked)  # it may know no further positions
    if own == asked:
        return model, ""
    return (
        model,
        f"Pairs are cut to {min(own, asked):,} tokens: it had {own:,}, asked are {asked:,}.",
    )


def _ids(lists: Sequence[GradedList]) -> set[str]:
    return {row.query_id for row in lists}


def _card(
    recipe: Recipe,
    kept: Mapping[str, Any],
    queries: Sequence[JudgedQuery],
    lists: Sequence[GradedList],
    found: Check | None,
    left_out: int,
) -> Card:
    what = recipe.to_json()
    what.pop("summary")
    what["parameters"] |= kept
    scores: dict[str, Any] = {"lists": len(lists), "pairs": sum(len(r.documents) for r in lists)}
    if found is not None:
        scores["dev"] = found.to_json()
    count = len(queries)
    note = f"trained from the judgments of {count:,} queries of the train split"
    if found is None:
        note += "; too few dev queries to compare it with the encoder"
    elif not found.beats:
        note += "; it does not beat the encoder on dev"
    if left_out:
        note += f"; {left_out:,} dev queries left out: what it began with had seen them"
    return Card(
        name=recipe.name,
        recipe=what,
        data={"judgments": queries_hash(queries), "rows": lists_hash(lists)},
        trained_queries=tuple(sorted({normalise_query(query.query) for query in queries})),
        trained_query_ids=tuple(query.query_id for query in queries),
        scores=scores,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        beats_base=None if found is None else found.beats,
        note=note,
    )


def save_teacher(model: CrossEncoder, out_dir: Path, card: Card, probe: GradedList) -> None:
    """Write beside, read back, compare, flush, rename.

    Raises:
        RankbenchError: the disk refuses, or what it reads back scores otherwise.
    """
    with whole_directory(out_dir) as work:
        save_model(model, work)
        write_card(work, card)
        again = load_cross_encoder(work, str(model.device))
        a, b = (score_pairs(each, probe.query, probe.documents) for each in (model, again))
        if not np.isfinite(a).all() or not np.allclose(a, b, atol=1e-4):
            raise RankbenchError(
                "The saved teacher does not give the scores of the trained one.",
                "Check the disk, then train again; nothing was kept.",
            )
