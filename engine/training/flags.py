"""Rows from verdicts, and the replay that keeps an encoder from forgetting.

Flagged rows are few, and a run on them alone would bend everything else. So most rows are replay:
queries that nobody flagged, with the base model's own cosines as targets (distillation, Hinton et
al. 2015, here against forgetting, Li & Hoiem 2016). Judged queries of the train split come first,
then queries made of the first words of titles.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.catalog.normalise import clean_query, normalise_query
from engine.catalog.queries import JudgedQuery
from engine.training.basket import Basket
from engine.training.examples import Example, Examples, build_examples, hash_rows, relevant_texts
from engine.training.file_weights import weigh
from engine.training.recipe import Recipe

SHARE = 4
"""One row in so many, at most, is a flag's."""
_WORDS = re.compile(r"\w[\w'’-]*")
# Which of the base's ranks a replay query is scored on; one random product joins them.
_BANDS = ((0, 3), (3, 10), (10, 40), (40, 150))
_SEARCHED = 100_000
_BLOCK = 64


@dataclass(frozen=True, slots=True)
class Replayed:
    """Rows for the `flags` loss; every row has the same number of documents, D.

    Attributes:
        examples: contrast rows, then replay rows. A contrast row's documents are its positive, its
            negative and D - 2 of the base's hits; a replay row's are all the base's.
        contrast: [n] bool, which rows are contrast rows; pushed: [n] bool, whether the second
            document of the row was judged bad, and is not only a filler.
        floor: [n] float32, the base's cosine at the rank below which a bad result should fall.
        queries: [n, d] float32, the base's query vectors; documents: [n, D, d], its documents'.
        spoken: normalised query -> texts that people judged: the base is not followed there.
    """

    examples: Examples
    contrast: np.ndarray
    pushed: np.ndarray
    floor: np.ndarray
    queries: np.ndarray
    documents: np.ndarray
    spoken: Mapping[str, frozenset[str]]


def replay_count(
    queries: Sequence[JudgedQuery],
    texts: Mapping[str, str],
    recipe: Recipe,
    rows: int,
    seed: int,
    taken: Collection[str],
) -> int:
    """How many replay rows a run with `rows` contrast rows has; 0 for a recipe without replay.

    Args:
        taken: normalised queries of the contrast rows.
    """
    if "replay" not in recipe.parameters:
        return 0
    return len(replay_queries(queries, texts, wanted_replay(recipe, rows), seed, taken))


def wanted_replay(recipe: Recipe, rows: int) -> int:
    """The recipe's own number, or more where flags would be over a quarter of the rows."""
    return max(int(recipe["replay"]), (SHARE - 1) * rows)


def replay_queries(
    queries: Sequence[JudgedQuery],
    texts: Mapping[str, str],
    count: int,
    seed: int,
    taken: Collection[str],
) -> list[tuple[str, str]]:
    """At most `count` (query id, text) that nobody flagged: judged ones, then titles' beginnings.

    Args:
        queries: all judged queries; those of dev and test are never taken, nor said by a title.
        taken: normalised queries that are trained on otherwise.
    """
    known = {*taken, *(normalise_query(query.query) for query in queries)}
    found = [
        (query.query_id, clean_query(query.query))
        for query in sorted(queries, key=lambda item: item.query_id)
        if query.imported
        and query.split == "train"
        and normalise_query(query.query) not in taken
        and clean_query(query.query)
    ][:count]
    rng = random.Random(seed)
    products = sorted(texts)
    rng.shuffle(products)
    for product in products:
        if len(found) >= count:
            break
        words = _WORDS.findall(texts[product])[: rng.randint(2, 5)]
        text = clean_query(" ".join(words))
        key = normalise_query(text)
        if text and key not in known:
            known.add(key)
            found.append((f"title:{product}", text))
    return found


def judged_examples(
    queries: Sequence[JudgedQuery],
    texts: Mapping[str, str],
    recipe: Recipe,
    seed: int,
    deselected: Collection[tuple[str, str]] = (),
) -> Examples:
    """Rows of the imported queries of the train split, one hard negative each, each row as often as
    its judgment file's weight says.

    Args:
        deselected: (query, product) pairs that give none, whoever judged them.

    Raises:
        RankbenchError: as `build_examples` and `weigh`.
    """
    out = {(normalise_query(query), product) for query, product in deselected}
    train = [_without(q, out) for q in queries if q.imported and q.split == "train"]
    most = int(recipe["max_per_query"])
    found = build_examples(train, texts, max_per_query=most, negatives=1, seed=seed)
    return weigh(found, train, seed)


