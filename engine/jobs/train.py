"""Training in the background: judgments or verdicts and a base in, an encoder with its build out.

Params: {"recipe": name, "set": ["key=value"], "name": encoder name or "", "base": encoder name,
"seed": int or null, "source": "judgments", "flags", "both" or "log" ("" for the recipe's own),
"synth": the name of a synthetic set ("" for the newest; with "log"), "include_test": bool,
"deselected": [[query, product_id], ...]}. Judgments are read of the train split, verdicts of every
query but those of dev and test; dev selects; test is never looked at unless `include_test` says so.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from engine.catalog.queries import JudgedQuery
from engine.encoders.card import read_card, write_card
from engine.encoders.load import layers_of, width_of
from engine.encoders.registry import BASE, check_name, publish, resolve
from engine.errors import RankbenchError
from engine.jobs.context import Context, Stopped, ignore_sigterm
from engine.jobs.index import index
from engine.jobs.material import (
    LOG,
    Until,
    read_basket,
    read_judged,
    read_merged,
    read_products,
    read_texts,
    read_until,
    source_of,
    teacher_of,
)
from engine.jobs.queue import is_busy, wait_for_writer
from engine.jobs.synthetic import find_set, pass_on, read_set
from engine.jobs.verdict import draw_verdict, keep_flagged
from engine.supervise.job import KEPT, MADE, find
from engine.supervise.process import write_json
from engine.supervise.whole import newest_step
from engine.training.outcome import Cancelled
from engine.training.recipe import DEFAULTS, Recipe, check_frozen, check_sizes, load_recipe
from engine.training.remarks import flattered_by
from engine.training.train import BaseVectors, TrainResult, train
from engine.workspace import Workspace

CHECKPOINTS = "checkpoints"  # in the job's directory
BEGUN = "begun.json"  # in the job's directory: what there was to train on when it first looked
CUT_SHORT = "cancelled.json"  # in the job's directory: what its cancels kept, names and times


def run(context: Context) -> dict[str, Any]:
    """Train, put the encoder in its place, index it; returns the last event's values.

    Raises:
        RankbenchError: bad parameters, nothing to train on, or what `train` raises.
        Cancelled: the person asked for it; the message says what was kept.
    """
    name = _own_name(context)
    saved = _made_before(context, name) or _make(context, name)
    # From here on the encoder exists, whole; a cancel only leaves it without its build.
    context.events.emit("log", message=f"saved as {saved}", encoder=saved)
    try:
        index(context, saved)
    except (Cancelled, Stopped):
        raise Kept(
            saved,
            f"Cancelled after {saved} was saved, before it was indexed.",
            f"Index it with `rankbench index --encoder {saved}`.",
        ) from None
    try:
        verdict = draw_verdict(context, saved)
    except (Cancelled, Stopped):
        raise Kept(
            saved,
            f"Cancelled after {saved} was saved and indexed, before its verdict was drawn.",
            f"`rankbench jobs {context.id} --resume` draws it.",
        ) from None
    card = resolve(context.ws, saved).card
    assert card is not None  # it was trained
    return {
        "encoder": saved,
        "call": verdict.call if verdict else None,
        "why": verdict.why if verdict else None,
        "caution": verdict.caution if verdict else None,
        "beats_base": card.beats_base,
        "note": card.note,
        "measure": card.scores.get("measure"),
        "base_score": card.scores.get("base"),
        "tuned_score": card.scores.get("tuned"),
        "dev_queries": card.scores.get("queries"),
        "chosen": card.scores.get("chosen"),
        "rows": card.scores.get("rows"),
        "seconds": card.seconds,
    }


def _make(context: Context, name: str) -> str:
    """Train and put the encoder in its place; returns its name."""
    ws = context.ws
    recipe, _ = check(ws, {**context.params, "name": name})
    base = resolve(ws, context.text("base", BASE))
    texts, catalog = read_texts(ws)
    vectors = base_vectors(context, base.name)
    # A basket of thousands of queries takes minutes: whoever looks is told what goes on.
    context.events.emit("progress", phase="loading", step=0, steps=0)
    until = _begun(context)
    merged = read_merged(ws, until)
    imported = [query for query in merged.queries if query.imported]
    basket, trained, synthetic = None, frozenset(), None
    source = source_of(recipe, context.params)
    if source == "judgments":
        imported = read_judged(ws, until)
    elif source == LOG:
        imported = read_judged(ws, until)
        synthetic = read_set(context, texts, recipe, imported)
    else:
        basket = read_basket(ws, context.params, merged, texts)
        basket.check()
        keep_flagged(context, basket, merged)
        trained = basket.touched()
    dev = [query.query for query in imported if query.split == "dev"]
    if flattered := flattered_by(base.name, base.card, dev):
        context.events.emit("log", message=flattered)
    finished = context.work / "encoder"
    teacher = teacher_of(ws, recipe)
    result = train(
        recipe,
        base.path,
        [query for query in imported if query.split == "train"],
        [query for query in imported if query.split == "dev" and query.query_id not in trained],
        texts,
        finished,
        basket=basket,
        teacher=teacher,
        queries=merged.queries if basket else imported,
        products=read_products(ws, recipe),
        seed=context.params.get("seed"),
        report=context.report,
        should_stop=context.should_stop,
        base_vectors=vectors,
        gains=ws.settings.gains,
        name=name or next_name(ws, recipe.name),
        base_name=base.name,
        data={"catalog": catalog, "template": ws.settings.template},
        checkpoints=context.directory / CHECKPOINTS,
        lists=synthetic.lists if synthetic else None,
    )
    if synthetic:
        result = pass_on(finished, result, synthetic)
    if result.cancelled is not None:
        _keep_cancelled(context, finished, result, fixed=bool(name))
    return put_in_place(context, finished, result.card.name, fixed=bool(name))


def _begun(context: Context) -> Until:
    """The moment in the records that this job's first start read: a resume trains on the same."""
    place = context.directory / BEGUN
    with suppress(OSError, ValueError, TypeError):
        return Until(**json.loads(place.read_text(encoding="utf-8")))
    until = read_until(context.ws)
    write_json(place, asdict(until))
    return until


