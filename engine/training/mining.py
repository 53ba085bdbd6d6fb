"""Hard negatives: what the encoder itself ranks high for a query, and nobody called right.

Unfiltered, such negatives hurt: many are right and unjudged (Qu et al. 2021, RocketQA). So products
whose cosine is above `near` times the positive's are left out (positive-aware filtering, Moreira et
al. 2024, NV-Retriever, arXiv 2407.15831). A cross-encoder may have a word too, as in RocketQA: what
it scores as high as the positive is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from engine.catalog.normalise import normalise_query
from engine.encoders.cross_encoder import score_pairs
from engine.encoders.load import SentenceEncoder
from engine.errors import RankbenchError
from engine.training.examples import Example, Examples, hash_rows
from engine.training.outcome import Report, ShouldStop, check_stop
from engine.training.recipe import Recipe
from engine.training.selection import fast_inference
from engine.training.vectors import encode_all

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder, SentenceTransformer

_PART = 512


@dataclass(slots=True)
class Labels:
    """A teacher's word on what was mined. Its scores are kept: they are the same in every round.

    Attributes:
        teacher: scores (query, text) with a logit.
        margin: logits below the positive's from which on a product is taken for right. Differences
            of logits, not ratios: losses over lists leave a teacher's zero anywhere.
    """

    teacher: CrossEncoder
    margin: float = 0.0
    _known: dict[str, dict[str, float]] = field(default_factory=dict)

    def read(self, query: str, texts: Sequence[str]) -> None:
        """Score those of `texts` that were not scored for `query` before."""
        known = self._known.setdefault(query, {})
        new = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(new, score_pairs(self.teacher, query, new).tolist(), strict=True))

    def right(self, query: str, text: str, positive: str) -> bool:
        """Whether `text` scores above the positive's score less the margin; both were read."""
        known = self._known[query]
        return known[text] > known[positive] - self.margin


def mine(
    model: SentenceTransformer,
    examples: Examples,
    texts: Mapping[str, str],
    recipe: Recipe,
    report: Report,
    should_stop: ShouldStop,
    labels: Labels | None = None,
) -> Examples:
    """The rows with negatives mined by `model` in the place of their own.

    Of the ranks `mine_from` to `mine_to` of a row's query, products Exact for it, those with a text
    of such a product, those nearer than `near` times the positive's cosine, and with `labels` those
    that the teacher takes for right are passed over; the hardest of the rest are taken. Of two or
    more `negatives` the first stays what was judged; a row with too few mined ones keeps more of
    its own.

    Raises:
        Cancelled: the person asked for it.
        RankbenchError: nothing was mined for any row.
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
    if labels is not None:
        windows = {query: [texts[ids[n]] for n in found] for query, found in ranked.items()}
        _label(labels, examples, windows, report, should_stop)
    rows, short, bare, right = [], 0, 0, set()
    for row in examples.rows:
        scores = cosines[row.query]
        limit = float(recipe["near"]) * scores[place[row.positive]]
        exact = examples.relevant[normalise_query(row.query)]
        found = [
            ids[number]
            for number in ranked[row.query]
            if scores[number] <= limit and texts[ids[number]] not in exact
        ]
        if labels is not None:
            taken = [p for p in found if labels.right(row.query, texts[p], row.positive)]
            right.update((row.query, product) for product in taken)
            found = [product for product in found if product not in taken]
        own = _kept(row, count)
        new = [product for product in found if product not in own][: count - len(own)]
        short += len(new) < count - len(own)
        bare += not new
        rows.append(_with(row, [*own, *new], texts, count))
    if bare == len(rows):
        raise _nothing_mined(recipe, len(ids), taught=labels is not None)
    notes = [f"{short} of {len(rows)} rows had too few hard negatives and kept judged ones"]
    notes = notes * bool(short)
    if bare:
        notes.append(f"for {bare} of {len(rows)} rows nothing was mined at all")
    if labels is not None:
        notes.append(f"{len(right)} mined products left out that the teacher takes for right")
    return replace(
        examples,
        rows=tuple(rows),
        data_hash=hash_rows(rows),
        notes=(*examples.notes, *notes),
    )


def _label(
    labels: Labels,
    examples: Examples,
    windows: Mapping[str, Sequence[str]],
    report: Report,
    should_stop: ShouldStop,
) -> None:
    """Let the teacher read each query's positives and the texts of its window."""
    positives: dict[str, list[str]] = {}
    for row in examples.rows:
        positives.setdefault(row.query, []).append(row.positive)
    for number, (query, found) in enumerate(windows.items()):
        check_stop(should_stop)
        labels.read(query, [*positives[query], *found])
        done = {"step": number + 1, "steps": len(windows)}
        report({"event": "progress", "phase": "labelling", **done})


def _kept(row: Example, count: int) -> tuple[str, ...]:
    """The row's own first negative, where there is room for two."""
    return row.negative_ids[:1] if count > 1 else ()


def _nothing_mined(recipe: Recipe, products: int, *, taught: bool) -> RankbenchError:
    ranks = f"ranks {recipe['mine_from'] + 1} to {min(recipe['mine_to'], products)}"
    also = " or that the teacher takes for right" if taught else ""
    return RankbenchError(
        f"No hard negative was found for any row: {ranks} of their queries hold only Exact "
        f"products and such as are nearer than {recipe['near']:g} of the positive's cosine{also}.",
        "Mine deeper (`--set mine_to=200`), or raise `near`.",
    )


def _with(row: Example, taken: Sequence[str], texts: Mapping[str, str], count: int) -> Example:
    """The row with the negatives taken, and more of its own where they are too few."""
    products = list(dict.fromkeys([*taken, *row.negative_ids]))[:count]
    while len(products) < count:  # rows of one run have one width
        products.append(products[-1] if products else row.negative_ids[0])
    return replace(
        row,
        negative_ids=tuple(products),
        negatives=tuple(texts[product] for product in products),
    )