def flag_examples(
    basket: Basket,
    queries: Sequence[JudgedQuery],
    texts: Mapping[str, str],
    recipe: Recipe,
    seed: int,
) -> Examples:
    """The basket's pairs as rows of one negative each, and those of judgments where it counts any.

    Args:
        queries: all merged queries.

    Raises:
        RankbenchError: the basket refuses.
    """
    basket.check()
    rng = random.Random(seed)
    relevant = relevant_texts(queries, texts)
    pool = sorted(product for product, text in texts.items() if text)
    rows: list[Example] = []
    for group in sorted(basket.trained, key=lambda item: item.query_id):
        key = normalise_query(group.query)
        right = frozenset(positive.text for positive in group.positives)
        relevant[key] = relevant.get(key, frozenset()) | right
        for positive, negative in group.pairs:
            product = negative or _filler(pool, texts, relevant[key], rng)
            rows.append(
                Example(
                    group.query_id,
                    group.query,
                    positive,
                    texts[positive],
                    (product,),
                    (texts[product],),
                )
            )
    names = {group.query_id for group in basket.trained}
    used = tuple(query for query in queries if query.query_id in names)
    notes = basket.notes
    if basket.judged:
        more = judged_examples(queries, texts, recipe, seed, basket.deselected)
        rows += more.rows
        used += tuple(query for query in more.queries if query.query_id not in names)
        notes += more.notes
    return Examples(tuple(rows), relevant, used, hash_rows(rows), notes)


def with_replay(
    examples: Examples,
    queries: Sequence[JudgedQuery],
    texts: Mapping[str, str],
    base: tuple[Sequence[str], np.ndarray],
    encode: Callable[[Sequence[str]], np.ndarray],
    recipe: Recipe,
    seed: int,
    flagged: Collection[tuple[str, str]] = (),
) -> Replayed:
    """Contrast rows and replay rows with the base's vectors of all they hold.

    Args:
        examples: contrast rows of one negative.
        queries: all merged queries; their judged results are not distilled.
        base: product ids and the base's document vectors [n, d].
        encode: texts -> the base's query vectors, called once.
        flagged: (query id, product) pairs to push out of the top.
    """
    rng = random.Random(seed)
    size = max(2, int(recipe["documents"]))
    taken = {normalise_query(row.query) for row in examples.rows}
    wanted = wanted_replay(recipe, len(examples.rows))
    replay = replay_queries(queries, texts, wanted, seed, taken)
    asked = list(dict.fromkeys([*(row.query for row in examples.rows), *(t for _, t in replay)]))
    vectors = dict(zip(asked, encode(asked), strict=True))
    ids, matrix = _searched(base, texts, examples, seed)
    place = {product: number for number, product in enumerate(ids)}
    depth = min(len(ids), max(int(recipe["push"]), _BANDS[-1][1]) + 1)
    hits = _hits(np.stack([vectors[text] for text in asked]), matrix, depth)
    by_text = dict(zip(asked, hits, strict=True))
    spoken = _spoken(queries, texts, examples)

    rows: list[Example] = []
    floor: list[float] = []
    pushed: list[bool] = []
    for row in examples.rows:
        judged = spoken[normalise_query(row.query)]
        free = [i for i in by_text[row.query] if texts[ids[i]] not in judged]
        others = [ids[i] for i in _banded(free, size - 2, len(ids), rng)]
        rows.append(_wider(row, others, texts))
        last = by_text[row.query][min(int(recipe["push"]), depth) - 1]
        floor.append(float(matrix[last] @ vectors[row.query]))
        pushed.append((row.query_id, row.negative_ids[0]) in flagged)
    for query_id, text in replay:
        chosen = [ids[i] for i in _banded(by_text[text], size, len(ids), rng)]
        first = Example(query_id, text, chosen[0], texts[chosen[0]], (), ())
        rows.append(_wider(first, chosen[1:], texts))
        floor.append(0.0)
        pushed.append(False)
    numbers = [[place[p] for p in (row.positive_id, *row.negative_ids)] for row in rows]
    return Replayed(
        replace(examples, rows=tuple(rows), data_hash=hash_rows(rows)),
        np.arange(len(rows)) < len(examples.rows),
        np.array(pushed, bool),
        np.array(floor, np.float32),
        np.stack([vectors[row.query] for row in rows]).astype(np.float32),
        matrix[np.array(numbers)].astype(np.float32),
        spoken,
    )


