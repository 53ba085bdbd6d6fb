"""What an evaluation found, as immutable values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.catalog.queries import weight_of
from engine.evaluation.intervals import Delta
from engine.evaluation.traffic import Weighted

Measures = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class QueryRow:
    """One query of the mean.

    Attributes:
        split: "train", "dev", "test", or None while unassigned.
        seen: whether either side was trained on it.
        columns: further columns of the query file (stratum, ...).
        grades: product id -> grade, of the judged products that the catalog holds.
        rbo: overlap of the two sides' rankings, 0 to 1; None where both are empty.
        baseline, candidate, delta: measure -> value; delta is candidate minus baseline.
        bounds: least and greatest delta of ndcg@10 that judging every hit could show.
        floor: what a random ranking scores, for the measures of `FLOORS`.
        rankings: the two rankings measured, best first; empty unless they were kept.
        derived: group name -> value (`engine.evaluation.breakdowns`), where they were derived.
    """

    query_id: str
    query: str
    split: str | None
    seen: bool
    columns: Mapping[str, str]
    grades: Mapping[str, str]
    rbo: float | None
    baseline: Measures
    candidate: Measures
    delta: Measures
    bounds: tuple[float, float]
    floor: Measures
    rankings: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    derived: Mapping[str, str] = field(default_factory=dict)

    @property
    def weight(self) -> float | None:
        """The query's traffic; None where nothing is known of it."""
        return weight_of(self.columns)

    def to_json(self) -> dict[str, Any]:
        return {
            "query_id": self.query_id,
            "query": self.query,
            "split": self.split,
            "seen": self.seen,
            "columns": dict(self.columns),
            "derived": dict(self.derived),
            "weight": self.weight,
            "judged": len(self.grades),
            "rbo": self.rbo,
            "bounds": list(self.bounds),
            "baseline": dict(self.baseline),
            "candidate": dict(self.candidate),
            "delta": dict(self.delta),
        }


@dataclass(frozen=True, slots=True)
class SideMeans:
    """One side's means over the queries; None where a measure is undefined.

    Attributes:
        unanswered: ids of the queries that the side (a run) has no answer to; they count 0.
    """

    encoder: str
    build: str
    means: Measures
    unanswered: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "encoder": self.encoder,
            "build": self.build,
            "unanswered": len(self.unanswered),
            **self.means,
        }


@dataclass(frozen=True, slots=True)
class Group:
    """The queries that share a value of a column.

    Attributes:
        n: how many; the other attributes are as `Evaluation`'s.
    """

    n: int
    baseline: Measures
    candidate: Measures
    delta: Mapping[str, Delta]
    bounds: tuple[float, float] | None
    floor: Measures
    weighted: Mapping[str, Weighted] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "queries": self.n,
            "baseline": dict(self.baseline),
            "candidate": dict(self.candidate),
            "delta": {name: delta.to_json() for name, delta in self.delta.items()},
            "bounds": list(self.bounds) if self.bounds else None,
            "floor": dict(self.floor),
            **_weighted_json(self.weighted),
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A query set through both sides.

    Attributes:
        excluded: ids of the selected queries without a product of positive gain in the catalog;
            they are in no mean.
        absent: judgments left out because the catalog lacks the product.
        split: as selected ("test", "unseen", ...).
        candidates: "catalog" or "judged".
        inputs: hashes of catalog, judgments and measures: two evaluations compare where they agree.
        gains, rbo_p, unchanged: the settings the measures were computed with.
        rbo: mean overlap of the sides; None without a query that has one.
        delta: measure -> mean difference with interval, p and counts.
        bounds: least and greatest mean delta of ndcg@10 that judging every hit could show.
        floor: mean of what a random ranking scores.
        rows: the queries of the mean, in their order.
        query_set: the name of the set that the queries are of, "" for all judged ones.
        weighted: measure -> traffic-weighted means; empty where no query has a weight.
        judgments: "all", or "imported" where people's verdicts do not count.
        asked: judged queries of the set, whatever their split; 0 where the caller chose the queries
            himself.
        seen_by: side -> how many of these were left out because it has seen them; a query that both
            have seen counts for both. Empty where none was left out for that.
        outside: column (derived ones and split too) -> value -> how many judged queries of the set
            are not of the split; empty where the caller chose the queries himself.
    """

    baseline: SideMeans
    candidate: SideMeans
    excluded: tuple[str, ...]
    absent: int
    split: str
    candidates: str
    inputs: Mapping[str, str]
    gains: Mapping[str, float]
    rbo_p: float
    unchanged: float
    rbo: float | None
    delta: Mapping[str, Delta]
    bounds: tuple[float, float] | None
    floor: Measures
    rows: tuple[QueryRow, ...]
    query_set: str = ""
    weighted: Mapping[str, Weighted] = field(default_factory=dict)
    judgments: str = "all"
    asked: int = 0
    seen_by: Mapping[str, int] = field(default_factory=dict)
    outside: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def left_out(self) -> int:
        """How many queries were left out because a side has seen them."""
        return self.asked - self.queries - len(self.excluded) if self.seen_by else 0

    @property
    def chosen(self) -> str:
        """What the queries are called: the split, with the set's name before it if there is one."""
        return f"{self.query_set}, {self.split}" if self.query_set else self.split

    @property
    def queries(self) -> int:
        """How many queries are in the means."""
        return len(self.rows)

    @property
    def without_exact(self) -> int:
        """Queries of the means with no Exact product in the catalog: measures on E are 0 there."""
        return sum("E" not in row.grades.values() for row in self.rows)

    def to_json(self, per_query: bool = False) -> dict[str, Any]:
        """The `eval` contract; every query's own row under `per_query` where it is asked for."""
        found: dict[str, Any] = {
            "queries": self.queries,
            "excluded": len(self.excluded),
            "asked": self.asked or None,
            "left_out": {"seen": self.left_out, "by": dict(self.seen_by)},
            "absent": self.absent,
            "without_exact": self.without_exact,
            "set": self.query_set or None,
            "split": self.split,
            "candidates": self.candidates,
            "inputs": dict(self.inputs),
            "gains": dict(self.gains),
            "rbo_p": self.rbo_p,
            "unchanged": self.unchanged,
            "rbo": self.rbo,
            "baseline": self.baseline.to_json(),
            "candidate": self.candidate.to_json(),
            "delta": {name: delta.to_json() for name, delta in self.delta.items()},
            "bounds": {"ndcg@10": list(self.bounds) if self.bounds else None},
            "floor": dict(self.floor),
            **_weighted_json(self.weighted),
        }
        if per_query:
            found["per_query"] = [row.to_json() for row in self.rows]
        return found


def _weighted_json(weighted: Mapping[str, Weighted]) -> dict[str, Any]:
    """The key `weighted`, only where there are weights."""
    found = {name: means.to_json() for name, means in weighted.items()}
    return {"weighted": found} if found else {}
