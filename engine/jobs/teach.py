"""Training of a teacher in the background: judgments and an encoder in, a cross-encoder out.

Params: {"loss": name, "set": ["key=value"], "seed": int or null, "teacher": name or "", "base":
encoder name, "from": a teacher's name, a directory (absolute: a resume may run elsewhere) or
a hub id to start from, or ""}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.catalog.queries import JudgedQuery
from engine.encoders.card import Card, read_card
from engine.encoders.registry import BASE, EncoderInfo, resolve
from engine.errors import RankbenchError
from engine.jobs.context import Context
from engine.jobs.material import read_judged, read_texts
from engine.jobs.rankers import open_rankers
from engine.training.recipe import Recipe
from engine.training.teachers import find_teacher, free_name
from engine.workspace import Workspace

CHECKPOINTS = "checkpoints"
KIND = "teacher"


def check(ws: Workspace, params: Mapping[str, Any]) -> tuple[Recipe, str]:
    """Settings and name of the job, checked before it starts.

    Raises:
        UsageError: a wrong loss, setting or name.
        RankbenchError: the name is taken, `from` is no cross-encoder, or nothing can be taught.
    """
    from engine.training.teacher import LOSSES, teach_recipe
    from engine.training.teacher_rows import graded_lists

    recipe = teach_recipe(str(params.get("loss") or LOSSES[0]), params.get("set") or [])
    name = free_name(ws.teachers_dir, str(params.get("teacher") or ""), KIND)
    if params.get("from"):
        find_teacher(ws, str(params["from"]))
    resolve(ws, str(params.get("base") or BASE))
    train = [query for query in read_judged(ws) if query.split == "train"]
    if not any(query.positives() for query in train):
        raise RankbenchError(
            f"None of the {len(train)} judged queries of the train split has an Exact product.",
            "Import judgments with `rankbench import judgments FILE`.",
        )
    # What else leaves nothing to teach is told before anything is indexed or loaded.
    graded_lists(train, read_texts(ws)[0], recipe, 0, gains=ws.settings.gains)
    return recipe, name


def run(context: Context) -> dict[str, Any]:
    """Train, check on dev, put it in its place; returns the last event's values."""
    from engine.experiments.synth import say_check
    from engine.training.teacher import teach

    ws = context.ws
    made, created = context.published()
    card = read_card(ws.teachers_dir / made) if made else None
    if card is not None and card.created == created:
        return _end(made, card, None)
    recipe, name = check(ws, context.params)
    base = resolve(ws, context.text("base", BASE))
    texts, catalog = read_texts(ws)
    rankers = open_rankers(context, base.name)
    queries = read_judged(ws)
    rankers.prepare([query.query for query in queries])
    start, begun = base.path, base.name
    if context.text("from"):
        begun, start = _start(context)
    dev = [query for query in queries if query.split == "dev"]
    compared = compared_on(ws, base, dev, catalog)
    taught = teach(
        recipe,
        start,
        [query for query in queries if query.split == "train"],
        dev,
        texts,
        ws.teachers_dir / name,
        rankers=rankers.rank,
        seed=context.params.get("seed"),
        report=context.report,
        should_stop=context.should_stop,
        gains=ws.settings.gains,
        name=name,
        base_name=begun,
        data={"catalog": catalog, "template": ws.settings.template, "compared": compared},
        checkpoints=context.directory / CHECKPOINTS,
        student_seen=base.card.seen_queries() if base.card else (),
        note=context.note_published,
    )
    told = say_check(taught.check.to_json()) if taught.check else taught.card.note
    beaten = "" if taught.card.beats_base is not False else "does not beat the student: "
    context.report({"event": "log", "message": f"{beaten}{told}"})
    rate = _rate(taught.check.pairs, taught.check.seconds) if taught.check else None
    return _end(name, taught.card, rate)


def compared_on(
    ws: Workspace, student: EncoderInfo, dev: Sequence[JudgedQuery], catalog: str
) -> str:
    """Hash of what a teacher's comparison with a student rests on beside its weights:
    the student's, the dev judgments and their gains, the catalog and its template."""
    from engine.encoders.fingerprint import fingerprint
    from engine.training.checkpoints import run_key
    from engine.training.examples import queries_hash

    settings = ws.settings
    rests_on = (fingerprint(student.path), queries_hash(dev), catalog, settings.template)
    return run_key(*rests_on, sorted(settings.gains.items()))


def _end(name: str, card: Card, rate: float | None) -> dict[str, Any]:
    """The last event's values."""
    return {
        "teacher": name,
        "note": card.note,
        "beats": card.beats_base,
        "check": {k: v for k, v in (card.scores.get("dev") or {}).items() if k != "per_query"},
        "rate": rate,
        "pairs": card.scores["pairs"],
        "seconds": card.seconds,
    }


def _start(context: Context) -> tuple[str, Path]:
    """Name and directory of the cross-encoder to start from; a hub's is written down first."""
    from engine.encoders.cross_encoder import load_cross_encoder
    from engine.encoders.save import save_model

    teacher = find_teacher(context.ws, context.text("from"))
    if isinstance(teacher.source, Path):
        return teacher.id, teacher.source
    place = context.work / "start"
    save_model(load_cross_encoder(teacher.source, "cpu"), place)
    return teacher.id, place


def _rate(pairs: int, seconds: float) -> float:
    return round(pairs / seconds, 1) if seconds else 0.0
