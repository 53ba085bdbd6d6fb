"""Cosines of queries with single fields of their Exact and Irrelevant products, for one encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np

    from engine.encoders.load import Encoder
    from engine.evaluation.frame import Evaluation, QueryRow

FIELDS = ("title", "description")

Cosines = Mapping[str, float | None]


def side_cosines(
    ws: Workspace, evaluation: Evaluation, starting: Callable[[str], None] = lambda encoder: None
) -> dict[str, Cosines]:
    """`field_cosines` of both sides of an evaluation, under "baseline" and "candidate".

    A side without vectors (bm25, a fusion, a run) has None for each.

    Args:
        starting: called with an encoder's name before its fields are encoded.
    """
    from engine.ranking.sides import parse_side

    found: dict[str, Cosines] = {}
    for key, side in (("baseline", evaluation.baseline), ("candidate", evaluation.candidate)):
        if parse_side(side.encoder).kind == "encoder":
            starting(side.encoder)
            found[key] = field_cosines(ws, side.encoder, evaluation.rows)
        else:
            found[key] = {
                f"{field}_{what}": None for field in FIELDS for what in ("cosine", "margin")
            }
    return found


def field_cosines(
    ws: Workspace, encoder_name: str, rows: Sequence[QueryRow]
) -> dict[str, float | None]:
    """Mean cosine over the Exact pairs and its margin over the Irrelevant ones, by field.

    Args:
        encoder_name: an encoder of the workspace, not bm25 or a fusion: those have no vectors.
        rows: the queries of an evaluation, with the grades of their products.

    Returns:
        `title_cosine`, `title_margin`, `description_cosine`, `description_margin`; None where no
        pair has the field. Pairs whose field is empty are left out.

    Field vectors are kept in the workspace's cache by the encoder's fingerprint and the text.

    Raises:
        RankbenchError: no such encoder.
    """
    from engine.encoders.fingerprint import fingerprint
    from engine.encoders.load import load_encoder
    from engine.encoders.registry import resolve
    from engine.evaluation.pair_cosines import cosine_means, cosine_pairs

    info = resolve(ws, encoder_name)
    encoder = load_encoder(info.path, live=True)
    cache = ws.cache_dir / f"fields-{fingerprint(info.path)}.npz"
    pairs = cosine_pairs(
        encoder, rows, field_texts(ws), lambda encoder, texts: _vectors(encoder, texts, cache)
    )
    return cosine_means(pairs)


def field_texts(ws: Workspace) -> dict[str, dict[str, str]]:
    """Field -> product id -> its text as an encoder reads it, of the fields the catalog has."""
    from engine.catalog.template import Template
    from engine.index.store import read_items

    items = read_items(ws)
    ids = items["product_id"].to_list()
    return {
        field: dict(zip(ids, Template(field).render(items).to_list(), strict=True))
        for field in FIELDS
        if field in items.columns
    }


def _vectors(encoder: Encoder, texts: Sequence[str], cache: Path) -> np.ndarray:
    """The unit vectors of the texts [n, dim], from the cache where they are there."""
    import numpy as np

    from engine.catalog.template import content_hashes
    from engine.encoders.kept_vectors import read_vectors, write_vectors

    hashes = content_hashes(texts)
    kept = read_vectors(cache, encoder.dim)
    missing = [(text, key) for text, key in zip(texts, hashes, strict=True) if key not in kept]
    if missing:
        missing.sort(key=lambda item: len(item[0]))
        vectors = encoder.encode_documents([text for text, _ in missing])
        kept |= {key: vector for (_, key), vector in zip(missing, vectors, strict=True)}
        write_vectors(cache, kept)
    return np.stack([kept[key] for key in hashes])
