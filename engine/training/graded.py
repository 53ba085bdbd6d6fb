"""Rows with graded targets, from judgments: pairs, and lists of one query's products.

The target of a product is what its judgment file gives it where that is a score or an order
(`JudgedQuery.targets`, 0 to 1), else that of its grade: its gain, or its gain's place on a log
scale from 0 to 1. With the gains 1, .1, .01 and 0 that is 1, 2/3, 1/3 and 0: on the gains
themselves the lower three nearly coincide.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from engine.catalog.normalise import clean_query, normalise_query
from engine.catalog.queries import JudgedQuery
from engine.errors import RankbenchError
from engine.training.examples import Example, Examples, hash_rows, relevant_texts
from engine.training.remarks import many


@dataclass(frozen=True, slots=True)
class Drawing:
    """How rows are drawn.

    Attributes:
        gains: grade -> gain.
        scale: "gain" or "log".
        max_per_query: products of one query, at most.
        documents: products in a list.
    """

    gains: Mapping[str, float]
    scale: str
    max_per_query: int
    documents: int = 2
    seed: int = 0


def grade_targets(gains: Mapping[str, float], scale: str) -> dict[str, float]:
    """Grade -> target from 0 to 1; the largest gain has 1, a gain of 0 has 0.

    "log": equal ratios of gains are equal steps, the smallest positive gain one step of as many as
    there are positive gains.
    """
    levels = sorted({gain for gain in gains.values() if gain > 0})
    if not levels:
        return dict.fromkeys(gains, 0.0)
    low, high = levels[0], levels[-1]
    if scale == "gain":
        return {grade: max(gain, 0.0) / high for grade, gain in gains.items()}
    floor = 1 / len(levels)
    span = math.log(high / low) or 1.0
    return {
        grade: floor + (1 - floor) * (math.log(gain / low) / span if high > low else 1.0)
        if gain > 0
        else 0.0
        for grade, gain in gains.items()
    }


def build_pairs(
    queries: Sequence[JudgedQuery],
    texts: Mapping[str, str],
    drawing: Drawing,
    further: Sequence[Mapping[str, str]] = (),
) -> Examples:
    """Rows of (query, product, target), every grade of a query drawn in proportion.

    Args:
        texts: product id -> rendered text; judged products without one are left out.
        further: other texts of the products (descriptions): each gives a pair of its own.

    Raises:
        RankbenchError: no pairs, none with the highest target, or all with one and the same.
    """
    rng = random.Random(drawing.seed)
    rows, used = [], []
    for query in sorted(queries, key=lambda item: item.query_id):
        known = _known(query, texts, drawing)
        text = clean_query(query.query)
        if not (known and text):
            continue
        used.append(query)
        for product, target in _drawn(known, drawing.max_per_query, rng):
            for source in (texts, *further):
                if source.get(product):
                    rows.append(_row(query, text, [product], source, [target]))
    return _examples(rows, queries, used, texts)


def build_lists(
    queries: Sequence[JudgedQuery], texts: Mapping[str, str], drawing: Drawing
) -> Examples:
    """Rows of one query and `documents` of its products, each list with a product of the highest
    target that the query has. Short lists are filled, at target 0, with products judged for other
    queries and not wanted by this one.

    Raises:
        RankbenchError: as `build_pairs`.
    """
    rng = random.Random(drawing.seed)
    pool = sorted({p for query in queries for p in query.grades if texts.get(p)})
    every = relevant_texts(queries, texts)
    for query in queries:
        known = _known(query, texts, drawing)
        every[normalise_query(query.query)] |= {texts[p] for p, aim in known.items() if aim > 0}
    rows, used = [], []
    aimed: set[float] = set()
    for query in sorted(queries, key=lambda item: item.query_id):
        known = _known(query, texts, drawing)
        text = clean_query(query.query)
        aimed.update(known.values())
        if not text or max(known.values(), default=0) <= 0:
            continue
        used.append(query)
        wanted = every[normalise_query(query.query)]
        for part in _dealt(_drawn(known, drawing.max_per_query, rng), drawing.documents):
            filled = _filled(part, drawing.documents, pool, texts, wanted, rng)
            products, targets = [p for p, _ in filled], [t for _, t in filled]
            rows.append(_row(query, text, products, texts, targets))
    return replace(_examples(rows, queries, used, texts, aimed), wanted=every)


def _known(query: JudgedQuery, texts: Mapping[str, str], drawing: Drawing) -> dict[str, float]:
    """Product -> target, of two with one text the better."""
    by_grade = grade_targets(drawing.gains, drawing.scale)
    best: dict[str, tuple[float, str]] = {}
    for product, grade in query.grades.items():
        text = texts.get(product)
        if text:
            target = query.targets.get(product, by_grade[grade])
            if text not in best or target > best[text][0]:
                best[text] = (target, product)
    return {product: target for target, product in best.values()}


def _drawn(known: Mapping[str, float], most: int, rng: random.Random) -> list[tuple[str, float]]:
    """At most `most` products, in a random order."""
    return rng.sample(sorted(known.items()), min(most, len(known)))


def _dealt(drawn: list[tuple[str, float]], size: int) -> list[list[tuple[str, float]]]:
    """Lists of at most `size`: the best dealt out first, and again where there are too few."""
    best = max(target for _, target in drawn)
    top = [item for item in drawn if item[1] == best]
    rest = [item for item in drawn if item[1] != best]
    lists = [[item] for item in top[: max(1, math.ceil(len(drawn) / size))]]
    more = top[len(lists) :] + rest
    while len(lists) * (size - 1) < len(more):
        lists.append([top[len(lists) % len(top)]])
    for number, item in enumerate(more):
        lists[number % len(lists)].append(item)
    return lists


def _filled(
    part: list[tuple[str, float]],
    size: int,
    pool: Sequence[str],
    texts: Mapping[str, str],
    wanted: frozenset[str],
    rng: random.Random,
) -> list[tuple[str, float]]:
    found = list(part)
    taken = {product for product, _ in part}
    for product in rng.sample(pool, min(len(pool), 20 * size)):
        if len(found) >= size:
            break
        if product not in taken and texts[product] not in wanted:
            found.append((product, 0.0))
    while len(found) < size:  # a catalog of a few products
        found.append((found[-1][0], found[-1][1]))
    return found


def _row(
    query: JudgedQuery,
    text: str,
    products: Sequence[str],
    texts: Mapping[str, str],
    targets: Sequence[float],
) -> Example:
    return Example(
        query.query_id,
        text,
        products[0],
        texts[products[0]],
        tuple(products[1:]),
        tuple(texts[product] for product in products[1:]),
        tuple(targets),
    )


def _examples(
    rows: Sequence[Example],
    queries: Sequence[JudgedQuery],
    used: Sequence[JudgedQuery],
    texts: Mapping[str, str],
    aimed: Collection[float] | None = None,
) -> Examples:
    """The rows, checked; `aimed` are the targets of what was judged where the rows hold more."""
    if not rows:
        raise RankbenchError(
            "No training query has a judged product in the catalog.",
            "Check that the judgments name this catalog's products.",
        )
    if not any(query.positives() for query in used):
        raise RankbenchError(
            f"None of the {len(used)} training queries has an Exact product.",
            "Import judgments with grade E: `rankbench import judgments FILE`.",
        )
    if len({target for row in rows for target in row.targets} if aimed is None else aimed) == 1:
        raise RankbenchError(
            "Every judged product of the training queries has the same grade: there is nothing to "
            "contrast.",
            "Grade some results otherwise.",
        )
    judged = [product for query in used for product in query.grades]
    without = sum(not texts.get(product) for product in judged)
    left = len(queries) - len(used)
    notes = [f"{many(left, 'query', 'queries')} without a usable product left out"] * bool(left)
    notes += [f"{without} judgments of products without a text were left out"] * bool(without)
    return Examples(
        tuple(rows), relevant_texts(queries, texts), tuple(used), hash_rows(rows), tuple(notes)
    )
