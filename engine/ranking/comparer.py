"""Two open sides, the judgments and the catalog's titles: a query in, a `Comparison` out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.catalog.normalise import clean_query
from engine.catalog.queries import JudgedQuery
from engine.catalog.schema import DERIVED
from engine.encoders.registry import BASE, list_encoders
from engine.errors import RankbenchError, UsageError
from engine.index.store import ITEMS, open_table, read_items, reading
from engine.measures.query import measure_search, measure_unanswered
from engine.measures.rbo import rbo
from engine.ranking.comparison import SEARCH_MEASURES, Comparison, Hit, SideResult
from engine.ranking.ranking import Ranking
from engine.ranking.side_name import newest_tuned, parse_side
from engine.ranking.sides import (
    EncoderSide,
    HybridSide,
    Side,
    open_encoder_side,
    open_full_text_side,
    open_run_side,
)
from engine.records import Judged, Word
from engine.state import State
from engine.workspace import Workspace

OpenEncoder = Callable[[Workspace, str], EncoderSide]


@dataclass(frozen=True, slots=True)
class SideStatus:
    """A side that can be chosen, and where it cannot answer yet, why.

    `tuned` is true of an encoder that a recipe made.
    """

    name: str
    kind: str
    ready: bool
    why: str = ""
    tuned: bool = False


class Comparer:
    """Compares two sides of one workspace. Blocking, and for one thread.

    Parts are opened when first needed: bm25 answers before torch is imported.
    """

    def __init__(self, ws: Workspace, open_encoder: OpenEncoder = open_encoder_side) -> None:
        """`open_encoder` opens an encoder's side; the app's hands over one loaded before."""
        self.ws = ws
        self._open_encoder = open_encoder
        self._state = State(ws.state_path, read_only=ws.read_only)
        self._titles: dict[str, str] = {}
        self._categories: dict[str, str] | None = None
        self._judged = Judged(ws.records_path, read_only=ws.read_only)
        self._open: dict[str, tuple[str, Side]] = {}

    def compare(
        self, query: str, baseline: str = BASE, candidate: str = "", k: int = 20
    ) -> Comparison:
        """Rank one query on both sides.

        Args:
            baseline, candidate: side names; an empty candidate is `default_candidate()`.
            k: hits returned a side; the measures' depths do not depend on it.

        Raises:
            RankbenchError: the query is empty, or a side is unknown or not indexed.
        """
        text = clean_query(query)
        if not text:
            raise RankbenchError("The query is empty.", "Type a word or two.")
        sides = [self.side(baseline), self.side(candidate or self.default_candidate())]
        titles, judged = self.titles(), self.find_query(text)
        known = {p: g for p, g in judged.grades.items() if p in titles} if judged else {}
        words = self._judged.words(judged)
        # From here on: what was opened or loaded above is not the search's own time.
        started = time.perf_counter()
        rankings = self._rank(text, sides)
        elapsed = time.perf_counter() - started
        ranks = [ranking.ranks() for ranking in rankings]
        results = []
        for side, ranking, other in zip(sides, rankings, reversed(ranks), strict=True):
            judged_ranking = side.rank_judged(text, known) if known else Ranking((), ())
            result = SideResult(
                encoder=side.name,
                build=side.build,
                seen=side.seen(text),
                hits=_hits(ranking, other, titles, known, words, k),
                measures=self._measures(side, text, ranking, judged_ranking, known),
                unanswered=not side.answers(text),
                fingerprint=side.fingerprint,
                found_none=0 < len(known) == judged_ranking.missing,
            )
            results.append(result)
        return Comparison(
            query=query,
            query_id=judged.query_id if judged else None,
            split=judged.split or None if judged else None,
            judged=len(known),
            baseline=results[0],
            candidate=results[1],
            delta=_delta(results[0].measures, results[1].measures),
            rbo=self._overlap(rankings),
            elapsed_ms=elapsed * 1000,
            catalog_rows=len(titles),
            shared_from=self._judged.shared_from(text),
        )

    def sides(self) -> list[SideStatus]:
        """Every side that can be chosen without a file."""
        found = [SideStatus("bm25", "bm25", *self._items_ready())]
        for info in list_encoders(self.ws):
            ready = self._state.active_build(info.name) is not None
            why = "" if ready else f"not indexed: rankbench index --encoder {info.name}"
            ready, why = (False, info.fault) if info.fault else (ready, why)
            found.append(SideStatus(info.name, "encoder", ready, why, info.tuned))
            found.append(SideStatus(f"hybrid:{info.name}", "hybrid", ready, why))
        return found

    def default_candidate(self) -> str:
        """The settings' candidate; else the newest indexed tuned encoder; else bm25."""
        if self.ws.settings.candidate:
            return self.ws.settings.candidate
        return newest_tuned(side for side in self.sides() if side.ready) or "bm25"

    def side(self, name: str) -> Side:
        """The open side `name`, opened anew where its active build has changed.

        Raises:
            RankbenchError: unknown or not ready.
        """
        parsed = parse_side(name)
        build = self._state.active_build(parsed.encoder) if parsed.encoder else None
        mark = build.build + str(build.created) if build else ""
        if name not in self._open or self._open[name][0] != mark:
            self._open[name] = (mark, self._open_side(parsed.kind, parsed.argument, name))
        return self._open[name][1]

    def judged_queries(self) -> list[JudgedQuery]:
        """The query set with people's verdicts, by query id.

        Queries that only verdicts know are in no evaluation, and not here: `find_query` has them.
        """
        return self._judged.queries()

    def imported_queries(self) -> list[JudgedQuery]:
        """The query set as it was imported, without a verdict, by query id."""
        return self._judged.imported()

    def find_query(self, text: str) -> JudgedQuery | None:
        """The judged query that reads like `text`, if any; with people's verdicts."""
        return self._judged.find(text)

    def words(self, text: str) -> Mapping[str, Word]:
        """Product id -> what people say of it for the query `text`."""
        return self._judged.words(self._judged.find(text))

    def fingerprint(self, name: str) -> str:
        """Of the encoder or run behind the side `name`; "" for bm25, or while not there yet."""
        if name in self._open:
            return self._open[name][1].fingerprint
        encoder = parse_side(name).encoder
        build = self._state.active_build(encoder) if encoder else None
        return build.fingerprint if build else ""

    def titles(self) -> Mapping[str, str]:
        """Product id -> title, for the whole catalog."""
        if not self._titles:
            items = read_items(self.ws, ["product_id", "title"])
            self._titles = dict(items.iter_rows())
        return self._titles

    def categories(self) -> Mapping[str, str]:
        """Product id -> category, for the products that have one."""
        if self._categories is None:
            known = "category" in open_table(self.ws, ITEMS).schema.names
            items = read_items(self.ws, ["product_id", "category"]) if known else None
            rows = items.iter_rows() if items is not None else ()
            self._categories = {product: category for product, category in rows if category}
        return self._categories

    def product(self, product_id: str) -> dict[str, str]:
        """Every field of one product, as text; empty ones left out."""
        row = self._row(product_id)
        return {k: str(v) for k, v in row.items() if k not in DERIVED and v not in (None, "")}

    def encoded_text(self, product_id: str) -> str:
        """The product's text by the workspace's template; "" for none, or for no such product."""
        return str(self._row(product_id).get("text") or "")

    def refresh(self) -> None:
        """Forget what is cached of the catalog and the judgments; the next use reads them again."""
        self._titles = {}
        self._categories = None
        self._open = {}
        self._judged.forget()

    def close(self) -> None:
        self._judged.close()
        self._state.close()

    def _row(self, product_id: str) -> dict[str, Any]:
        quoted = product_id.replace("'", "''")
        table = open_table(self.ws, ITEMS)
        found = reading(table.search().where(f"product_id = '{quoted}'").limit(1).to_list)
        return found[0] if found else {}

    def _rank(self, text: str, sides: Sequence[Side]) -> list[Ranking]:
        return [side.rank(text) for side in sides]

    def _open_side(self, kind: str, argument: str, name: str) -> Side:
        if kind == "bm25":
            return open_full_text_side(self.ws)
        if kind == "run":
            texts = {query.query_id: query.query for query in self.judged_queries()}
            return open_run_side(name, self.titles(), texts)
        if kind == "hybrid":
            encoder = self.side(argument)
            if not isinstance(encoder, EncoderSide):
                raise UsageError(f"{name} fuses no encoder.", "Try hybrid:base.")
            return HybridSide(encoder, open_full_text_side(self.ws))
        side = self._open_encoder(self.ws, argument)
        # An index older than the catalog must not answer with products that are gone.
        side.matrix = side.matrix.only(self.titles())
        return side

    def _measures(
        self,
        side: Side,
        query: str,
        ranking: Ranking,
        judged: Ranking,
        grades: Mapping[str, str],
    ) -> dict[str, float | None]:
        if not grades:
            return dict.fromkeys(SEARCH_MEASURES)
        settings = self.ws.settings
        if not side.answers(query):
            found = measure_unanswered(grades, settings.gains, full=True)
            return {name: found[name] for name in SEARCH_MEASURES}
        found = measure_search(
            ranking.product_ids, judged.product_ids, grades, settings.gains, settings.rbo_p
        )
        return {name: found[name] for name in SEARCH_MEASURES}

    def _overlap(self, rankings: list[Ranking]) -> float | None:
        first, second = (ranking.product_ids for ranking in rankings)
        return rbo(first, second, self.ws.settings.rbo_p) if first or second else None

    def _items_ready(self) -> tuple[bool, str]:
        try:
            open_table(self.ws, ITEMS)
        except RankbenchError as error:
            return False, error.what
        return True, ""


def _hits(
    ranking: Ranking,
    other: Mapping[str, int],
    titles: Mapping[str, str],
    grades: Mapping[str, str],
    words: Mapping[str, Word],
    k: int,
) -> tuple[Hit, ...]:
    hits = []
    rows = zip(ranking.product_ids[:k], ranking.scores[:k], strict=True)
    for rank, (product, score) in enumerate(rows, 1):
        word = words.get(product)
        hit = Hit(
            rank=rank,
            product_id=product,
            title=titles.get(product, ""),
            score=score,
            grade=grades.get(product),
            other_rank=other.get(product),
            verdict="" if word is None else "flagged" if word.bad else "graded",
            overrules=word is not None and word.overrules,
        )
        hits.append(hit)
    return tuple(hits)


def _delta(
    baseline: Mapping[str, float | None], candidate: Mapping[str, float | None]
) -> dict[str, float | None]:
    return {
        name: None if before is None or (after := candidate[name]) is None else after - before
        for name, before in baseline.items()
    }
