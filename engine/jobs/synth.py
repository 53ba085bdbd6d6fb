"""Scoring a log's queries in the background: a teacher, an encoder and a log in, a set out.

Params: {"log": path, "teacher": name, directory, hub id or "", "encoder": name, "queries": int,
"seed": int, "synth": name or "", "accept": bool}. The queries are drawn at the first start: a
resumed job needs no log, and scores the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.encoders.registry import BASE, EncoderInfo, resolve
from engine.errors import UsageError
from engine.experiments.synth_queries import Sample, sample_queries
from engine.jobs.context import Context
from engine.jobs.material import read_judged, read_texts
from engine.jobs.rankers import Rankers, open_rankers
from engine.supervise.process import write_json
from engine.training.synthetic import SynthCard, read_synth_card
from engine.training.teachers import Teacher, find_teacher, free_name
from engine.workspace import Workspace

CHECKPOINTS = "checkpoints"  # in the job's directory
DRAWN = "drawn.json"  # in the job's directory: the log's facts and the queries
KIND = "synth"
QUERIES = 300


@dataclass(frozen=True, slots=True)
class Drawn:
    """The queries to score, and what is told of their log."""

    sample: Sample
    log: Mapping[str, Any]


def check(ws: Workspace, params: Mapping[str, Any]) -> tuple[Teacher, Drawn, str]:
    """Teacher, queries and name of the job, checked before it starts and before any scoring.

    Raises:
        UsageError: an impossible number or name.
        RankbenchError: no log, an empty one, no query left, no teacher, a directory that is none,
            no such encoder, a name that is taken, or, unless it is accepted, a teacher that cannot
            be checked or is known not to beat the encoder.
    """
    name = free_name(ws.synth_dir, str(params.get("synth") or ""), KIND)
    teacher = find_teacher(ws, str(params.get("teacher") or ""))
    student = resolve(ws, str(params.get("encoder") or BASE))
    drawn = draw(ws, params)
    if not params.get("accept"):
        _check_known(ws, teacher, student)
    return teacher, drawn, name


def _check_known(ws: Workspace, teacher: Teacher, student: EncoderInfo) -> None:
    """Refuse what the job would refuse, as far as it is known without scoring.

    The teacher's own comparison counts where it was made with this encoder, on what is judged and
    sold now; else the job compares anew.

    Raises:
        RankbenchError: so it is.
    """
    from engine.experiments.synth import check_enough, not_better, say_check
    from engine.jobs.teach import compared_on
    from engine.training.reranking import askable

    dev = [query for query in read_judged(ws) if query.split == "dev"]
    texts, catalog = read_texts(ws)
    check_enough(*askable(dev, texts, ws.settings.gains, teacher.seen()))
    found = (teacher.card.scores.get("dev") or {}) if teacher.card else {}
    if not found.get("n") or _beats(found):
        return
    if teacher.card and teacher.card.data.get("compared") == compared_on(ws, student, dev, catalog):
        raise not_better(f"{say_check(found)}, when it was trained")


def draw(ws: Workspace, params: Mapping[str, Any]) -> Drawn:
    """Read the log and choose its queries.

    Raises:
        UsageError: fewer than one query is asked for.
        RankbenchError: as `read_search_log` and `sample_queries`.
    """
    from engine.formats.search_log import read_search_log

    count = int(params.get("queries") or QUERIES)
    if count < 1:
        raise UsageError(f"{count} queries cannot be scored.", "Give --queries 1 or more.")
    path = Path(str(params.get("log")))
    log = read_search_log(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    facts = {"name": path.name, "sha256": digest, "format": log.format}
    facts |= {"queries": len(log.queries), "searches": log.searches, "counted": log.counted}
    facts |= {"dropped": dict(log.dropped), "notes": list(log.notes)}
    seed = int(params.get("seed") or 0)
    return Drawn(sample_queries(log.queries, read_judged(ws), count, seed), facts)


def run(context: Context) -> dict[str, Any]:
    """Check the teacher, score, put the set in its place; returns the last event's values."""
    from engine.encoders.cross_encoder import load_cross_encoder, weights_hash
    from engine.experiments.synth import Setting, publish, score_log
    from engine.training.checkpoints import run_key

    ws = context.ws
    made, created = context.published()
    if made and (ws.synth_dir / made).is_dir():
        card = read_synth_card(ws.synth_dir / made)
        if card.created == created:
            return _end(card)
    name = free_name(ws.synth_dir, context.text("synth"), KIND)
    teacher = find_teacher(ws, context.text("teacher"))
    drawn = _drawn(context)
    context.events.emit("progress", phase="loading", step=0, steps=0)
    model = load_cross_encoder(teacher.source)
    student = resolve(ws, context.text("encoder", BASE))
    encoder, student_seen = student.name, student.card.seen_queries() if student.card else ()
    texts, catalog = read_texts(ws)
    rankers = open_rankers(context, encoder)
    weights = weights_hash(model)
    seen = (teacher.seen(), frozenset(student_seen))
    setting = Setting(model, rankers.rank, rankers.prepare, texts, *seen)
    context.report({"event": "log", "message": say_drawn(drawn)})
    key = run_key(weights, rankers.fingerprint, catalog, ws.settings.template, drawn.sample.queries)
    found = _checked(context, setting, key)
    rows, rate = score_log(
        setting,
        drawn.sample,
        context.directory / CHECKPOINTS,
        key,
        report=context.report,
        should_stop=context.should_stop,
    )
    seed = int(context.params.get("seed") or 0)
    card = _card(teacher, weights, drawn, rankers, encoder, seed)
    data = {"catalog": catalog, "template": ws.settings.template}
    card = publish(
        rows,
        SynthCard(
            name=name,
            **card,
            check=found,
            accepted=not _beats(found),
            data=data,
            rate=round(rate, 1),
            seconds=round(rows.height / rate, 1) if rate else 0.0,
        ),
        ws.synth_dir / name,
        context.note_published,
    )
    return _end(card)


