"""The verdict on a training run: what it fixed, what it broke, and whether to try it.

A flagged result that falls shows little by itself: a list of pinned products could do that. So the
call rests on queries that no training has seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from engine.catalog.normalise import clean_query
from engine.evaluation.calls import DO_NOT, NOT_SHOWN, SAFE
from engine.evaluation.evaluate import RankedSide
from engine.evaluation.frame import Evaluation
from engine.evaluation.intervals import Delta
from engine.evaluation.moved import median_ranks
from engine.measures import CATALOG_DEPTH, PRIMARY
from engine.measures.query import measure_search

SAFE_LOW = -0.02
"""A run whose unseen catalog NDCG@10 delta has its lower end above this is safe to try."""
_WORST = 5


@dataclass(frozen=True, slots=True)
class Flagged:
    """A query whose results people graded, as the run was given it.

    Attributes:
        before: product id -> grade as imported, before any verdict; empty where nobody judged it.
        after: the same with people's verdicts applied.
        fall, rise: the products the run should move down, and up.
    """

    query: str
    before: Mapping[str, str]
    after: Mapping[str, str]
    fall: Sequence[str]
    rise: Sequence[str]


@dataclass(frozen=True, slots=True)
class Moved:
    """One product's rank under the base and under the tuned encoder; None past the depth."""

    product_id: str
    wanted: str
    base: int | None
    tuned: int | None


@dataclass(frozen=True, slots=True)
class FlaggedQuery:
    """One flagged query before and after the run.

    Attributes:
        moved: its flagged and its good products.
        imported, merged: (base, tuned) catalog NDCG@10 under the judgments as they were before the
            verdicts and as they are after; None where undefined. A verdict against the base's own
            hit lowers the base by itself: read both.
    """

    query: str
    moved: tuple[Moved, ...]
    imported: tuple[float | None, float | None]
    merged: tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Harmed:
    """An unseen query that got worse, by catalog NDCG@10."""

    query: str
    base: float
    tuned: float


@dataclass(frozen=True, slots=True)
class RunVerdict:
    """What is known of an encoder after its run.

    Attributes:
        call: `SAFE`, `NOT_SHOWN` or `DO_NOT`; why: one sentence.
        flagged: the queries it was given verdicts on.
        unseen: the delta of catalog NDCG@10 on queries neither encoder has seen, by imported
            judgments; None without such queries.
        worst: the unseen queries it harmed most, worst first, at most five.
        rbo: mean overlap with the base on the unseen queries.
        seconds: of the training.
        judged: mean judged@10 of base and tuned on the unseen queries, 0 to 1; None without any.
        bounds: least and greatest mean delta on them that judging every hit could show.
        caution: one sentence where missing judgments could turn the delta's sign, else "".
    """

    encoder: str
    base: str
    call: str
    why: str
    flagged: tuple[FlaggedQuery, ...]
    unseen: Delta | None
    worst: tuple[Harmed, ...]
    rbo: float | None
    seconds: float
    judged: tuple[float, float] | None = None
    bounds: tuple[float, float] | None = None
    caution: str = ""

    @property
    def left_top_ten(self) -> tuple[int, int]:
        """Of the flagged products the base had in its top 10, how many left it; and how many."""
        shown = [m for m in self._wanted("fall") if m.base is not None and m.base <= 10]
        return sum(m.tuned is None or m.tuned > 10 for m in shown), len(shown)

    def mean_ranks(self, wanted: str = "fall") -> tuple[float, float] | None:
        """Mean rank under base and tuned of the products wanted to "fall", or to "rise".

        A rank past the depth counts as the next; None without such products.
        """
        moved = self._wanted(wanted)
        past = CATALOG_DEPTH + 1
        return (
            (fmean(m.base or past for m in moved), fmean(m.tuned or past for m in moved))
            if moved
            else None
        )

    def mean_ndcg(self, judged: str) -> tuple[float, float, int] | None:
        """Mean catalog NDCG@10 of the flagged queries under base and tuned, and over how many.

        Args:
            judged: "imported" or "merged", as in `FlaggedQuery`.

        Returns:
            None where it is undefined for all of them.
        """
        pairs = [pair for q in self.flagged if None not in (pair := getattr(q, judged))]
        if not pairs:
            return None
        base, tuned = (fmean(pair[side] for pair in pairs) for side in (0, 1))
        return base, tuned, len(pairs)

    def _wanted(self, wanted: str) -> list[Moved]:
        return [m for query in self.flagged for m in query.moved if m.wanted == wanted]

    def to_json(self) -> dict[str, Any]:
        left, shown = self.left_top_ten
        told = asdict(self)
        return {
            **told,
            "median_ranks": {wanted: median_ranks(told, wanted) for wanted in ("fall", "rise")},
            "measure": PRIMARY,
            "left_top_ten": left,
            "in_top_ten": shown,
            "mean_ranks": {wanted: self.mean_ranks(wanted) for wanted in ("fall", "rise")},
            "ndcg": {judged: self.mean_ndcg(judged) for judged in ("imported", "merged")},
        }