def _made_before(context: Context, name: str) -> str | None:
    """The encoder that this job had finished before it was cut off, in its place; else None.

    What a cancelled run had by then is not finished while there is a checkpoint to go on from: it
    lies there until the run has a better one.
    """
    card = read_card(context.directory / KEPT)
    unfinished = card is not None and "cancelled_after_step" in card.scores
    if card is not None and not (unfinished and _newest_step(context) is not None):
        return _place_kept(context, card.name, fixed=bool(name))
    try:
        made = json.loads((context.directory / MADE).read_text(encoding="utf-8"))
        card = read_card(context.ws.encoders_dir / str(made["name"]))
    except (OSError, ValueError, KeyError):
        return None
    return card.name if card is not None and card.created == made["created"] else None


def _newest_step(context: Context) -> int | None:
    return newest_step(context.directory / CHECKPOINTS)


def _own_name(context: Context) -> str:
    """The name that was asked for, or the next beside it where a cancel of this job took it."""
    name = context.text("name")
    card = read_card(context.ws.encoders_dir / name) if name else None
    if card is None or [name, card.created] not in _cut_short(context):
        return name
    other = next_name(context.ws, name)
    message = f"{name} is what the cancelled run had by then; this one becomes {other}."
    context.events.emit("log", message=message)
    return other


