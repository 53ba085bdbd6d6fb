"""A report as one immutable value, which the page, the Markdown and the CSV are written from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.catalog.queries import WEIGHT
from engine.errors import RankbenchError
from engine.evaluation.breakdowns import DERIVED
from engine.evaluation.cosines import SideCosines, side_cosines
from engine.evaluation.distribution import Histogram, histogram
from engine.evaluation.evaluate import Progress, breakdown
from engine.evaluation.frame import Evaluation, Group
from engine.evaluation.query_set import evaluate_query_set
from engine.ranking.comparer import Comparer
from engine.report.examples import Example, examples
from engine.report.headline import Headline, headline
from engine.report.provenance import Provenance, provenance

EXAMPLES = 5
DISTRIBUTIONS = ("ndcg@10", "rbo_ideal")
# More values than this and a column names queries, not groups of them.
_MOST_GROUPS = 12


@dataclass(frozen=True, slots=True)
class Report:
    """What two sides did to a query set, and where that comes from.

    Attributes:
        cosines: None where they were not asked for, or where neither side has vectors.
        distributions: measure -> its per-query deltas in bars.
        breakdowns: query column -> value -> the figures of its queries.
        wins, harms: the most improved queries, best first, and the most harmed, worst first.
    """

    evaluation: Evaluation
    headline: Headline
    cosines: SideCosines | None
    distributions: Mapping[str, Histogram]
    breakdowns: Mapping[str, Mapping[str, Group]]
    wins: tuple[Example, ...]
    harms: tuple[Example, ...]
    provenance: Provenance


def report_query_set(
    comparer: Comparer,
    baseline: str = "base",
    candidate: str = "",
    split: str = "unseen",
    *,
    query_set: str = "",
    most_examples: int = EXAMPLES,
    cosines: bool = True,
    verdicts: bool = True,
    progress: Progress | None = None,
    starting: Callable[[str], None] = lambda encoder: None,
) -> Report:
    """Evaluate the workspace's query set once over its catalog and put the report together.

    Args:
        baseline, candidate, split, query_set, verdicts, progress: as in `evaluate_query_set`.
        most_examples: queries shown at most with their lists, of wins and of harms each.
        cosines: whether to compare queries with the fields of their products, which encodes each
            field once.
        starting: called with an encoder's name before its fields are encoded; `progress` then
            counts texts.

    Raises:
        RankbenchError: a side is not ready, or no query is left.
        UsageError: an unknown split or side.
    """
    if split == "unseen":
        _check_unseen(comparer, baseline, candidate, verdicts)
    evaluation = evaluate_query_set(
        comparer,
        baseline,
        candidate,
        "catalog",
        split,
        query_set=query_set,
        verdicts=verdicts,
        keep_rankings=True,
        progress=progress,
    )
    words = [
        word for row in evaluation.rows if verdicts for word in comparer.words(row.query).values()
    ]
    return assemble(
        evaluation,
        comparer.titles(),
        provenance(
            comparer, evaluation, cosines=cosines, verdicts=verdicts, examples=most_examples
        ),
        judged=len(comparer.judged_queries()),
        said=(len(words), sum(word.overrules for word in words)),
        most_examples=most_examples,
        cosines=side_cosines(comparer.ws, evaluation, starting, progress)
        if cosines and evaluation.rows
        else None,
    )


def assemble(
    evaluation: Evaluation,
    titles: Mapping[str, str],
    origin: Provenance,
    *,
    judged: int,
    said: tuple[int, int] = (0, 0),
    most_examples: int = EXAMPLES,
    cosines: SideCosines | None = None,
) -> Report:
    """A report of an evaluation made with `keep_rankings`.

    Args:
        titles: product id -> title.
        judged: queries of the whole query set.
        said: grades by people's verdicts, and how many of them overrule an import.
    """
    wins, harms = examples(evaluation, titles, most_examples)
    return Report(
        evaluation=evaluation,
        headline=headline(evaluation, judged, *said),
        cosines=cosines if cosines and cosines.known() else None,
        distributions={
            name: histogram(
                {row.query_id: row.delta[name] for row in evaluation.rows}, evaluation.unchanged
            )
            for name in DISTRIBUTIONS
            if evaluation.delta[name].n
        },
        breakdowns={name: breakdown(evaluation, name) for name in _columns(evaluation)},
        wins=wins,
        harms=harms,
        provenance=origin,
    )


def _columns(evaluation: Evaluation) -> list[str]:
    """The columns that sort the queries into a few groups."""
    rows = evaluation.rows
    values = {
        "split": {row.split or "" for row in rows},
        "seen": {row.seen for row in rows},
    }
    for name in sorted({name for row in rows for name in row.columns if name != WEIGHT}):
        values.setdefault(name, {row.columns.get(name, "") for row in rows})
    for name in DERIVED:
        values.setdefault(name, {row.derived.get(name, "") for row in rows})
    return [name for name, found in values.items() if 1 < len(found) <= _MOST_GROUPS]


def _check_unseen(comparer: Comparer, baseline: str, candidate: str, verdicts: bool) -> None:
    """Say what it means where no query is unseen, before `select` says only that it is so."""
    names = (baseline, candidate or comparer.default_candidate())
    sides = [comparer.side(name) for name in names]
    queries = comparer.judged_queries() if verdicts else comparer.imported_queries()
    if queries and all(any(side.seen(query.query) for side in sides) for query in queries):
        raise RankbenchError(
            f"Each of the {len(queries):,} judged queries trained or chose one of the sides: "
            "nothing here can show how they do on queries they have not seen.",
            "Judge some new queries, or take `rankbench report --split all`, whose page says that "
            "its queries were seen.",
        )
