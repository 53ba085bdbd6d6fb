"""Single queries of an evaluation, both rankings side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.evaluation.distribution import extremes
from engine.evaluation.frame import Evaluation, QueryRow
from engine.formats.printable import printable
from engine.measures import PRIMARY
from engine.report.numbers import count

TOP = 10
_TITLE = 110


@dataclass(frozen=True, slots=True)
class Result:
    """One row of a ranked list.

    Attributes:
        rank: from 1.
        title: one harmless line, cut; the id in brackets where the catalog has no title.
        grade: "E", "S", "C", "I", or "" where nobody judged it.
        other: its rank on the other side, within the evaluation's depth; None where it is new.
    """

    rank: int
    product_id: str
    title: str
    grade: str
    other: int | None

    @property
    def mark(self) -> str:
        """The movement as the app writes it: `▲3`, `▼2`, `=`, `new`."""
        if self.other is None:
            return "new"
        places = self.other - self.rank
        return f"{'▲' if places > 0 else '▼'}{abs(places)}" if places else "="

    @property
    def kind(self) -> str:
        """ "gain", "loss" or "same", for the ink of the mark."""
        if self.other is None or self.other > self.rank:
            return "gain"
        return "same" if self.other == self.rank else "loss"

    def moved_from(self, side: str) -> str:
        """The movement in words, for who does not see the mark; `side` is the other one's name."""
        if self.other is None:
            return f"not found by {side}"
        places = abs(self.other - self.rank)
        if not places:
            return f"same place as by {side}"
        where = "higher" if self.other > self.rank else "lower"
        return f"{count(places, 'place')} {where} than by {side}"


@dataclass(frozen=True, slots=True)
class Example:
    """A query, its figures, and the first ten of both sides."""

    row: QueryRow
    baseline: tuple[Result, ...]
    candidate: tuple[Result, ...]


def examples(
    evaluation: Evaluation, titles: Mapping[str, str], most: int
) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """The `most` improved queries by NDCG@10, best first, and the most harmed, worst first.

    Args:
        evaluation: one made with `keep_rankings`.
        titles: product id -> title.
    """
    rows = {row.query_id: row for row in evaluation.rows}
    deltas = {query_id: row.delta[PRIMARY] for query_id, row in rows.items()}
    harms, wins = extremes(deltas, most, evaluation.unchanged)

    def shown(chosen: Iterable[str]) -> tuple[Example, ...]:
        return tuple(_example(rows[query_id], titles) for query_id in chosen)

    return shown(wins), shown(harms)


def _example(row: QueryRow, titles: Mapping[str, str]) -> Example:
    first, second = row.rankings or ((), ())
    return Example(row, _results(row, first, second, titles), _results(row, second, first, titles))


def _results(
    row: QueryRow, ranked: tuple[str, ...], other: tuple[str, ...], titles: Mapping[str, str]
) -> tuple[Result, ...]:
    places = {product: rank for rank, product in enumerate(other, 1)}
    return tuple(
        Result(rank, product, _title(product, titles), row.grades.get(product, ""),
               places.get(product))
        for rank, product in enumerate(ranked[:TOP], 1)
    )  # fmt: skip


def _title(product: str, titles: Mapping[str, str]) -> str:
    title = printable(titles.get(product, "")) or f"({printable(product)})"
    return title if len(title) <= _TITLE else title[: _TITLE - 1].rstrip() + "…"
