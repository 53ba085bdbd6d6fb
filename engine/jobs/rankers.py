"""What finds candidates in a workspace: an encoder's index, and bm25."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.jobs.context import Context
from engine.jobs.index import index
from engine.training.reranking import DEPTH, Ranker


@dataclass(frozen=True, slots=True)
class Rankers:
    """The encoder's ranker, then bm25's; `prepare` encodes many queries at once."""

    rank: tuple[Ranker, Ranker]
    prepare: Callable[[Sequence[str]], None]
    fingerprint: str


def open_rankers(context: Context, encoder: str) -> Rankers:
    """Bring the encoder's index up to date and open it beside bm25.

    Raises:
        RankbenchError: no such encoder, or an index that cannot be made or read.
        Cancelled: while it was indexed.
    """
    from engine.ranking.sides import open_encoder_side, open_full_text_side

    index(context, encoder)
    side, full_text = open_encoder_side(context.ws, encoder), open_full_text_side(context.ws)
    return Rankers(
        (
            lambda query: side.rank(query, DEPTH).product_ids,
            lambda query: full_text.rank(query, DEPTH).product_ids,
        ),
        side.prepare,
        side.fingerprint,
    )
