"""Verdicts out of a file: what is new in it, kept as one act."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.catalog.normalise import clean_query
from engine.records.verdicts import Verdict, Verdicts


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file of verdicts brought.

    Attributes:
        added: those that were new, as they were kept.
        known: how many were in the records already.
        older: how many were given before their judge's standing verdict: they are not kept.
        number: of the first record, which names the act; 0 where nothing was new.
    """

    added: tuple[Verdict, ...]
    known: int
    older: int
    number: int


def import_verdicts(path: Path, verdicts: Sequence[Verdict], author: str) -> Imported:
    """Keep those of `verdicts` that `records.db` at `path` lacks, as one act of `author`.

    Known is a verdict that stands in the records as it is, or was replaced there by a later one:
    and an older one than their judge's standing verdict on that result is not kept either, so that
    an old file brings no old opinion back. One without a time (from a judgment file) is known
    where its judge's standing verdict has the same grade. One that was undone is new.

    Raises:
        RankbenchError: a verdict without query or product or with another grade; nothing is kept.
    """
    with Verdicts(path) as records:
        kept = {_whole(verdict) for verdict in records.kept()}
        standing = {_place(verdict): verdict for verdict in records.standing()}
        added: dict[tuple[object, ...], Verdict] = {}
        older = 0
        for given in verdicts:
            verdict = replace(given, query=clean_query(given.query), judge=given.judge or author)
            if _whole(verdict) in kept:
                continue
            stands = standing.get(_place(verdict))
            if stands and verdict.given and verdict.given < stands.given:
                older += 1
            elif verdict.given or stands is None or stands.grade != verdict.grade:
                added.setdefault(_whole(verdict), verdict)
        number = records.add(list(added.values()), author)
    known = len(verdicts) - len(added) - older
    return Imported(tuple(added.values()), known, older, number)


def _place(verdict: Verdict) -> tuple[str, str, str]:
    return verdict.judge, verdict.query, verdict.product_id


def _whole(verdict: Verdict) -> tuple[object, ...]:
    return (
        verdict.query, verdict.product_id, verdict.grade, verdict.bad, verdict.note, verdict.side,
        verdict.rank, verdict.encoder, verdict.judge, round(verdict.given, 6),
    )  # fmt: skip