def judge_run(
    base: RankedSide,
    tuned: RankedSide,
    flagged: Sequence[Flagged],
    unseen: Evaluation | None,
    gains: Mapping[str, float],
    catalog: Mapping[str, object],
    seconds: float = 0.0,
) -> RunVerdict:
    """Put a run's effects together and call it.

    Args:
        unseen: `evaluate` of (base, tuned) over the unseen queries, catalog candidates, imported
            judgments; None without any.
        catalog: its keys are the products there are.
    """
    delta = unseen.delta[PRIMARY] if unseen is not None else None
    call, why = call_of(delta)
    judged, bounds = _judged(unseen), unseen.bounds if unseen is not None else None
    return RunVerdict(
        tuned.name,
        base.name,
        call,
        why,
        tuple(_before_and_after(base, tuned, query, gains, catalog) for query in flagged),
        delta,
        _worst(unseen) if unseen is not None else (),
        unseen.rbo if unseen is not None else None,
        seconds,
        judged,
        bounds,
        caution_of(judged, bounds),
    )


def call_of(delta: Delta | None) -> tuple[str, str]:
    """The call on a run by its delta on unseen queries, and why, in one sentence."""
    if delta is None or delta.mean is None:
        return NOT_SHOWN, "There are too few judged queries that no training has seen (n 0)."
    if delta.low is None or delta.high is None:
        few = f"{_signed(delta.mean)} (too few for an interval, n {delta.n})"
        return NOT_SHOWN, _only(delta, few)
    digits = 4 if delta.barely else 3
    span = f"{_signed(delta.low, digits)} to {_signed(delta.high, digits)}"
    told = f"{_signed(delta.mean)} ({span}, n {delta.n})"
    if delta.high < 0:
        return DO_NOT, f"It is worse on unseen queries: catalog NDCG@10 {told}."
    if delta.rough:
        # Equal differences of a few queries make an interval of no width.
        return NOT_SHOWN, _only(delta, told)
    if delta.low > SAFE_LOW:
        return SAFE, f"On unseen queries catalog NDCG@10 moves by {told}."
    return (
        NOT_SHOWN,
        f"On unseen queries a loss of more than {-SAFE_LOW:.2f} catalog NDCG@10 is not ruled out: "
        f"{told}.",
    )


def _signed(value: float, digits: int = 3) -> str:
    """A difference with its sign; one that rounds to zero has ±, as the tables show it."""
    shown = f"{value:+.{digits}f}"
    return shown if float(shown) else f"±{shown[1:]}"


def caution_of(judged: tuple[float, float] | None, bounds: tuple[float, float] | None) -> str:
    """What share of the hits was judged, where judging the others could turn the delta's sign.

    Args:
        judged, bounds: as in `RunVerdict`.
    """
    if judged is None or bounds is None or not bounds[0] < 0 < bounds[1]:
        return ""
    before, after = (f"{100 * share:.0f} %" for share in judged)
    return (
        f"Of the top tens {before} (base) and {after} (tuned) are judged: were every such result "
        f"judged, the change would lie between {_signed(bounds[0])} and {_signed(bounds[1])}, so "
        "missing judgments could turn its sign."
    )


def _judged(unseen: Evaluation | None) -> tuple[float, float] | None:
    if unseen is None:
        return None
    before, after = (side.means["judged@10"] for side in (unseen.baseline, unseen.candidate))
    return None if before is None or after is None else (before, after)


def _only(delta: Delta, told: str) -> str:
    there = "is only 1 query" if delta.n == 1 else f"are only {delta.n} queries"
    return (
        f"There {there} that no training has seen, too few to show that it is safe: catalog "
        f"NDCG@10 {told}."
    )


def _before_and_after(
    base: RankedSide,
    tuned: RankedSide,
    flagged: Flagged,
    gains: Mapping[str, float],
    catalog: Mapping[str, object],
) -> FlaggedQuery:
    text = clean_query(flagged.query)
    ranks = [side.rank(text).ranks() for side in (base, tuned)]
    wanted = [(product, "fall") for product in flagged.fall]
    wanted += [(product, "rise") for product in flagged.rise]
    moved = (Moved(p, to, ranks[0].get(p), ranks[1].get(p)) for p, to in wanted if p in catalog)
    scores = []
    for judged in (flagged.before, flagged.after):
        grades = {p: grade for p, grade in judged.items() if p in catalog}
        scores.append(tuple(_ndcg(side, text, grades, gains) for side in (base, tuned)))
    return FlaggedQuery(flagged.query, tuple(moved), scores[0], scores[1])


def _ndcg(
    side: RankedSide, query: str, grades: Mapping[str, str], gains: Mapping[str, float]
) -> float | None:
    if not grades:
        return None
    ranked = side.rank(query).product_ids
    judged = side.rank_judged(query, grades).product_ids
    return measure_search(ranked, judged, grades, gains)[PRIMARY]


def _worst(unseen: Evaluation) -> tuple[Harmed, ...]:
    rows = [
        Harmed(row.query, before, after)
        for row in unseen.rows
        if (before := row.baseline[PRIMARY]) is not None
        and (after := row.candidate[PRIMARY]) is not None
        and after < before - unseen.unchanged
    ]
    return tuple(sorted(rows, key=lambda row: row.tuned - row.base)[:_WORST])
