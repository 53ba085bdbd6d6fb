"""Why a hit is where it is: its rank and score on both sides, and the words that carry it.

What a word does is seen by leaving it out (Li, Monroe and Jurafsky, 2016, "Understanding neural
networks through representation erasure"): the cosine of the whole query and the whole text, minus
the cosine without the word. Words work together, so the drops do not add up to the cosine.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest

import numpy as np

from engine.catalog.normalise import clean_query
from engine.errors import RankbenchError
from engine.index.known import title_of
from engine.ranking.comparer import Comparer
from engine.ranking.judged_near import JudgedVectors, Nearby
from engine.ranking.side_name import parse_side
from engine.ranking.sides import EncoderSide, Side
from engine.ranking.words import leave_one_out, words_of

KINDS = {"encoder": "cosine", "bm25": "bm25", "hybrid": "fused", "run": "run"}
# Texts encoded between two looks at whether a search waits: some 70 ms on one core.
_PIECE = 9
_KEPT_VECTORS = 4096
_KEPT_ENCODERS = 4

Work = Callable[[], object]
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a product stands on a side.

    Attributes:
        kind: what the score is: "cosine" (-1 to 1), "bm25" (from 0, no upper end), "fused"
            (reciprocal rank fusion, at most 2/61), or "run": an order without a score of its own.
        rank: from 1 in the whole catalog; None where the side does not find the product.
        score: None where the side does not find the product, and for a run.
    """

    side: str
    kind: str
    rank: int | None
    score: float | None


@dataclass(frozen=True, slots=True)
class WordDrop:
    """By how much the cosine falls when the word is left out; negative where it rises.

    `position` is the word's, from 0; `drop` is None where no other word is left.
    """

    word: str
    position: int
    drop: float | None


@dataclass(frozen=True, slots=True)
class Reading:
    """How one encoder reads a query and a text.

    Attributes:
        cosine: of the query and the product's vector in the index; None where the index lacks it.
        query, text: a `WordDrop` for each word, in the order of the words; of a long text the
            first `MOST_WORDS` (the cosine is still that of the whole text).
    """

    encoder: str
    cosine: float | None
    query: tuple[WordDrop, ...]
    text: tuple[WordDrop, ...]


@dataclass(frozen=True, slots=True)
class Why:
    """Why a product is where it is for a query.

    Attributes:
        query: as it was encoded.
        text: what of the product was encoded, by the workspace's `template`.
        grade: the query's grade of the product, None where unjudged.
        baseline, candidate: where it stands on the two sides.
        bm25: where it stands for bm25, whatever the sides are.
        readings: of the encoder behind each side; None for bm25 and a run.
        words: how many the text has.
        products: in the catalog that was ranked.
    """

    query: str
    product_id: str
    title: str
    text: str
    template: str
    grade: str | None
    baseline: Standing
    candidate: Standing
    bm25: Standing
    readings: tuple[Reading | None, Reading | None]
    words: int
    products: int


def one_after_another(works: Sequence[Work]) -> None:
    for work in works:
        work()


