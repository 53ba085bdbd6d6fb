"""Run files and qrels of an evaluation, for any other tool to compute the same figures from."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import gcd, lcm
from pathlib import Path

from engine.errors import RankbenchError
from engine.evaluation.frame import Evaluation
from engine.formats.runs import write_qrels, write_run

_LARGEST = 2**31 - 1


def write_runs(directory: Path, evaluation: Evaluation) -> tuple[Path, Path, Path]:
    """Write `baseline.run`, `candidate.run` and `qrels.txt` for exactly the queries in the mean.

    Scores are depth - rank + 1 and relevances the smallest whole multiples of the gains, so that
    linear-gain nDCG@10 (and nDCG, for judged candidates) agrees; measures on Exact products take
    the relevance of E as their threshold. Judged products that the catalog lacks are left out. A
    query for which a side finds nothing has no line in its run; it counts as 0 here.

    Args:
        directory: made where it is missing; files of these names are replaced.
        evaluation: one made with `keep_rankings`.

    Returns:
        The three paths, in that order.

    Raises:
        RankbenchError: the rankings were not kept, the gains have no common multiple that fits, or
            the directory cannot be written.
    """
    whole = whole_gains(evaluation.gains)
    kept = {row.query_id: row.rankings for row in evaluation.rows if row.rankings is not None}
    if len(kept) != len(evaluation.rows):
        raise RankbenchError(
            "The rankings of this evaluation were not kept.", "Evaluate with keep_rankings=True."
        )
    relevances = {
        row.query_id: {product: whole[grade] for product, grade in row.grades.items()}
        for row in evaluation.rows
    }
    paths = (directory / "baseline.run", directory / "candidate.run", directory / "qrels.txt")
    sides = (evaluation.baseline, evaluation.candidate)
    for number, (path, side) in enumerate(zip(paths, sides, strict=False)):
        run = {query_id: rankings[number] for query_id, rankings in kept.items()}
        write_run(path, run, side.encoder)
    write_qrels(paths[2], relevances)
    return paths


def whole_gains(gains: Mapping[str, float]) -> dict[str, int]:
    """The smallest whole numbers in the same proportions: 1, .1, .01, 0 -> 100, 10, 1, 0.

    Raises:
        RankbenchError: a gain is negative or not finite, or a number passes what qrels hold.
    """
    if not all(0 <= gain < float("inf") for gain in gains.values()):
        raise RankbenchError("A gain is negative or not finite.", "Give every grade one from 0.")
    # `str` gives the shortest decimal that reads back as the gain: .1 is a tenth, as it was meant.
    exact = {grade: Fraction(str(float(gain))) for grade, gain in gains.items()}
    multiple = lcm(*(value.denominator for value in exact.values())) if exact else 1
    whole = {grade: int(value * multiple) for grade, value in exact.items()}
    divisor = gcd(*whole.values()) or 1
    whole = {grade: value // divisor for grade, value in whole.items()}
    if any(value > _LARGEST for value in whole.values()):
        raise RankbenchError(
            f"The gains {', '.join(map(str, gains.values()))} have no small common multiple.",
            "qrels hold whole numbers: choose gains with fewer decimals.",
        )
    return whole