def _end(card: SynthCard) -> dict[str, Any]:
    """The last event's values."""
    return {
        "synth": card.name,
        "counts": dict(card.counts),
        "check": {k: v for k, v in card.check.items() if k != "per_query"},
        "accepted": card.accepted,
        "teacher": card.teacher["id"],
        "rate": card.rate,
        "seconds": card.seconds,
    }


def say_drawn(drawn: Drawn) -> str:
    """The queries, what was left out, and how the log was read, in one line."""
    sample = drawn.sample
    many = "query" if len(sample.queries) == 1 else "queries"
    told = (
        f"{len(sample.queries):,} {many} ({sample.head:,} head, {sample.tail:,} tail) of "
        f"{sample.known:,} in {drawn.log['name']}; {sample.held_out:,} (nearly) repeat judged "
        "queries of dev or test and are left out"
    )
    if column := drawn.log.get("counted"):
        told += f"; counts from {column}"
    for why, rows in (drawn.log.get("dropped") or {}).items():
        told += f"; {rows:,} {'row' if rows == 1 else 'rows'} {why} left out"
    return ". ".join([told, *drawn.log.get("notes", ())])


def _drawn(context: Context) -> Drawn:
    """The queries of this job's first start."""
    place = context.directory / DRAWN
    with suppress(OSError, ValueError, TypeError, KeyError):
        known = json.loads(place.read_text(encoding="utf-8"))
        sample = known["sample"]
        sample |= {name: tuple(sample[name]) for name in ("queries", "near")}
        return Drawn(Sample(**sample), known["log"])
    drawn = draw(context.ws, context.params)
    write_json(place, asdict(drawn))
    return drawn


def _checked(context: Context, setting: Any, key: str) -> dict[str, Any]:
    """The teacher's check; one that an earlier start of this job made is not made again."""
    from engine.experiments.synth import check_teacher

    place = context.directory / "checked.json"
    with suppress(OSError, ValueError, KeyError):
        known = json.loads(place.read_text(encoding="utf-8"))
        if known["key"] == key:
            return known["check"]
    dev = [query for query in read_judged(context.ws) if query.split == "dev"]
    found = check_teacher(
        setting,
        dev,
        context.ws.settings.gains,
        accept=bool(context.params.get("accept")),
        report=context.report,
        should_stop=context.should_stop,
    ).to_json()
    write_json(place, {"key": key, "check": found})
    return found


def _beats(found: Mapping[str, Any]) -> bool:
    from engine.training.reranking import MIN_QUERIES

    return int(found.get("n") or 0) >= MIN_QUERIES and float(found.get("delta") or 0) > 0


def _card(
    teacher: Teacher, weights: str, drawn: Drawn, rankers: Rankers, encoder: str, seed: int
) -> dict[str, Any]:
    """The card's values that say what the set was made from."""
    sample = drawn.sample
    return {
        "log": drawn.log,
        "counts": {"head": sample.head, "tail": sample.tail, "held_out": sample.held_out},
        "teacher": {
            "id": teacher.id,
            "name": teacher.card.name if teacher.card else "",
            "weights": weights,
            "trained_on": teacher.trained_on,
        },
        "encoder": {"name": encoder, "fingerprint": rankers.fingerprint},
        "seed": seed,
        "seen": tuple(sorted(teacher.seen().union(sample.near))),
    }
