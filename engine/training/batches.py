"""Batches in which no row's documents are relevant to another row's query.

With in-batch negatives every document of a batch is a negative for every other row's query. Two
rows of one query, or a row whose positive or negative is Exact for another row's query, would
teach the encoder to push a right answer away (false negatives; Qu et al. 2021, RocketQA, measure
what that costs).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from engine.catalog.normalise import normalise_query
from engine.training.examples import Examples

_OPEN = 64
"""Batches kept open at once; bounds the work where one query has most of the rows."""


@dataclass(frozen=True, slots=True)
class Row:
    """What decides whether two rows may meet: the query, its documents, its relevant documents."""

    query: str
    documents: frozenset[str]
    relevant: frozenset[str]


@dataclass(slots=True)
class _Batch:
    rows: list[int] = field(default_factory=list)
    queries: set[str] = field(default_factory=set)
    documents: set[str] = field(default_factory=set)
    relevant: set[str] = field(default_factory=set)

    def takes(self, row: Row) -> bool:
        return (
            row.query not in self.queries
            and self.relevant.isdisjoint(row.documents)
            and self.documents.isdisjoint(row.relevant)
        )

    def add(self, index: int, row: Row) -> None:
        self.rows.append(index)
        self.queries.add(row.query)
        self.documents |= row.documents
        self.relevant |= row.relevant


def batch_rows(examples: Examples) -> list[Row]:
    """One `Row` per example, in the examples' order."""
    rows = []
    for example in examples.rows:
        query = normalise_query(example.query)
        rows.append(Row(query, frozenset(example.documents()), examples.relevant[query]))
    return rows


def plan(rows: Sequence[Row], batch_size: int, seed: int) -> list[list[int]]:
    """Row indices by batch, each row once, first fit over a seeded shuffle.

    A batch of one row is kept (its own hard negatives still teach); its order among the batches
    is shuffled again, so that the small ones do not all come last.
    """
    rng = random.Random(seed)
    order = list(range(len(rows)))
    rng.shuffle(order)
    # Queries with many rows first would fill batches best, but first fit over a shuffle keeps the
    # mixture; rows that no open batch takes open one.
    waiting: list[_Batch] = []
    done: list[list[int]] = []
    for index in order:
        row = rows[index]
        batch = next((b for b in waiting if b.takes(row)), None)
        if batch is None:
            batch = _Batch()
            waiting.append(batch)
        batch.add(index, row)
        if len(batch.rows) == batch_size:
            waiting.remove(batch)
            done.append(batch.rows)
        elif len(waiting) > _OPEN:
            done.append(waiting.pop(0).rows)
    done.extend(batch.rows for batch in waiting)
    rng.shuffle(done)
    return done


Plan = Callable[[int, int], list[list[int]]]
"""(batch size, seed) -> row indices by batch."""


def without_false_negatives(examples: Examples) -> Plan:
    """`plan` over the examples' rows; within each stratum where they have strata, so that the
    other rows' documents are near ones (hard in-batch negatives)."""
    rows = batch_rows(examples)
    if not examples.strata:
        return lambda batch_size, seed: plan(rows, batch_size, seed)
    groups: dict[str, list[int]] = {}
    for index, stratum in enumerate(examples.strata):
        groups.setdefault(stratum, []).append(index)

    def make(batch_size: int, seed: int) -> list[list[int]]:
        batches = [
            [group[place] for place in batch]
            for _, group in sorted(groups.items())
            for batch in plan([rows[index] for index in group], batch_size, seed)
        ]
        random.Random(seed).shuffle(batches)
        return batches

    return make


def shuffled(examples: Examples) -> Plan:
    """All rows in a seeded order, for losses whose rows do not serve each other."""

    def make(batch_size: int, seed: int) -> list[list[int]]:
        order = list(range(len(examples.rows)))
        random.Random(seed).shuffle(order)
        return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]

    return make


class Sampler:
    """A `batch_sampler` for SentenceTransformerTrainingArguments whose batches a `Plan` makes.

    Every epoch has its own plan. The Trainer asks for the length once, so all epochs have the
    first plan's number of batches: a longer plan drops its smallest, a shorter repeats its first.
    """

    def __init__(self, make: Plan, seed: int) -> None:
        self._make = make
        self._seed = seed

    def __call__(self, dataset: object, **options: object) -> object:
        from sentence_transformers.base.sampler import DefaultBatchSampler

        make, seed = self._make, self._seed

        class Planned(DefaultBatchSampler):
            def __init__(self) -> None:
                super().__init__(dataset, **options)  # type: ignore[arg-type]
                self.first = make(self.batch_size, seed)

            def __len__(self) -> int:
                return len(self.first)

            def __iter__(self) -> Iterator[list[int]]:
                if self.epoch == 0:
                    yield from self.first
                else:
                    batches = make(self.batch_size, seed + 1000 * self.epoch)
                    yield from fit_length(batches, len(self.first))

        return Planned()

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        # The Trainer pickles its arguments beside each checkpoint; the rows have no place there.
        return str, ("planned batches",)


def fit_length(batches: list[list[int]], count: int) -> list[list[int]]:
    """Exactly `count` batches: the smallest dropped, or the first repeated."""
    if len(batches) > count:
        by_size = sorted(range(len(batches)), key=lambda i: (-len(batches[i]), i))
        keep = set(by_size[:count])
        return [batch for i, batch in enumerate(batches) if i in keep]
    return batches + [batches[i % len(batches)] for i in range(count - len(batches))]
