"""How often a row is trained on, by the weights of the judgment files its grades come from.

A row says what its products' judgments say, so it counts as these do on average: a pair as its one
product, a list as the mean of the products that are judged for its query (what fills it up is
nobody's judgment). A list is one softmax over its products: to weigh each of them by itself would
bend the distribution that is aimed at, and a product of a file that counts less would be learnt as
a worse one. A row whose loss sets right against wrong counts as its right product does.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import fmean

from engine.catalog.queries import JudgedQuery
from engine.errors import RankbenchError
from engine.training.examples import Example, Examples, hash_rows


def weigh(examples: Examples, queries: Sequence[JudgedQuery], seed: int) -> Examples:
    """Each row as often as its weight says: 2 twice, .5 half of them, drawn by `seed`.

    Raises:
        RankbenchError: fewer than two rows are left.
    """
    weighted = {query.query_id: query for query in queries if query.file_weights}
    if not weighted:
        return examples
    rng = random.Random(seed)
    rows: list[Example] = []
    for row in examples.rows:
        query = weighted.get(row.query_id)
        products = (row.positive_id, *(row.negative_ids if row.targets else ()))
        rows += [row] * times(mean_weight(query, products) if query else 1.0, rng)
    if len(rows) < 2:
        raise too_few(len(rows), len(examples.rows))
    return replace(examples, rows=tuple(rows), data_hash=hash_rows(rows))


def mean_weight(query: JudgedQuery, products: Iterable[str]) -> float:
    """The mean of the weights of those of `products` that are judged for `query`; 1 for none."""
    judged = [query.file_weights.get(p, 1.0) for p in set(products) if p in query.grades]
    return fmean(judged) if judged else 1.0


def times(weight: float, rng: random.Random) -> int:
    """How often something of that weight counts: its whole part, and once more by chance."""
    return math.floor(weight) + (rng.random() < weight % 1)


def too_few(left: int, rows: int) -> RankbenchError:
    """What to say where the weights leave nothing to train on."""
    return RankbenchError(
        f"By their files' weights {left} of {rows} rows are left.",
        "Import a judgment file again with a larger `--weight`.",
    )
