"""Training in the background: judgments and a base in, an encoder with its build out.

Params: {"recipe": name, "set": ["key=value"], "name": encoder name or "", "base": encoder name,
"seed": int or null}. Reads the train split, selects on dev, never looks at test.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.catalog.queries import JudgedQuery
from engine.encoders.card import read_card, write_card
from engine.encoders.registry import BASE, check_name, publish, resolve
from engine.errors import RankbenchError
from engine.jobs.context import Context, Stopped
from engine.jobs.index import index
from engine.jobs.queue import is_busy, wait_for_writer
from engine.training.outcome import Cancelled
from engine.training.recipe import Recipe, load_recipe
from engine.training.train import BaseVectors, train
from engine.workspace import Workspace


def run(context: Context) -> dict[str, Any]:
    """Train, put the encoder in its place, index it; returns the last event's values.

    Raises:
        RankbenchError: bad parameters, nothing to train on, or what `train` raises.
    """
    ws = context.ws
    recipe, name = check(ws, context.params)
    base = resolve(ws, context.text("base", BASE))
    queries = [query for query in judged_queries(ws) if query.split in ("train", "dev")]
    texts, catalog = read_texts(ws)
    finished = context.work / "encoder"
    result = train(
        recipe,
        base.path,
        [query for query in queries if query.split == "train"],
        [query for query in queries if query.split == "dev"],
        texts,
        finished,
        seed=context.params.get("seed"),
        report=context.report,
        should_stop=context.should_stop,
        base_vectors=base_vectors(context, base.name),
        gains=ws.settings.gains,
        name=name or next_name(ws, recipe.name),
        base_name=base.name,
        data={"catalog": catalog, "template": ws.settings.template},
        checkpoints=context.directory / "checkpoints",
    )
    saved = put_in_place(context, finished, result.card.name, fixed=bool(name))
    # From here on the encoder exists, whole; a cancel only leaves it without its build.
    context.events.emit("log", message=f"saved as {saved}", encoder=saved)
    try:
        index(context, saved)
    except Cancelled:
        raise Cancelled(
            f"Cancelled after {saved} was saved, before it was indexed.",
            f"Index it with `rankbench index --encoder {saved}`.",
        ) from None
    scores = result.card.scores
    return {
        "encoder": saved,
        "beats_base": result.card.beats_base,
        "note": result.card.note,
        "measure": scores.get("measure"),
        "base_score": scores.get("base"),
        "tuned_score": scores.get("tuned"),
        "rows": result.rows,
        "seconds": result.card.seconds,
    }


def put_in_place(context: Context, finished: Path, name: str, *, fixed: bool) -> str:
    """Give the workspace a trained encoder; returns the name it got.

    Waits for other writers. Where the name was taken meanwhile and nobody chose it (not `fixed`),
    the next free one is used. An encoder that cannot be put in its place is kept in the job's
    directory; only a cancel drops it.

    Raises:
        Cancelled: the person asked for it while it waited.
        RankbenchError: a fixed name is taken, or the workspace cannot be written.
    """
    kept = context.directory / "encoder"
    os.replace(finished, kept)  # out of `work`, which goes when the job ends
    try:
        return _publish(context, kept, name, fixed)
    except (Cancelled, Stopped):
        shutil.rmtree(kept, ignore_errors=True)
        raise
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
        try:
            publish(ws, kept, name)
            return name
        except RankbenchError as error:
            if is_busy(error):  # another writer came in between
                continue
            if fixed or not (ws.encoders_dir / name).exists():
                raise
        card = read_card(kept)
        assert card is not None and card.recipe is not None  # it was trained here
        name = next_name(ws, str(card.recipe["name"]))
        write_card(kept, replace(card, name=name))


def check(ws: Workspace, params: Any) -> tuple[Recipe, str]:
    """Recipe and name of a training job, checked; the command line asks this before it starts one.

    Raises:
        UsageError: an unknown recipe, a wrong `set`, an impossible name.
        RankbenchError: the name is taken, or no judgment can be trained on.
    """
    recipe = load_recipe(str(params.get("recipe") or "infonce")).with_set(params.get("set") or [])
    name = str(params.get("name") or "")
    if name:
        check_name(name)
        if (ws.encoders_dir / name).exists():
            raise RankbenchError(
                f"There is an encoder called {name!r} already.", "Choose another with `--name`."
            )
    _check_judgments(judged_queries(ws))
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
    """`<recipe>-NN`, one past the highest there is."""
    pattern = re.compile(re.escape(recipe) + r"-(\d+)")
    present = [path.name for path in ws.encoders_dir.iterdir()] if ws.encoders_dir.is_dir() else []
    numbers = [int(found[1]) for name in present if (found := pattern.fullmatch(name))]
    return f"{recipe}-{max(numbers, default=0) + 1:02d}"


def judged_queries(ws: Workspace) -> list[JudgedQuery]:
    """The workspace's judged queries; those without a split are given one first."""
    from engine.records import Records

    with Records(ws.records_path) as records:
        records.assign_missing_splits()
        return records.judged_queries()


def read_texts(ws: Workspace) -> tuple[dict[str, str], str]:
    """Product id -> rendered text, and the catalog's hash."""
    from engine.index.store import catalog_hash, read_items

    items = read_items(ws, ["product_id", "text"])
    texts = dict(zip(items["product_id"].to_list(), items["text"].to_list(), strict=True))
    return texts, catalog_hash(ws)


def base_vectors(context: Context, name: str) -> BaseVectors:
    """The base's document vectors, its index brought up to date first (mostly nothing to do)."""
    from engine.index.build import load_matrix

    index(context, name)
    matrix = load_matrix(context.ws, name)
    return matrix.ids, matrix.vectors
