"""A comparer over a few dozen products of its own: the app's screens without an engine.

`python tests/workbench/stand_in.py [SECONDS]` opens the app on it by hand, each search taking
SECONDS.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.catalog.normalise import clean_query
from engine.catalog.queries import JudgedQuery
from engine.errors import RankbenchError
from engine.evaluation.breakdowns import length_of
from engine.evaluation.holes import Holes, TopTens, find_holes, rank_top_tens
from engine.evaluation.select import select
from engine.measures.ndcg import ndcg
from engine.ranking.comparison import SEARCH_MEASURES, Comparison, Hit, SideResult
from engine.ranking.judged_near import Nearby, NearQuery
from engine.ranking.ranking import Ranking
from engine.ranking.why import Reading, Standing, Why, WordDrop
from engine.ranking.words import leave_one_out, words_of
from engine.records import Merged, Verdicts, Word, merge
from engine.records.merged import place_of
from engine.workspace import DEFAULT_GAINS, Settings, Workspace, create, open_workspace

HOSTILE = (
    "Lamp [/] size 10 [red]not red[/red]",
    "Tent \x1b[31mred\x1b[0m \x1b]0;title\x07 bell \x07 tab\tend",
    "خيمة للتخييم tent \u202eoverride\u202c",
    "⛺️ tent 👨‍👩‍👧 family 🏕️ camp",
    "Line one\nline two\r\nline three tent",
    "日本語のテント 大きいサイズ キャンプ用 防水 四人用 tent",
)
KINDS = ("canopy tent", "desk lamp", "running shoe", "garden hose", "face mask", "water bottle")
COLOURS = ("red", "blue", "forest green", "black")


def catalog() -> dict[str, str]:
    """Product id -> title."""
    made = {
        f"P{number:03}": f"{colour} {kind} {size} by Norr & Field".capitalize()
        for number, (kind, colour, size) in enumerate(
            (kind, colour, size) for kind in KINDS for colour in COLOURS for size in ("S", "XL")
        )
    }
    return made | {f"X{number}": title for number, title in enumerate(HOSTILE)}


def judged_queries() -> list[JudgedQuery]:
    queries = [f"{colour} {kind}" for kind in KINDS for colour in COLOURS]
    titles = catalog()
    return [
        JudgedQuery(
            query_id=f"q{number:02}",
            query=query,
            split=("train", "dev", "test", "test")[number % 4],
            grades={
                product: "E" if query in title.lower() else "S" if word in title.lower() else "I"
                for product, title in titles.items()
                if (word := query.split()[-1]) in title.lower() or product.endswith("7")
            },
            columns={"stratum": "met" if number % 2 else "never met"},
        )
        for number, query in enumerate(queries)
    ]


@dataclass(frozen=True, slots=True)
class Status:
    name: str
    kind: str
    ready: bool
    why: str = ""

    @property
    def tuned(self) -> bool:
        return self.kind == "encoder" and self.name != "base"


@dataclass
class StandIn:
    """The comparer's methods. `gate`, where given, is waited for before each answer.

    `records`, where given, is the database whose verdicts are merged at each answer.
    """

    seconds: float = 0.0
    gate: threading.Semaphore | None = None
    fail_on: str = "boom"
    statuses: list[Status] = field(
        default_factory=lambda: [
            Status("bm25", "bm25", True),
            Status("base", "encoder", True),
            Status("tuned-01", "encoder", True),
            Status("fresh-02", "encoder", False, "not indexed: rankbench index --encoder fresh-02"),
        ]
    )
    asked: list[str] = field(default_factory=list)
    prepared: list[str] = field(default_factory=list)
    queries: list[JudgedQuery] = field(default_factory=judged_queries)
    closed: bool = False
    refreshed: int = 0
    fixed_ms: float | None = None
    rows: Mapping[str, str] = field(default_factory=catalog)
    records: Path | None = None

    def compare(self, query: str, baseline: str, candidate: str, k: int = 20) -> Comparison:
        self.asked.append(query)
        if self.gate is not None:
            self.gate.acquire()
        time.sleep(self.seconds)
        if self.fail_on and self.fail_on in query:
            raise RankbenchError("The index cannot be read.", "Run `rankbench index`.")
        started = time.perf_counter()
        merged, alone = self._merged()
        text = clean_query(query)
        judged = next(
            (j for j in merged.queries if place_of(j.query, alone) == place_of(text, alone)), None
        )
        grades = judged.grades if judged else {}
        words = merged.words.get(judged.query_id, {}) if judged else {}
        rankings = [self._rank(query, name) for name in (baseline, candidate)]
        ranks = [{p: n for n, (p, _) in enumerate(ranking, 1)} for ranking in rankings]
        sides = [
            SideResult(
                encoder=name,
                build="b1" if name != "bm25" else "",
                seen=bool(judged and judged.split == "train" and name == "tuned-01"),
                hits=tuple(
                    Hit(
                        n,
                        product,
                        self.rows[product],
                        s,
                        grades.get(product),
                        other.get(product),
                        *_mark(words.get(product)),
                    )
                    for n, (product, s) in enumerate(ranking[:k], 1)
                ),
                measures=_measures(ranking, grades),
                fingerprint=f"print of {name}" if name != "bm25" else "",
            )
            for name, ranking, other in zip(
                (baseline, candidate), rankings, reversed(ranks), strict=True
            )
        ]
        took = (time.perf_counter() - started) * 1000
        return Comparison(
            query=query,
            query_id=judged.query_id if judged else None,
            split=judged.split if judged else None,
            judged=len(grades),
            baseline=sides[0],
            candidate=sides[1],
            delta=_delta(sides[0].measures, sides[1].measures),
            rbo=0.74,
            elapsed_ms=took if self.fixed_ms is None else self.fixed_ms,
            catalog_rows=len(self.rows),
            shared_from=merged.other_spellings(text, alone),
        )

    def _merged(self) -> tuple[Merged, frozenset[str]]:
        if self.records is None:
            return merge(self.queries, []), frozenset()
        with Verdicts(self.records) as verdicts:
            alone = verdicts.separated()
            return merge(self.queries, verdicts.standing(), alone), alone

    def _rank(self, query: str, side: str) -> list[tuple[str, float]]:
        words = query.lower().split()
        scored = []
        for number, (product, title) in enumerate(self.rows.items()):
            shown = title.lower() if side != "base" else title.lower().replace("blue", "azure")
            found = sum(word in shown for word in words) / max(1, len(words))
            noise = (number * (7 if side == "base" else 11) % 29) / (60 if side == "base" else 90)
            if side != "bm25" or found:
                scored.append((product, (found * 0.8 + noise) * (9 if side == "bm25" else 1)))
        return sorted(scored, key=lambda pair: (-pair[1], pair[0]))

    def sides(self) -> Sequence[Status]:
        return list(self.statuses)

    def prepare(self, name: str) -> None:
        self.prepared.append(name)
        self.statuses = [
            Status(s.name, s.kind, True) if s.name == name else s for s in self.statuses
        ]

    def judged_queries(self) -> Sequence[JudgedQuery]:
        return [query for query in self._merged()[0].queries if query.imported]

    def top_tens(
        self,
        baseline: str,
        candidate: str,
        split: str = "unseen",
        progress: Callable[[int, int], None] | None = None,
        only: Collection[str] | None = None,
    ) -> TopTens:
        sides = [StandInSide(self, name) for name in (baseline, candidate)]
        queries = select(self.judged_queries(), split, sides)
        queries = [query for query in queries if only is None or query.query_id in only]
        return rank_top_tens(sides[0], sides[1], queries, split, progress)

    def holes(self, tops: TopTens) -> Holes:
        gains = {"E": 1.0, "S": 0.1, "C": 0.01, "I": 0.0}
        return find_holes(tops, self.judged_queries(), self.rows, gains)

    def titles(self) -> Mapping[str, str]:
        return self.rows

    def product(self, product_id: str) -> Mapping[str, str]:
        title = self.rows[product_id]
        words = "A long text [/] about the thing. " * 6
        return {"product_id": product_id, "title": title, "brand": "Norr", "description": words}

    def evaluate(
        self,
        baseline: str,
        candidate: str,
        candidates: str = "catalog",
        split: str = "all",
        progress: Callable[[int, int], None] | None = None,
    ) -> Any:
        rows = []
        for number, judged in enumerate(self.queries):
            if progress:
                progress(number, len(self.queries))
            shown = self.compare(judged.query, baseline, candidate)
            rows.append(
                {
                    "query_id": judged.query_id,
                    "query": judged.query,
                    "split": judged.split,
                    "seen": shown.seen,
                    "rbo": shown.rbo,
                    "derived": {"length": length_of(judged.query)},
                    "baseline": dict(shown.baseline.measures),
                    "candidate": dict(shown.candidate.measures),
                    "delta": dict(shown.delta),
                }
            )
        return StandInEvaluation({"queries": len(rows), "excluded": 0, "per_query": rows})

    def explain(
        self,
        query: str,
        product_id: str,
        baseline: str,
        candidate: str,
        pause: Callable[[], object] = lambda: None,
    ) -> Why:
        """Numbers by position and side: nothing is encoded here."""
        pause()
        title = self.rows[product_id]

        def read(side: str, number: int) -> Reading | None:
            if side == "bm25":
                return None
            drops = [
                tuple(
                    WordDrop(left.word, at, (0.21 - 0.05 * at) / number if left.rest else None)
                    for at, left in enumerate(leave_one_out(text))
                )
                for text in (query, title)
            ]
            return Reading(side, 0.5 + number / 10, *drops)

        def standing(side: str) -> Standing:
            kind = "bm25" if side == "bm25" else "cosine"
            for rank, (product, value) in enumerate(self._rank(query, side), 1):
                if product == product_id:
                    return Standing(side, kind, rank, value)
            return Standing(side, kind, None, None)

        return Why(
            query=query,
            product_id=product_id,
            title=title,
            text=title,
            template="title",
            grade=None,
            baseline=standing(baseline),
            candidate=standing(candidate),
            bm25=standing("bm25"),
            readings=(read(baseline, 1), read(candidate, 2)),
            words=len(words_of(title)),
            products=len(self.rows),
        )

    def nearby(self, query: str, product_id: str, baseline: str, candidate: str) -> Nearby:
        hits = [
            NearQuery(judged.query_id, judged.query, 0.9 - at / 10, judged.grades.get(product_id))
            for at, judged in enumerate(self.queries[:5])
        ]
        return Nearby(candidate, len(self.queries), len(self.queries), tuple(hits))

    def refresh(self) -> None:
        self.refreshed += 1

    def close(self) -> None:
        self.closed = True


@dataclass(frozen=True)
class StandInSide:
    """One side of the stand-in, as an evaluation has it."""

    shop: StandIn
    name: str
    build: str = "b1"

    @property
    def fingerprint(self) -> str:
        return f"print of {self.name}" if self.name != "bm25" else ""

    def rank(self, query: str, depth: int = 1000) -> Ranking:
        ranked = self.shop._rank(query, self.name)[:depth]
        return Ranking(tuple(p for p, _ in ranked), tuple(score for _, score in ranked))

    def rank_judged(self, query: str, product_ids: Collection[str]) -> Ranking:
        raise NotImplementedError

    def answers(self, query: str) -> bool:
        return True

    def seen(self, query: str) -> bool:
        train = {j.query for j in self.shop.queries if j.split == "train"}
        return self.name == "tuned-01" and query in train

    def prepare(self, queries: Sequence[str]) -> None:
        pass


@dataclass(frozen=True)
class StandInEvaluation:
    data: dict[str, Any]

    def to_json(self, per_query: bool = False) -> dict[str, Any]:
        return self.data


def _mark(word: Word | None) -> tuple[str, bool]:
    if word is None:
        return "", False
    return ("flagged" if word.bad else "graded"), word.overrules


def _measures(
    ranking: Sequence[tuple[str, float]], grades: Mapping[str, str]
) -> dict[str, float | None]:
    if not grades:
        return dict.fromkeys(SEARCH_MEASURES)
    ranked = [grades.get(product) for product, _ in ranking]
    return {
        "ndcg": _ndcg([grade for grade in ranked if grade], len(ranked), grades),
        "ndcg@10": _ndcg(ranked, 10, grades),
        "rbo_ideal": 0.675,
        "mrr@10": 1 / (ranked.index("E") + 1) if "E" in ranked[:10] else 0.0,
        "recall@50": 0.9,
        "judged@10": sum(grade is not None for grade in ranked[:10]) / 10,
    }


def _ndcg(ranked: Sequence[str | None], depth: int, grades: Mapping[str, str]) -> float | None:
    gains = [DEFAULT_GAINS[grade] for grade in grades.values()]
    return ndcg([DEFAULT_GAINS.get(grade or "", 0.0) for grade in ranked], gains, depth)


def _delta(
    before: Mapping[str, float | None], after: Mapping[str, float | None]
) -> dict[str, float | None]:
    return {
        name: None if value is None or (new := after[name]) is None else new - value
        for name, value in before.items()
    }


def workspace(root: Path, **settings: Any) -> Workspace:
    """A workspace directory with settings and nothing in it."""
    if (root / "workspace.toml").is_file():
        return open_workspace(root)
    return create(root, Settings(**{"name": "stand-in shop", **settings}))


if __name__ == "__main__":
    from workbench.app import RankbenchApp

    pause = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0
    where = Path(tempfile.gettempdir()) / "rankbench-stand-in"
    RankbenchApp(workspace(where), lambda: StandIn(seconds=pause)).run()
