"""Verdicts that the answer on the screen does not know of yet, painted over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from engine.catalog.normalise import normalise_query
from engine.ranking.comparison import Comparison, Hit, SideResult
from engine.records.verdicts import Verdict
from workbench.messages import Recorded


class Marks:
    """From the moment a verdict is on the disk until an answer holds it."""

    def __init__(self) -> None:
        self._given: list[tuple[int, Verdict]] = []

    def take(self, message: Recorded, request: int) -> None:
        """Note what was recorded; requests after number `request` will know of it."""
        if message.action == "undo":
            gone = {verdict.number for verdict in message.verdicts}
            self._given = [given for given in self._given if given[1].number not in gone]
        else:
            self._given += [(request, verdict) for verdict in message.verdicts]

    def answered(self, request: int) -> None:
        """The answer to request number `request` is there: it knows what was said before it."""
        self._given = [given for given in self._given if given[0] >= request]

    def over(self, comparison: Comparison) -> Comparison:
        """`comparison` with the verdicts on its rows, on both sides."""
        key = normalise_query(comparison.query)
        said = {v.product_id: v for _, v in self._given if v.key == key}
        if not said:
            return comparison
        return replace(
            comparison,
            baseline=_marked(comparison.baseline, said),
            candidate=_marked(comparison.candidate, said),
        )


def _marked(side: SideResult, said: dict[str, Verdict]) -> SideResult:
    hits: Sequence[Hit] = [
        _hit(hit, said[hit.product_id]) if hit.product_id in said else hit for hit in side.hits
    ]
    return replace(side, hits=tuple(hits))


def _hit(hit: Hit, verdict: Verdict) -> Hit:
    # A grade that no person gave is an imported judgment's.
    imported = None if hit.verdict else hit.grade
    overrules = hit.overrules if imported is None else imported != verdict.grade
    mark = "flagged" if verdict.bad else "graded"
    return replace(hit, grade=verdict.grade, verdict=mark, overrules=overrules)