def _cut_short(context: Context) -> list[list[str]]:
    try:
        return list(json.loads((context.directory / CUT_SHORT).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return []


class Kept(Cancelled):
    """Cancelled, and an encoder was kept."""

    def __init__(self, encoder: str, what: str, todo: str) -> None:
        super().__init__(what, todo)
        self.encoder = encoder


def _keep_cancelled(context: Context, finished: Path, result: TrainResult, *, fixed: bool) -> None:
    """Put the best weights of a cancelled run in their place, without waiting for anybody.

    Raises:
        Kept: always, unless the place was not free; then Cancelled, and they stay with the job.
    """
    ignore_sigterm()
    ws, name = context.ws, result.card.name
    step = f"Cancelled after step {result.cancelled}"
    while not fixed and (ws.encoders_dir / name).exists():
        name = next_name(ws, str((result.card.recipe or {})["name"]))
    if name != result.card.name:
        write_card(finished, replace(result.card, name=name))
    # A resume goes on towards another encoder: it must not stumble over this one's name.
    kept = [*_cut_short(context), [name, result.card.created]]
    with suppress(OSError):
        (context.directory / CUT_SHORT).write_text(json.dumps(kept), encoding="utf-8")
    waiting = _set_aside(context, finished)
    try:
        publish(ws, waiting, name, timeout=2)
    except (RankbenchError, OSError) as error:
        what = error.what if isinstance(error, RankbenchError) else f"{error}."
        fate = "until a resume has gone on training"
        if _newest_step(context) is None:
            fate = "and a resume puts them in their place: no checkpoint is left to go on from"
        raise Cancelled(
            f"{step}. {what} The best weights so far are kept in {waiting}, {fate}."
        ) from None
    raise Kept(
        name,
        f"{step}; the best weights so far were kept as {name}.",
        f"Index it with `rankbench index --encoder {name}`.",
    )


def put_in_place(context: Context, finished: Path, name: str, *, fixed: bool) -> str:
    """Give the workspace a trained encoder; returns the name it got.

    Waits for other writers. Where the name was taken meanwhile and nobody chose it (not `fixed`),
    the next free one is used. An encoder that cannot be put in its place is kept in the job's
    directory, for a resume.

    Raises:
        Cancelled: the person asked for it while it waited.
        RankbenchError: a fixed name is taken, or the workspace cannot be written.
    """
    _set_aside(context, finished)
    return _place_kept(context, name, fixed=fixed)


def _set_aside(context: Context, finished: Path) -> Path:
    """Move a finished encoder out of `work`, which goes when the job ends."""
    kept = context.directory / KEPT
    shutil.rmtree(kept, ignore_errors=True)  # at most what a cancel left; this one is further
    os.replace(finished, kept)
    return kept


def _place_kept(context: Context, name: str, *, fixed: bool) -> str:
    kept = context.directory / KEPT
    try:
        return _publish(context, kept, name, fixed)
    except (Cancelled, Stopped):
        if not kept.is_dir():
            raise
        raise Cancelled(
            f"Cancelled before the trained encoder was put in its place; it is kept in {kept}."
        ) from None
    except (RankbenchError, OSError) as error:
        what = error.what if isinstance(error, RankbenchError) else f"{error}."
        raise RankbenchError(
            f"{what} The trained encoder is kept in {kept}.",
            f"Move it to {context.ws.encoders_dir} under a free name NAME, then run "
            "`rankbench index --encoder NAME`.",
        ) from error


def _publish(context: Context, kept: Path, name: str, fixed: bool) -> str:
    ws = context.ws
    while True:
        wait_for_writer(context)
        card = read_card(kept)
        assert card is not None and card.recipe is not None  # it was trained here
        # Before the rename: a resumed job must know its own encoder.
        word = json.dumps({"name": name, "created": card.created})
        (context.directory / MADE).write_text(word, encoding="utf-8")
        try:
            publish(ws, kept, name)
            return name
        except RankbenchError as error:
            if is_busy(error):  # another writer came in between
                continue
            if fixed or not (ws.encoders_dir / name).exists():
                raise
        name = next_name(ws, str(card.recipe["name"]))
        write_card(kept, replace(card, name=name))


def check(ws: Workspace, params: Any) -> tuple[Recipe, str]:
    """Recipe and name of a training job, checked; the command line asks this before it starts one.

    Raises:
        UsageError: an unknown recipe, a wrong `set`, an impossible name.
        RankbenchError: the name is taken, no judgment can be trained on, or the teacher is none.
    """
    recipe = load_recipe(str(params.get("recipe") or DEFAULTS["judgments"])).with_set(
        params.get("set") or []
    )
    name = str(params.get("name") or "")
    if name:
        check_name(name)
        if (ws.encoders_dir / name).exists():
            raise RankbenchError(
                f"There is an encoder called {name!r} already.", "Choose another with `--name`."
            )
    base = resolve(ws, str(params.get("base") or BASE)).path
    check_sizes(recipe, width_of(base))
    layers = layers_of(base)
    if layers is not None:
        check_frozen(int(recipe.get("freeze", 0)), layers)
    source = source_of(recipe, params)
    teacher_of(ws, recipe)
    if source == "judgments":
        _check_judgments(read_judged(ws))
    elif source == LOG:
        find_set(ws, params)
    elif source == "flags" and not read_merged(ws).words:
        raise RankbenchError(
            "There are no verdicts to train on.",
            "Flag a bad result first: `rankbench flag QUERY PRODUCT_ID I`, or `x` in the app.",
        )
    return recipe, name


def _check_judgments(queries: list[JudgedQuery]) -> None:
    """What can be told before a base is indexed; `build_examples` looks at the products too."""
    train = [query for query in queries if query.split == "train"]
    if not train:
        what = f"None of the {len(queries)} judged queries is in the train split."
        raise RankbenchError(
            what if queries else "There are no judged queries to train on.",
            "Import judgments with `rankbench import judgments FILE`; the train split is used.",
        )
    if not any(query.positives() for query in train):
        raise RankbenchError(
            f"None of the {len(train)} training queries has an Exact product.",
            "Import judgments with grade E: `rankbench import judgments FILE`.",
        )


def next_name(ws: Workspace, recipe: str) -> str:
    """`<recipe>-NN`, one past the highest there is, or was: a job's word on one that was removed
    must not be taken for another's."""
    pattern = re.compile(re.escape(recipe) + r"-(\d+)")
    names = [path.name for path in ws.encoders_dir.iterdir()] if ws.encoders_dir.is_dir() else []
    names += [job.encoder for job in find(ws) if job.encoder]
    numbers = [int(found[1]) for name in names if (found := pattern.fullmatch(name))]
    return f"{recipe}-{max(numbers, default=0) + 1:02d}"


def base_vectors(context: Context, name: str) -> BaseVectors:
    """The base's document vectors, its index brought up to date first (mostly nothing to do)."""
    from engine.index.build import load_matrix

    index(context, name)
    matrix = load_matrix(context.ws, name)
    return matrix.ids, matrix.vectors
