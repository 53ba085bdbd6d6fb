"""Cosines of queries with single fields of their Exact and Irrelevant products, for one encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np

    from engine.encoders.load import Encoder
    from engine.evaluation.frame import Evaluation, QueryRow
    from engine.evaluation.intervals import Delta
    from engine.evaluation.pair_cosines import Pair

FIELDS = ("title", "description")
_BLOCK = 128
"""Texts between two reports of progress: seconds, for long descriptions."""

Cosines = Mapping[str, float | None]
"""`engine.evaluation.pair_cosines.NAMES` -> mean; None without vectors or without such a pair."""


@dataclass(frozen=True, slots=True)
class SideCosines:
    """The field cosines of both sides of an evaluation.

    Attributes:
        baseline, candidate: of a side without vectors (bm25, a fusion, a run) each is None.
        delta: name -> candidate minus baseline, where both have it, as `cosine_delta`.
    """

    baseline: Cosines
    candidate: Cosines
    delta: Mapping[str, Delta] = field(default_factory=dict)

    def known(self) -> bool:
        """Whether a side has any."""
        return any(v is not None for v in (*self.baseline.values(), *self.candidate.values()))


def side_cosines(
    ws: Workspace,
    evaluation: Evaluation,
    starting: Callable[[str], None] = lambda encoder: None,
    progress: Callable[[int, int], None] | None = None,
) -> SideCosines:
    """Mean cosines of queries with the fields of their products, for both sides of an evaluation.

    Args:
        starting: called with an encoder's name before its fields are encoded.
        progress: as in `field_pairs`.
    """
    from engine.evaluation.pair_cosines import NAMES, cosine_delta, cosine_means
    from engine.ranking.sides import parse_side

    pairs: list[list[Pair]] = []
    for side in (evaluation.baseline, evaluation.candidate):
        if parse_side(side.encoder).kind == "encoder":
            starting(side.encoder)
            pairs.append(field_pairs(ws, side.encoder, evaluation.rows, progress))
        else:
            pairs.append([])
    deltas = {name: cosine_delta(name, *pairs) for name in NAMES} if all(pairs) else {}
    return SideCosines(
        *map(cosine_means, pairs),
        {name: delta for name, delta in deltas.items() if delta is not None},
    )


def field_pairs(
    ws: Workspace,
    encoder_name: str,
    rows: Sequence[QueryRow],
    progress: Callable[[int, int], None] | None = None,
) -> list[Pair]:
    """The cosine of each Exact and Irrelevant pair with each field that the product has.

    Args:
        encoder_name: an encoder of the workspace, not bm25 or a fusion: those have no vectors.
        rows: the queries of an evaluation, with the grades of their products.
        progress: called with (texts encoded, texts to encode).

    Field vectors are kept in the workspace's cache by the encoder's fingerprint and the text; what
    was encoded before an interruption is kept too.

    Raises:
        RankbenchError: no such encoder.
    """
    from engine.encoders.fingerprint import fingerprint
    from engine.encoders.load import load_encoder
    from engine.encoders.registry import resolve
    from engine.evaluation.pair_cosines import cosine_pairs

    info = resolve(ws, encoder_name)
    encoder = load_encoder(info.path, live=True)
    cache = ws.cache_dir / f"fields-{fingerprint(info.path)}.npz"
    return cosine_pairs(
        encoder,
        rows,
        field_texts(ws),
        lambda encoder, texts: _vectors(encoder, texts, cache, progress),
    )


def field_texts(ws: Workspace) -> dict[str, dict[str, str]]:
    """Field -> product id -> its text as an encoder reads it, of the fields the catalog has."""
    from engine.catalog.template import Template
    from engine.index.store import read_items

    items = read_items(ws)
    ids = items["product_id"].to_list()
    return {
        name: dict(zip(ids, Template(name).render(items).to_list(), strict=True))
        for name in FIELDS
        if name in items.columns
    }


def _vectors(
    encoder: Encoder,
    texts: Sequence[str],
    cache: Path,
    progress: Callable[[int, int], None] | None,
) -> np.ndarray:
    """The unit vectors of the texts [n, dim], from the cache where they are there."""
    import numpy as np

    from engine.catalog.template import content_hashes
    from engine.encoders.kept_vectors import read_vectors, write_vectors

    hashes = content_hashes(texts)
    kept = read_vectors(cache, encoder.dim)
    missing = [(text, key) for text, key in zip(texts, hashes, strict=True) if key not in kept]
    # The longest first: the time left that is shown then ends early rather than late.
    missing.sort(key=lambda item: len(item[0]), reverse=True)
    before = len(kept)
    try:
        for start in range(0, len(missing), _BLOCK):
            if progress is not None:
                progress(start, len(missing))
            block = missing[start : start + _BLOCK]
            vectors = encoder.encode_documents([text for text, _ in block])
            kept |= {key: vector for (_, key), vector in zip(block, vectors, strict=True)}
    finally:
        if len(kept) > before:
            write_vectors(cache, kept)
    if progress is not None:
        done = len(missing) or len(texts)
        progress(done, done)
    return np.stack([kept[key] for key in hashes])
