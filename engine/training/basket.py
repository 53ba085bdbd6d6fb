"""The basket: what people said, grouped by query, with the training example each word becomes.

Plain values in, a frozen value out: the command's dry run, the app's screen and the job that
trains look at the same basket.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from engine.catalog.normalise import clean_query, normalise_query
from engine.catalog.queries import JudgedQuery
from engine.encoders.registry import BASE
from engine.errors import RankbenchError
from engine.records.merged import Merged, Word
from engine.training.near import SPLITS, Near, NearQueries
from engine.training.recipe import Recipe

TOP = 10
SOURCES = ("judgments", "flags", "both", "log")
HELD_OUT = ("test", "dev")
"""Splits that nothing is trained on unasked."""

Top = Callable[[str, str], Sequence[str]]
"""(side, query) -> product ids, best first, ten or more; empty where the side cannot answer."""


@dataclass(frozen=True, slots=True)
class BasketRow:
    """One result that people spoke of, and what it becomes.

    Attributes:
        text: the catalog's text, "" where the catalog lacks the product.
        grade, bad: the majority's word (`Word`); disputed: judges disagree.
        becomes: "negative", "positive", or "left out: " and why.
    """

    product_id: str
    text: str
    grade: str
    bad: bool
    becomes: str
    disputed: bool = False


@dataclass(frozen=True, slots=True)
class Positive:
    """A result that the negatives are set against; source: "graded", "judged" or "agreed top"."""

    product_id: str
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Group:
    """One query, all its spellings together.

    Attributes:
        split: of the judged query, or of the first of `near`; "" where there is none.
        positives: people's first, then imported ones; else one of the agreed top.
        pairs: (positive, negative) product ids; an empty negative means in-batch ones only.
        note: what a person should know of it, "" for nothing.
        near: the judged queries it nearly repeats, held-out ones first: training on it trains on
            them. Of an imported train query only the held-out ones, which a file's own splits
            leave it: they count as seen.
    """

    query_id: str
    query: str
    split: str
    rows: tuple[BasketRow, ...]
    positives: tuple[Positive, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    note: str = ""
    near: tuple[Near, ...] = ()

    def becoming(self, kind: str) -> list[str]:
        """The ids of the rows that become `kind`."""
        return [row.product_id for row in self.rows if row.becomes == kind]


@dataclass(frozen=True, slots=True)
class Basket:
    """What a run would train on.

    Attributes:
        groups: most recently spoken of first.
        source, include_test, deselected: what was asked for.
        pairs: of all groups; negatives, positives: distinct results of the pairs.
        replay: replay rows the recipe adds; 0 for a recipe without.
        judged: rows from judgments, where the source is "both".
        verdicts_hash: SHA-256 (16 hex) of the words the pairs come from.
        notes: what was left out or decided, a sentence each.
        refusal: why no run can start, "" where it can; todo: what to do about it.
    """

    groups: tuple[Group, ...] = ()
    source: str = "flags"
    include_test: bool = False
    deselected: tuple[tuple[str, str], ...] = ()
    pairs: int = 0
    negatives: int = 0
    positives: int = 0
    replay: int = 0
    judged: int = 0
    verdicts_hash: str = ""
    notes: tuple[str, ...] = ()
    refusal: str = ""
    todo: str = ""

    @property
    def trained(self) -> tuple[Group, ...]:
        """The groups that give at least one pair."""
        return tuple(group for group in self.groups if group.pairs)

    def touched(self) -> frozenset[str]:
        """The ids of the queries trained on, and of the judged ones these nearly repeat."""
        ids = {near.query_id for group in self.trained for near in group.near}
        return frozenset(ids | {group.query_id for group in self.trained})

    def flagged(self) -> frozenset[tuple[str, str]]:
        """(query id, product) of the negatives that people flagged or graded Irrelevant."""
        return frozenset(
            (group.query_id, row.product_id)
            for group in self.groups
            for row in group.rows
            if row.becomes == "negative" and (row.bad or row.grade == "I")
        )

    def check(self) -> None:
        """Raises: RankbenchError: no run can start."""
        if self.refusal:
            raise RankbenchError(self.refusal, self.todo)


def basket(
    merged: Merged,
    texts: Mapping[str, str],
    top: Top,
    recipe: Recipe,
    *,
    base: str = BASE,
    source: str = "flags",
    include_test: bool = False,
    deselected: Collection[tuple[str, str]] = (),
    seed: int = 0,
) -> Basket:
    """The examples that verdicts become.

    A result graded below Exact becomes a hard negative of its query; a result graded Exact a
    positive. Positives are the query's Exact results, people's and imported; lacking both, and
    unless people graded an imported one down, the highest result in the top 10 of the base and of
    every side that the query was flagged on, that nobody graded below Exact. Queries of the dev and
    test splits are left out.

    Args:
        texts: product id -> rendered text, the whole catalog.
        top: asked only for queries without an Exact result.
        base: the side that is tuned.
        include_test: train on dev and test queries too.
        deselected: (query, product) pairs that a person took out; queries in any spelling.
        seed: of the draw where there are more pairs than the recipe's `max_rows`.
    """
    from engine.training.flags import replay_count
    from engine.training.limit import limit
    from engine.training.remarks import refuse, remarks

    out = {(normalise_query(query), product) for query, product in deselected}
    maker = _Maker(merged, texts, top, base, out, include_test, _setting(recipe, "positives", 4))
    groups, dropped = limit(maker.groups(), _setting(recipe, "max_rows", 2000), seed)
    pairs = [(group.query_id, *pair) for group in groups for pair in group.pairs]
    made = Basket(
        groups=groups,
        source=source,
        include_test=include_test,
        deselected=tuple(sorted(deselected)),
        pairs=len(pairs),
        negatives=len({(query, negative) for query, _, negative in pairs if negative}),
        positives=len({(query, positive) for query, positive, _ in pairs}),
        verdicts_hash=_hash(groups),
    )
    more, notes = (), ()
    if source == "both":
        more, notes = _judged_rows(merged, texts, recipe, seed, made.deselected)
    judged = len(more)
    rows = judged + made.pairs
    taken = {normalise_query(query) for query in (*(g.query for g in made.trained), *more)}
    replay = replay_count(merged.queries, texts, recipe, rows, seed, taken) if rows else 0
    made = replace(made, judged=judged, replay=replay)
    notes = (*remarks(made, dropped, recipe, include_test), *notes)
    refusal, todo = ("", "") if rows else refuse(groups)
    return replace(made, notes=notes, refusal=refusal, todo=todo)


def _setting(recipe: Recipe, key: str, default: int) -> int:
    return int(recipe.get(key, default))


class _Maker:
    """Makes the groups; holds what each of them needs."""

    def __init__(
        self,
        merged: Merged,
        texts: Mapping[str, str],
        top: Top,
        base: str,
        deselected: set[tuple[str, str]],
        include_test: bool,
        positives: int,
    ) -> None:
        self._merged = merged
        self._texts = texts
        self._top = top
        self._base = base
        self._deselected = deselected
        self._include_test = include_test
        self._positives = positives
        self._near = NearQueries([q for q in merged.queries if q.imported and q.split])

    def groups(self) -> tuple[Group, ...]:
        found = []
        for query, words in self._once():
            newest = max((v.number, v.given) for word in words.values() for v in word.verdicts)
            found.append((newest, self._group(query, words)))
        found.sort(key=lambda pair: pair[0], reverse=True)
        return tuple(group for _, group in found)

    def _once(self) -> list[tuple[JudgedQuery, dict[str, Word]]]:
        """Queries with words; a word that several spellings share goes to the first of them."""
        given: set[tuple[object, ...]] = set()
        found = []
        for query in self._merged.queries:
            own = {}
            for product, word in self._merged.words.get(query.query_id, {}).items():
                key = (product, *((v.number, v.judge, v.query) for v in word.verdicts))
                if key not in given:
                    given.add(key)
                    own[product] = word
            if own:
                found.append((query, own))
        return found

    def _group(self, query: JudgedQuery, words: Mapping[str, Word]) -> Group:
        near = self._near.find(query, HELD_OUT if query.split == "train" else SPLITS)
        split = query.split or (near[0].split if near else "")
        held = "" if self._include_test else _held_out(query, near)
        exact = [p for p in query.positives() if self._texts.get(p) and self._chosen(query, p)]
        graded = [p for p in exact if p in words]
        sources = dict.fromkeys(graded, "graded") | {
            product: "judged" for product in exact if product not in words
        }
        rows = tuple(
            self._row(query, held, product, word, sources) for product, word in words.items()
        )
        group = Group(query.query_id, clean_query(query.query), split, rows, near=near)
        if not any(row.becomes in ("negative", "positive") for row in rows):
            return group
        # Where people took its Exact results away, two sides that agree are no better word.
        gone = any(word.imported == "E" for word in words.values())
        note = ""
        if not sources and not gone and (agreed := self._agreed(query, words)):
            sources = {agreed: "agreed top"}
            note = f"positive taken from the agreed top: {self._texts[agreed]}"
        if not sources:
            why = "left out: the query has no Exact result"
            rows = tuple(
                replace(row, becomes=why) if row.becomes == "negative" else row for row in rows
            )
            note = "its Exact result was graded down: " if gone else ""
            return replace(group, rows=rows, note=f"{note}grade a result E, the right one")
        positives = tuple(
            Positive(product, self._texts[product], kind) for product, kind in sources.items()
        )
        group = replace(group, positives=positives, note=note)
        return replace(group, pairs=self._pairs(query, group))

    def _chosen(self, query: JudgedQuery, product: str) -> bool:
        return (normalise_query(query.query), product) not in self._deselected

    def _row(
        self,
        query: JudgedQuery,
        held: str,
        product: str,
        word: Word,
        positives: Mapping[str, str],
    ) -> BasketRow:
        text = self._texts.get(product)
        right = {self._texts[positive] for positive in positives}
        if not self._chosen(query, product):
            becomes = "left out: deselected"
        elif held:
            becomes = f"left out: {held}"
        elif text is None:
            becomes = "left out: not in the catalog"
        elif not text:
            becomes = "left out: its text is empty"
        elif not clean_query(query.query):
            becomes = "left out: the query is empty"
        elif word.grade == "E":
            becomes = "positive"
        elif text in right:
            becomes = "left out: its text is that of an Exact result"
        else:
            becomes = "negative"
        return BasketRow(product, text or "", word.grade, word.bad, becomes, word.disputed)

    def _agreed(self, query: JudgedQuery, words: Mapping[str, Word]) -> str:
        """The highest result of all sides' top 10 that nobody graded below Exact, or ""."""
        text = clean_query(query.query)
        sides = {v.side for word in words.values() for v in word.verdicts if v.side}
        lists = [list(self._top(self._base, text))[:TOP]]
        for side in sorted(sides - {self._base}):
            # A side that is gone has no say.
            if found := list(self._top(side, text))[:TOP]:
                lists.append(found)
        wrong = {product for product, grade in query.grades.items() if grade != "E"}
        wrong |= {p for p, word in words.items() if any(v.grade != "E" for v in word.verdicts)}
        bad_texts = {self._texts.get(product) for product in wrong}
        shared = [
            product
            for product in lists[0]
            if all(product in found for found in lists)
            and self._texts.get(product)
            and self._texts[product] not in bad_texts
            and self._chosen(query, product)
        ]
        return min(shared, key=lambda p: sum(found.index(p) for found in lists), default="")

    def _pairs(self, query: JudgedQuery, group: Group) -> tuple[tuple[str, str], ...]:
        """Each negative with a few positives in turn; each graded positive at least once."""
        negatives = group.becoming("negative")
        positives = [positive.product_id for positive in group.positives]
        pairs = []
        for turn, negative in enumerate(negatives):
            for step in range(min(self._positives, len(positives))):
                place = turn * self._positives + step
                pairs.append((positives[place % len(positives)], negative))
        used = {positive for positive, _ in pairs}
        right = {positive.text for positive in group.positives}
        judged = [
            product
            for product, grade in query.grades.items()
            if grade != "E" and self._texts.get(product) and self._chosen(query, product)
        ]
        others = negatives or [p for p in judged if self._texts[p] not in right]
        left = [product for product in group.becoming("positive") if product not in used]
        for turn, positive in enumerate(left):
            pairs.append((positive, others[turn % len(others)] if others else ""))
        return tuple(pairs)


def _held_out(query: JudgedQuery, near: Sequence[Near]) -> str:
    """Which held-out query training on `query` would train on, or ""."""
    if query.split:
        return f"a {query.split} query" if query.split in HELD_OUT else ""
    if not near or near[0].split not in HELD_OUT:
        return ""
    how = "nearly the same as" if near[0].by == "words" else "judged on the products of"
    return f"{how} a {near[0].split} query"


def _judged_rows(
    merged: Merged,
    texts: Mapping[str, str],
    recipe: Recipe,
    seed: int,
    deselected: Collection[tuple[str, str]],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The query of each row that the judgments of the train split give besides, and notes."""
    from engine.training.flags import judged_examples

    try:
        examples = judged_examples(merged.queries, texts, recipe, seed, deselected)
    except RankbenchError as error:
        return (), (f"no rows from judgments: {error.what}",)
    return tuple(row.query for row in examples.rows), ()


def _hash(groups: Sequence[Group]) -> str:
    rows = sorted(
        [group.query, row.product_id, row.grade, row.bad]
        for group in groups
        for row in group.rows
        if not row.becomes.startswith("left out")
    )
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]