def mixed_plan(contrast: np.ndarray, batch_size: int, seed: int) -> list[list[int]]:
    """Row indices by batch, each row once, the contrast rows spread evenly over the batches."""
    rng = random.Random(seed)
    few = np.flatnonzero(contrast).tolist()
    many = np.flatnonzero(~contrast).tolist()
    rng.shuffle(few)
    rng.shuffle(many)
    count = max(1, -(-len(contrast) // batch_size))
    batches: list[list[int]] = [few[start::count] for start in range(count)]
    rng.shuffle(batches)
    for batch in batches:
        while len(batch) < batch_size and many:
            batch.append(many.pop())
    return [batch for batch in batches if batch]


def _without(query: JudgedQuery, out: Collection[tuple[str, str]]) -> JudgedQuery:
    key = normalise_query(query.query) if out else ""
    return replace(query, grades={p: g for p, g in query.grades.items() if (key, p) not in out})


def _filler(
    pool: Sequence[str], texts: Mapping[str, str], right: frozenset[str], rng: random.Random
) -> str:
    for _ in range(200):
        product = rng.choice(pool)
        if texts[product] not in right:
            break
    return product


def _spoken(
    queries: Sequence[JudgedQuery], texts: Mapping[str, str], examples: Examples
) -> dict[str, frozenset[str]]:
    """Normalised query of a contrast row -> the texts that anyone judged for it."""
    gathered: dict[str, set[str]] = {}
    for row in examples.rows:
        gathered.setdefault(normalise_query(row.query), set()).update(row.documents())
    for query in queries:
        key = normalise_query(query.query)
        if key in gathered:
            gathered[key].update(texts[p] for p in query.grades if texts.get(p))
    return {key: frozenset(found) for key, found in gathered.items()}


def _searched(
    base: tuple[Sequence[str], np.ndarray],
    texts: Mapping[str, str],
    examples: Examples,
    seed: int,
) -> tuple[list[str], np.ndarray]:
    """The products hits are drawn from: all with a text, or a sample of a huge catalog."""
    ids, matrix = base
    rows = [number for number, product in enumerate(ids) if texts.get(product)]
    if len(rows) > _SEARCHED:
        needed = {p for row in examples.rows for p in (row.positive_id, *row.negative_ids)}
        must = [number for number in rows if ids[number] in needed]
        rows = sorted({*must, *random.Random(seed).sample(rows, _SEARCHED)})
    return [ids[number] for number in rows], matrix[rows]


def _hits(queries: np.ndarray, matrix: np.ndarray, depth: int) -> list[list[int]]:
    """For each query vector the rows of its `depth` nearest documents, nearest first."""
    found: list[list[int]] = []
    for start in range(0, len(queries), _BLOCK):
        scores = queries[start : start + _BLOCK] @ matrix.T
        near = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
        order = np.argsort(-np.take_along_axis(scores, near, axis=1), axis=1, kind="stable")
        found += np.take_along_axis(near, order, axis=1).tolist()
    return found


def _banded(hits: Sequence[int], count: int, total: int, rng: random.Random) -> list[int]:
    """`count` rows: one of each band of ranks in turn, the last a random product."""
    chosen: list[int] = []
    for number in range(max(0, count - 1)):
        low, high = _BANDS[number % len(_BANDS)]
        band = [row for row in hits[low:high] if row not in chosen] or list(hits)
        chosen.append(rng.choice(band) if band else rng.randrange(total))
    return [*chosen, rng.randrange(total)][:count]


def _wider(row: Example, more: Sequence[str], texts: Mapping[str, str]) -> Example:
    return replace(
        row,
        negative_ids=(*row.negative_ids, *more),
        negatives=(*row.negatives, *(texts[product] for product in more)),
    )
