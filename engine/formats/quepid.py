"""Quepid's judgment exports.

The basic one has `query,docid,rating`; the detailed ones add `Team Name, Case Name, Case ID, …,
Doc Position, Title` and write the others as `Query Text, Doc ID, Rating`. Rows without a rating are
results that nobody judged yet. The columns are told by the general names; here is what is Quepid's
own.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.formats.columns import slug

# About the case, not about the query.
HOUSEKEEPING = {
    "team_name", "case_name", "case_id", "case", "team", "scorer", "date_of_rating", "notes",
    "information_need", "doc_position", "snapshot_time", "snapshot_name", "try",
}  # fmt: skip


def is_quepid(names: Sequence[str]) -> bool:
    """Whether these are the columns of a Quepid export."""
    slugs = {slug(name) for name in names}
    basic = {"query", "docid", "rating"} <= slugs and "docId" not in names
    return basic or ({"query_text", "doc_id", "rating"} <= slugs and bool(slugs & HOUSEKEEPING))
