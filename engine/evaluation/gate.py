"""A gate: rules on an evaluation, and queries that must not get worse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.catalog.queries import JudgedQuery
from engine.errors import RankbenchError
from engine.evaluation.frame import Evaluation
from engine.evaluation.intervals import FEWEST, Delta
from engine.evaluation.query_set import evaluate_chosen, evaluate_query_set
from engine.evaluation.rules import Rule, check_candidates
from engine.measures import PRIMARY
from engine.ranking.comparer import Comparer
from engine.records import Verdicts, find_queries

_FEWEST_RESAMPLES = 100
_NAMED = 10
_ELSE = "Choose a larger set with --split"
_LARGER = "Choose a larger set with --set or --split"
# As in `Delta`: a difference of exactly the threshold is unchanged in spite of its rounding error.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Checked:
    """A rule and what was measured.

    Attributes:
        base: the baseline's mean of the measure; None for a share.
        value, needed: both sides of the comparison: means of the measure in [0, 1], or for its ends
            the base plus an end of the interval; percentages for a share.
        count: for a share, how many queries.
        delta: of the measure, with its interval and n.
    """

    rule: Rule
    passed: bool
    base: float | None
    value: float
    needed: float
    count: int | None
    delta: Delta

    @property
    def close(self) -> bool:
        """Whether a mean was asked for and what it needs lies inside the delta's interval."""
        low, high = self.delta.low, self.delta.high
        if self.rule.part != "mean" or low is None or high is None:
            return False
        return low < self.rule.number < high

    @property
    def fragile(self) -> bool:
        """Whether the rule is on a difference that is `Delta.fragile`; a share is none."""
        return not self.rule.is_share and self.delta.fragile

    def to_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule.text,
            "passed": self.passed,
            "measure": self.rule.measure,
            "part": self.rule.part,
            "op": self.rule.op,
            "base": self.base,
            "value": self.value,
            "needed": self.needed,
            "count": self.count,
            "n": self.delta.n,
            "fragile": self.fragile,
            "delta": self.delta.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Protected:
    """A query that must not be harmed: its primary measure on both sides.

    Attributes:
        seen: whether either side was trained or chosen on it.
        harmed: its delta is below minus the threshold.
    """

    query_id: str
    query: str
    split: str | None
    seen: bool
    baseline: float
    candidate: float
    delta: float
    harmed: bool

    def to_json(self) -> dict[str, Any]:
        return {
            "query_id": self.query_id,
            "query": self.query,
            "split": self.split,
            "seen": self.seen,
            "baseline": self.baseline,
            "candidate": self.candidate,
            "delta": self.delta,
            "harmed": self.harmed,
        }


@dataclass(frozen=True, slots=True)
class Gate:
    """What a gate found.

    Attributes:
        evaluation: of the split, which the rules are on; of the protected queries where there is no
            rule.
        rules, protected: in the order given.
    """

    evaluation: Evaluation
    rules: tuple[Checked, ...]
    protected: tuple[Protected, ...]

    @property
    def passed(self) -> bool:
        return all(found.passed for found in self.rules) and not any(
            query.harmed for query in self.protected
        )

    def to_json(self) -> dict[str, Any]:
        found = self.evaluation.to_json()
        kept = ("candidates", "inputs", "gains", "unchanged")
        return {
            "passed": self.passed,
            "measure": PRIMARY,
            "queries": self.evaluation.queries if self.rules else 0,
            "excluded": len(self.evaluation.excluded),
            "set": self.evaluation.query_set or None,
            "split": self.evaluation.split if self.rules else None,
            **{name: found[name] for name in kept},
            **{
                name: {key: found[name][key] for key in ("encoder", "build", "unanswered")}
                for name in ("baseline", "candidate")
            },
            "rules": [checked.to_json() for checked in self.rules],
            "protected": [query.to_json() for query in self.protected],
        }


