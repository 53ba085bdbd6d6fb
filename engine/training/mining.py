"""Hard negatives: what the encoder itself ranks high for a query, and nobody called right.

Unfiltered, such negatives hurt: many are right and unjudged (Qu et al. 2021, RocketQA). So products
whose cosine is above `near` times the positive's are left out (positive-aware filtering, Moreira et
al. 2024, NV-Retriever, arXiv 2407.15831).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from engine.catalog.normalise import normalise_query
from engine.encoders.load import SentenceEncoder
from engine.training.examples import Example, Examples, hash_rows
from engine.training.outcome import Report, ShouldStop
from engine.training.recipe import Recipe
from engine.training.selection import fast_inference
from engine.training.vectors import encode_all

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_PART = 512


def mine(
    model: SentenceTransformer,
    examples: Examples,
    texts: Mapping[str, str],
    recipe: Recipe,
    report: Report,
    should_stop: ShouldStop,
) -> Examples:
    """The rows with negatives mined by `model` in the place of their own.

    Of the ranks `mine_from` to `mine_to` of a row's query, products Exact for it, those with a text
    of such a product, and those nearer than `near` times the positive's cosine are passed over; the
    hardest of the rest are taken. Of two or more `negatives` the first stays what was judged; a row
    with too few mined ones keeps more of its own.

    Raises:
        Cancelled: the person asked for it.
    """
    count = int(recipe["negatives"])
    ids = sorted(product for product, text in texts.items() if text)
    encoder = SentenceEncoder(model)
    model.eval()
    unique = list(dict.fromkeys(row.query for row in examples.rows))
    with fast_inference(model):
        every = [texts[product] for product in ids]
        documents = encode_all(encoder, every, report, should_stop, phase="mining", part=_PART)
        queries = dict(zip(unique, encoder.encode_queries(unique), strict=True))
    place = {texts[product]: number for number, product in enumerate(ids)}
    first, last = int(recipe["mine_from"]), int(recipe["mine_to"])
    cosines = {query: documents @ vector for query, vector in queries.items()}
    ranked = {
        query: np.argsort(-scores, kind="stable")[first:last] for query, scores in cosines.items()
    }
    rows, short = [], 0
    for row in examples.rows:
        scores = cosines[row.query]
        limit = float(recipe["near"]) * scores[place[row.positive]]
        exact = examples.relevant[normalise_query(row.query)]
        found = [
            ids[number]
            for number in ranked[row.query]
            if scores[number] <= limit and texts[ids[number]] not in exact
        ][:count]
        short += len(found) < count
        rows.append(_with(row, found, texts, count))
    note = f"{short} of {len(rows)} rows had too few hard negatives and kept judged ones"
    return replace(
        examples,
        rows=tuple(rows),
        data_hash=hash_rows(rows),
        notes=(*examples.notes, *([note] if short else [])),
    )


def _with(row: Example, mined: Sequence[str], texts: Mapping[str, str], count: int) -> Example:
    """The row with its own first negative where there is room for two, then mined ones."""
    first = row.negative_ids[:1] if count > 1 else ()
    products = list(dict.fromkeys([*first, *mined, *row.negative_ids]))[:count]
    while len(products) < count:  # rows of one run have one width
        products.append(products[-1] if products else row.negative_ids[0])
    return replace(
        row,
        negative_ids=tuple(products),
        negatives=tuple(texts[product] for product in products),
    )