class Explainer:
    """Explains the hits of one comparer. Blocking, and for the comparer's thread.

    The vectors of the last few thousand shortened texts are kept in memory by the encoder's
    fingerprint; those of the judged queries on disk, too.
    """

    def __init__(
        self,
        comparer: Comparer,
        together: Callable[[Sequence[Work]], object] = one_after_another,
    ) -> None:
        """`together` does the work of two encoders; the app's does it on two threads."""
        self._comparer = comparer
        self._together = together
        self._vectors: OrderedDict[Key, np.ndarray] = OrderedDict()
        self._judged: OrderedDict[str, JudgedVectors] = OrderedDict()

    def explain(
        self,
        query: str,
        product_id: str,
        baseline: str,
        candidate: str = "",
        pause: Callable[[], object] = lambda: None,
    ) -> Why:
        """Why `product_id` is where it is for `query`.

        Args:
            baseline, candidate: as in `Comparer.compare`.
            pause: called between two pieces of work; what it raises ends the explanation.

        Raises:
            RankbenchError: the query is empty, the catalog has no such product, or a side is
                unknown or not indexed.
        """
        comparer, text = self._comparer, clean_query(query)
        if not text:
            raise RankbenchError("The query is empty.", "Type a word or two.")
        titles = comparer.titles()
        title = titles[product_id] if product_id in titles else title_of(comparer.ws, product_id)
        names = (baseline, candidate or comparer.default_candidate())
        sides = [comparer.side(name) for name in names]
        encoders = [self._encoder_of(name) for name in names]
        bm25 = comparer.side("bm25")
        encoded = comparer.encoded_text(product_id)
        pause()
        self._prepare([side for side in encoders if side is not None], text, encoded, pause)
        judged = comparer.find_query(text)
        return Why(
            query=text,
            product_id=product_id,
            title=title,
            text=encoded,
            template=comparer.ws.settings.template,
            grade=judged.grades.get(product_id) if judged else None,
            baseline=_standing(sides[0], text, product_id, len(titles)),
            candidate=_standing(sides[1], text, product_id, len(titles)),
            bm25=_standing(bm25, text, product_id, len(titles)),
            readings=(
                self._reading(encoders[0], text, product_id, encoded),
                self._reading(encoders[1], text, product_id, encoded),
            ),
            words=len(words_of(encoded)),
            products=len(titles),
        )

    def nearby(self, query: str, product_id: str, baseline: str, candidate: str = "") -> Nearby:
        """The judged queries nearest to `query`, by the candidate's encoder, else the baseline's.

        Each call encodes a few of the judged queries that have no vector yet; ask again until
        `done` is `total`. Only then there are hits.

        Raises:
            RankbenchError: as `explain`.
        """
        comparer = self._comparer
        names = (candidate or comparer.default_candidate(), baseline)
        side = next((s for s in map(self._encoder_of, names) if s is not None), None)
        queries = comparer.judged_queries()
        if side is None:
            return Nearby("", len(queries), len(queries), ())
        vectors = self._judged_vectors(side)
        done = vectors.step(queries)
        hits = ()
        if done == len(queries):
            own = comparer.find_query(clean_query(query))
            own_id = own.query_id if own else None
            hits = vectors.nearest(side.vector(query), product_id, own_id)
        return Nearby(side.name, done, len(queries), hits)

    def _encoder_of(self, name: str) -> EncoderSide | None:
        encoder = parse_side(name).encoder
        side = self._comparer.side(encoder) if encoder else None
        return side if isinstance(side, EncoderSide) else None

    def _judged_vectors(self, side: EncoderSide) -> JudgedVectors:
        if side.fingerprint not in self._judged:
            ws = self._comparer.ws
            path = ws.cache_dir / f"queries-{side.fingerprint}.npz"
            self._judged[side.fingerprint] = JudgedVectors(path, side.encoder, not ws.read_only)
        self._judged.move_to_end(side.fingerprint)
        if len(self._judged) > _KEPT_ENCODERS:
            self._judged.popitem(last=False)
        return self._judged[side.fingerprint]

    def _prepare(
        self, sides: Iterable[EncoderSide], query: str, text: str, pause: Callable[[], object]
    ) -> None:
        """Encode what is not kept yet, a piece of every encoder's at a time."""
        while len(self._vectors) > _KEPT_VECTORS:
            self._vectors.popitem(last=False)
        works = [self._pieces(s, query, text) for s in {s.fingerprint: s for s in sides}.values()]
        for pieces in zip_longest(*works):
            self._together([piece for piece in pieces if piece is not None])
            pause()

    def _pieces(self, side: EncoderSide, query: str, text: str) -> list[Work]:
        """Work that encodes the missing vectors of one encoder, in pieces."""
        found: list[Work] = []
        self._vectors[side.fingerprint, "query", query] = side.vector(query)
        for kind, whole, encode in (
            ("query", query, side.encoder.encode_queries),
            ("text", text, side.encoder.encode_documents),
        ):
            texts = dict.fromkeys(
                [whole, *(left.rest for left in leave_one_out(whole) if left.rest)]
            )
            missing = [t for t in texts if (side.fingerprint, kind, t) not in self._vectors]
            for start in range(0, len(missing), _PIECE):
                part = missing[start : start + _PIECE]
                found.append(partial(self._encode, encode, side.fingerprint, kind, part))
        return found

    def _encode(
        self,
        encode: Callable[[Sequence[str]], np.ndarray],
        fingerprint: str,
        kind: str,
        texts: Sequence[str],
    ) -> None:
        for text, vector in zip(texts, encode(texts), strict=True):
            self._vectors[fingerprint, kind, text] = vector

    def _reading(
        self, side: EncoderSide | None, query: str, product_id: str, text: str
    ) -> Reading | None:
        if side is None:
            return None

        def vector(kind: str, of: str) -> np.ndarray:
            key = (side.fingerprint, kind, of)
            self._vectors.move_to_end(key)
            return self._vectors[key]

        asked, told = vector("query", query), vector("text", text)
        drops = [
            tuple(
                WordDrop(
                    left.word,
                    position,
                    float((whole - vector(kind, left.rest)) @ other) if left.rest else None,
                )
                for position, left in enumerate(leave_one_out(full))
            )
            for kind, full, whole, other in (
                ("query", query, asked, told),
                ("text", text, told, asked),
            )
        ]
        row = side.matrix.rows.get(product_id)
        cosine = None if row is None else float(side.matrix.vectors[row] @ asked)
        return Reading(side.name, cosine, *drops)


def strongest(
    left: Sequence[WordDrop] | None, right: Sequence[WordDrop] | None
) -> list[tuple[str, float | None, float | None]]:
    """Each word with its drop for two encoders that read the same text, the largest first.

    Large on either side counts, whatever its sign; an encoder that is None has no drops.
    """
    words = left if left is not None else right
    rows = [
        (word.word, left[at].drop if left else None, right[at].drop if right else None)
        for at, word in enumerate(words or ())
    ]
    return sorted(rows, key=lambda row: -max(abs(drop or 0.0) for drop in row[1:]))


def _standing(side: Side, query: str, product_id: str, products: int) -> Standing:
    ranking = side.rank(query, products)
    kind = KINDS[parse_side(side.name).kind]
    if product_id not in ranking.product_ids:
        return Standing(side.name, kind, None, None)
    at = ranking.product_ids.index(product_id)
    return Standing(side.name, kind, at + 1, None if kind == "run" else ranking.scores[at])
