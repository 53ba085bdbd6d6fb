"""Synthesis: a log's queries, their candidates, a teacher's scores of these, a directory.

The teacher is first checked against the student on the judged dev queries: distilling from one that
ranks no better would teach nothing (or its mistakes), so it is refused unless that is asked for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.catalog.queries import JudgedQuery
from engine.catalog.template import content_hashes
from engine.encoders.cross_encoder import score_pairs
from engine.encoders.save import whole_directory
from engine.errors import RankbenchError
from engine.experiments.synth_queries import Sample
from engine.training import checkpoints as saved
from engine.training.outcome import Cancelled, Report, ShouldStop, check_stop
from engine.training.reranking import MIN_QUERIES, Check, Ranker, candidates, check
from engine.training.synthetic import COLUMNS, ROWS, SynthCard, rows_hash
from engine.workspace import DEFAULT_GAINS

if TYPE_CHECKING:
    import polars as pl
    from sentence_transformers import CrossEncoder

PART_SECONDS = 30.0
"""How often the scores made so far are kept."""
_PART = 64
"""Pairs between two looks for a cancel."""

Rows = list[tuple[str, str, str, float]]


@dataclass(frozen=True, slots=True)
class Setting:
    """What a synthesis is made from.

    Attributes:
        rankers: the student first; their best give the candidates.
        prepare: makes the rankers ready for many queries at once.
        texts: product id -> rendered text, the whole catalog.
        seen, student_seen: normalised queries that each was trained or chosen on.
    """

    teacher: CrossEncoder
    rankers: Sequence[Ranker]
    prepare: Callable[[Sequence[str]], None]
    texts: Mapping[str, str]
    seen: frozenset[str] = frozenset()
    student_seen: frozenset[str] = frozenset()


def check_teacher(
    setting: Setting,
    dev_queries: Sequence[JudgedQuery],
    gains: Mapping[str, float] = DEFAULT_GAINS,
    *,
    accept: bool,
    report: Report,
    should_stop: ShouldStop,
) -> Check:
    """The teacher against the student on the dev queries that the teacher has not seen.

    Args:
        accept: let a teacher pass that does not beat the student, or cannot be compared.

    Raises:
        RankbenchError: it does not pass; the message holds both numbers.
    """
    setting.prepare([query.query for query in dev_queries])
    found = check(
        setting.teacher,
        dev_queries,
        setting.rankers,
        setting.texts,
        gains,
        report=report,
        should_stop=should_stop,
        seen=setting.seen,
        student_seen=setting.student_seen,
    )
    report({"event": "log", "message": say_check(found.to_json())})
    if found.beats or accept:
        return found
    check_enough(len(found.query_ids), found.left_out)
    raise not_better(say_check(found.to_json()))


_ACCEPT = "`--accept-teacher` scores with it all the same, and the card says so ever after"


def check_enough(queries: int, left_out: int) -> None:
    """Refuse a comparison of teacher and student over too few queries to say anything.

    Args:
        queries: dev queries that can be asked; left_out: those that the teacher has seen.

    Raises:
        RankbenchError: they are too few.
    """
    if queries >= MIN_QUERIES:
        return
    seen = f" ({left_out} it was trained or chosen on)" if left_out else ""
    raise RankbenchError(
        f"The teacher cannot be checked: {queries} dev queries that it was not "
        f"trained on can be scored, {MIN_QUERIES} are needed{seen}.",
        f"Judge more queries{', or give another teacher' if seen else ''}; {_ACCEPT}.",
    )


def not_better(told: str) -> RankbenchError:
    """The refusal of a teacher that does not beat the student; `told` holds both numbers."""
    return RankbenchError(
        f"The teacher does not beat the student: {told}.", f"Give a better teacher; {_ACCEPT}."
    )


def say_check(found: Mapping[str, Any]) -> str:
    """Both scores, their difference, its interval and n, in one line; of `Check.to_json()`."""
    if not found.get("n"):
        return "; ".join(["no dev query to compare teacher and student on", *say_seen(found)])
    line = f"teacher {found['teacher']:.3f}, student {found['student']:.3f}"
    line += f", difference {found['delta']:+.3f}"
    if found.get("low") is not None:
        line += f" ({found['low']:+.3f} to {found['high']:+.3f})"
    return "; ".join([f"{line}, {found['measure']}, dev n {found['n']}", *say_seen(found)])


def say_seen(found: Mapping[str, Any]) -> list[str]:
    """What of the dev queries either had seen, of `Check.to_json()`."""
    told = []
    if left := found.get("left_out"):
        told.append(f"{left:,} left out, on which the teacher was trained or chosen")
    if seen := found.get("favoured"):
        told.append(f"on {seen:,} of them the student was trained or chosen, which favours it")
    return told


def score_log(
    setting: Setting,
    sample: Sample,
    place: Path,
    key: str,
    *,
    report: Report,
    should_stop: ShouldStop,
) -> tuple[pl.DataFrame, float]:
    """Score every query's candidates; returns the rows and the pairs a second of this run.

    Scores are kept in `place` every half minute, and gone on from by a run with the same `key`.

    Raises:
        Cancelled: the scores made so far are kept.
    """
    rows, done = _resumed(place, key, report)
    todo = [query for query in sample.queries if query not in done]
    setting.prepare(todo)
    hashes = dict(zip(setting.texts, content_hashes(setting.texts.values()), strict=True))
    began = kept = time.monotonic()
    first = len(rows)
    try:
        for number, query in enumerate(todo):
            pool, scores = _scored(setting, query, should_stop)
            rows += [
                (query, product, hashes[product], score)
                for product, score in zip(pool, scores, strict=True)
            ]
            now = time.monotonic()
            left = (now - began) / (number + 1) * (len(todo) - number - 1)
            report(
                {
                    "event": "progress",
                    "phase": "scoring",
                    "step": len(done) + number + 1,
                    "steps": len(sample.queries),
                    "pairs": len(rows),
                    "eta_s": round(left, 1),
                }
            )
            if now - kept >= PART_SECONDS:
                _keep(rows, place, key, report)
                kept = now
    except Cancelled:
        _keep(rows, place, key, report)
        over = len({row[0] for row in rows})
        raise Cancelled(
            f"Cancelled after {len(rows):,} pairs of {over:,} queries; their scores are kept."
        ) from None
    except BaseException:  # also a SIGTERM: what was scored is worth more than a quick end
        _keep(rows, place, key, report)
        raise
    spent = time.monotonic() - began
    return _frame(rows), (len(rows) - first) / spent if spent and todo else 0.0


def _scored(setting: Setting, query: str, should_stop: ShouldStop) -> tuple[list[str], list[float]]:
    """A query's candidates and the teacher's logits of them.

    Raises:
        Cancelled: between two parts of it; they are lost.
    """
    pool = candidates(query, setting.rankers, setting.texts)
    scores: list[float] = []
    for start in range(0, len(pool), _PART):
        check_stop(should_stop)
        documents = [setting.texts[product] for product in pool[start : start + _PART]]
        scores += score_pairs(setting.teacher, query, documents).tolist()
    return pool, scores


def publish(
    rows: pl.DataFrame,
    card: SynthCard,
    directory: Path,
    note: Callable[[str, str], None] = lambda name, created: None,
) -> SynthCard:
    """Write the set beside, flush, rename; returns the card with the rows' hash and count.

    Args:
        note: told the card's name and birth before the rename.

    Raises:
        RankbenchError: nothing was scored, the name is taken, or the disk refuses.
    """
    if rows.is_empty():
        raise RankbenchError(
            "The log's queries find no product: nothing was scored.",
            "Check that the log is this shop's, and that the encoder is indexed.",
        )
    counts = {**card.counts, "pairs": rows.height, "queries": rows["query"].n_unique()}
    card = replace(
        card,
        counts=counts,
        data={**card.data, "rows": rows_hash(rows)},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    with whole_directory(directory) as work:
        work.mkdir()
        rows.write_parquet(work / ROWS)
        text = json.dumps(card.to_json(), ensure_ascii=False, indent=1, sort_keys=True)
        (work / "card.json").write_text(text + "\n", encoding="utf-8")
        if directory.exists():
            raise RankbenchError(
                f"There is a synthetic set called {directory.name!r} already.",
                "Choose another with `--name`.",
            )
        note(card.name, card.created)
    return card


def _frame(rows: Rows) -> pl.DataFrame:
    import polars as pl

    kinds = (pl.String, pl.String, pl.String, pl.Float32)
    return pl.DataFrame(rows, schema=dict(zip(COLUMNS, kinds, strict=True)), orient="row")


def _keep(rows: Rows, place: Path, key: str, report: Report) -> None:
    """Keep the scores so far; a disk that refuses stops nothing."""
    if not rows or not key:
        return
    try:
        saved.save(place, len(rows), key, lambda path: _frame(rows).write_parquet(path / ROWS))
    except OSError as error:
        message = f"The scores so far could not be kept, scoring goes on: {error}"
        report({"event": "log", "message": message[:240]})


def _resumed(place: Path, key: str, report: Report) -> tuple[Rows, set[str]]:
    """The scores that an earlier start of the same run kept, and their queries."""
    import polars as pl

    path = saved.newest(place, key, lambda step: None) if key else None
    if path is None:
        return [], set()
    rows: Rows = list(pl.read_parquet(path / ROWS).iter_rows())
    done = {row[0] for row in rows}
    message = f"Going on after {len(rows):,} pairs of {len(done):,} queries."
    report({"event": "log", "message": message})
    return rows, done