def run_gate(
    comparer: Comparer,
    rules: Sequence[Rule],
    protect: Sequence[str] = (),
    baseline: str = "base",
    candidate: str = "",
    candidates: str = "catalog",
    split: str = "unseen",
    *,
    query_set: str = "",
    verdicts: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Gate:
    """Check rules over a split of the query set, and protected queries whatever their split.

    Args:
        rules: at least one where nothing is protected.
        protect: query texts or ids, found as `find_queries` finds them.
        baseline, candidate, candidates, split, query_set, verdicts, progress: as in
            `evaluate_query_set`.

    Raises:
        UsageError: a measure that this candidate set does not define, or an unknown split.
        RankbenchError: a side is not ready, the split has no query, a measure has no value, or a
            protected query is not judged.
    """
    check_candidates(rules, candidates)
    evaluation: Evaluation | None = None
    protected: tuple[Protected, ...] = ()
    chosen: list[JudgedQuery] = []

    def choose(queries: Sequence[JudgedQuery], _: object) -> list[JudgedQuery]:
        with Verdicts(comparer.ws.records_path) as verdicts:
            found, missing = find_queries(protect, queries, verdicts.separated())
        if missing:
            raise _cannot_protect(missing, "are not judged")
        chosen.extend(found)
        return chosen

    if protect:
        evaluation = evaluate_chosen(
            comparer,
            choose,
            baseline,
            candidate,
            candidates,
            "protected",
            verdicts=verdicts,
            resamples=_FEWEST_RESAMPLES,
            progress=progress,
        )
        protected = protected_of(evaluation, chosen)
    if rules or evaluation is None:
        evaluation = evaluate_query_set(
            comparer,
            baseline,
            candidate,
            candidates,
            split,
            query_set=query_set,
            verdicts=verdicts,
            progress=progress,
        )
    return Gate(evaluation, check_rules(rules, evaluation), protected)


def check_rules(rules: Sequence[Rule], evaluation: Evaluation) -> tuple[Checked, ...]:
    """Every rule against an evaluation.

    Raises:
        RankbenchError: a measure has no value, or no interval where a rule asks for its end.
    """
    return tuple(_check(rule, evaluation) for rule in rules)


def protected_of(evaluation: Evaluation, queries: Sequence[JudgedQuery]) -> tuple[Protected, ...]:
    """The rows of an evaluation of exactly these queries.

    Raises:
        RankbenchError: some have no product of positive gain in the catalog, so no NDCG.
    """
    if evaluation.excluded:
        names = [query.query for query in queries if query.query_id in evaluation.excluded]
        raise _cannot_protect(names, "have no product of positive gain in the catalog")
    found = []
    for row in evaluation.rows:
        before, after, delta = row.baseline[PRIMARY], row.candidate[PRIMARY], row.delta[PRIMARY]
        assert before is not None and after is not None and delta is not None  # a positive gain
        harmed = delta < -evaluation.unchanged - _ROUNDING
        found.append(
            Protected(row.query_id, row.query, row.split, row.seen, before, after, delta, harmed)
        )
    return tuple(found)


def _cannot_protect(names: Sequence[str], why: str) -> RankbenchError:
    shown = ", ".join(repr(name) for name in names[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return RankbenchError(
        f"Queries to protect that {why}: {shown}{more}.",
        "Judge them (`rankbench import judgments FILE`), or take them out of the file.",
    )


def _check(rule: Rule, evaluation: Evaluation) -> Checked:
    delta = evaluation.delta[rule.measure]
    if rule.is_share:
        count = getattr(delta, rule.part)
        if not delta.n:
            raise _undefined(rule, evaluation)
        share = 100 * count / delta.n
        return Checked(rule, rule.holds(share), None, share, rule.number, count, delta)
    moved = getattr(delta, rule.part)
    base = evaluation.baseline.means[rule.measure]
    if moved is None or base is None:
        raise _undefined(rule, evaluation)
    value, needed = base + moved, base + rule.number
    return Checked(rule, rule.holds(moved), base, value, needed, None, delta)


def _undefined(rule: Rule, evaluation: Evaluation) -> RankbenchError:
    n = evaluation.delta[rule.measure].n
    what = f"The rule {rule.text!r} has no value"
    if n:
        return RankbenchError(
            f"{what}: an interval takes {FEWEST} queries or more, and n is {n} "
            f"({evaluation.chosen}).",
            f"{_LARGER if evaluation.query_set else _ELSE}, or a rule on the mean.",
        )
    return RankbenchError(
        f"{what}: no query of {evaluation.chosen} (n {len(evaluation.excluded)}) has a product of "
        "positive gain in the catalog.",
        "Grade some products of this catalog, or check that the judgments name its products.",
    )
