"""One query through both sides, as one immutable value that screens paint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

SEARCH_MEASURES = ("ndcg", "ndcg@10", "rbo_ideal", "mrr@10", "recall@50", "judged@10")
OVER_JUDGED = ("ndcg", "rbo_ideal")


@dataclass(frozen=True, slots=True)
class Hit:
    """One row of a ranked list.

    Attributes:
        rank: from 1.
        score: cosine for an encoder (-1 to 1); bm25's or the fusion's own scale otherwise.
        grade: "E", "S", "C", "I", or None where unjudged; a person's word before an import's.
        other_rank: rank on the other side within its depth, or None.
        verdict: "graded" or "flagged" by a person, "" where nobody said anything.
        overrules: whether an imported judgment says otherwise.
    """

    rank: int
    product_id: str
    title: str
    score: float
    grade: str | None
    other_rank: int | None
    verdict: str = ""
    overrules: bool = False

    @property
    def movement(self) -> int | None:
        """Places gained against the other side (positive: higher here); None where new."""
        return None if self.other_rank is None else self.other_rank - self.rank


@dataclass(frozen=True, slots=True)
class SideResult:
    """One side's answer.

    Attributes:
        encoder: the side's name (`base`, `bm25`, `hybrid:base`, ...).
        build: the index build that answered, or "".
        seen: whether this side was trained on the query.
        hits: the rows shown.
        measures: name -> value in [0, 1], None where undefined.
        unanswered: whether the side (a run) has no answer to the query; its measures are then 0.
        fingerprint: of what answered (`Side.fingerprint`), which a verdict on a hit keeps.
        found_none: whether its ranking holds none of the judged products.
    """

    encoder: str
    build: str
    seen: bool
    hits: tuple[Hit, ...]
    measures: Mapping[str, float | None]
    unanswered: bool = False
    fingerprint: str = ""
    found_none: bool = False

    @property
    def own(self) -> Mapping[str, float | None]:
        """The measures to show: judged products that it did not find stand by id, which is nobody's
        merit, so that without any other those over the judged ones (`OVER_JUDGED`) are None."""
        return {**self.measures, **dict.fromkeys(OVER_JUDGED if self.found_none else ())}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both sides' answers to one query.

    Attributes:
        query_id, split: of the judged query, None where the query is not judged. A query that only
            verdicts know has an id and no split.
        judged: how many of its judged products are in the catalog.
        delta: candidate minus baseline per measure.
        rbo: rank-biased overlap between the sides, 0 to 1.
        elapsed_ms: encoding the query and ranking on both sides, once they are loaded.
        shared_from: other spellings of the query whose verdicts hold here.
    """

    query: str
    query_id: str | None
    split: str | None
    judged: int
    baseline: SideResult
    candidate: SideResult
    delta: Mapping[str, float | None]
    rbo: float | None
    elapsed_ms: float
    catalog_rows: int
    shared_from: tuple[str, ...] = ()

    def own_delta(self, measure: str) -> float | None:
        """The delta of a measure to show, None where either side has none of its own."""
        shown = self.delta.get(measure)
        sides = (self.baseline, self.candidate)
        return None if None in (side.own.get(measure) for side in sides) else shown

    @property
    def seen(self) -> bool:
        """Whether either side was trained on the query."""
        return self.baseline.seen or self.candidate.seen

    def to_json(self) -> dict[str, Any]:
        """The `search` contract: flat measure keys beside each side's own."""
        return {
            "query": self.query,
            "query_id": self.query_id,
            "split": self.split,
            "seen": self.seen,
            "judged": self.judged,
            "shared_from": list(self.shared_from),
            "elapsed_ms": round(self.elapsed_ms, 3),
            "rbo": self.rbo,
            "baseline": _side_json(self.baseline),
            "candidate": _side_json(self.candidate),
            "delta": dict(self.delta),
        }


def _side_json(side: SideResult) -> dict[str, Any]:
    return {
        "encoder": side.encoder,
        "build": side.build,
        "fingerprint": side.fingerprint,
        "seen": side.seen,
        "unanswered": side.unanswered,
        "found_none": side.found_none,
        **side.measures,
        "hits": [asdict(hit) for hit in side.hits],
    }
