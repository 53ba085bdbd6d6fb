"""Standing verdicts by query: who said what, where an import says otherwise, who shares them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from engine.catalog.queries import JudgedQuery
from engine.records.merged import merge, place_of
from engine.records.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Listed:
    """One standing verdict.

    Attributes:
        imported: the imported judgments' grade of the pair, "" where they have none.
        counts: whether the grade of the pair is decided with it. False where its judge said
            something later under another spelling.
    """

    verdict: Verdict
    imported: str
    counts: bool

    @property
    def disagrees(self) -> bool:
        """Whether an imported judgment says otherwise."""
        return bool(self.imported) and self.imported != self.verdict.grade


@dataclass(frozen=True, slots=True)
class ListedQuery:
    """The verdicts that hold for one query.

    Attributes:
        query: as the imported judgments have it, else as it was typed first.
        spellings: every spelling that shares the verdicts, the query's own first.
        separate: whether sharing was refused.
        verdicts: by product, then oldest first.
    """

    query: str
    spellings: tuple[str, ...]
    separate: bool
    verdicts: tuple[Listed, ...]


def list_verdicts(
    imported: Sequence[JudgedQuery],
    verdicts: Sequence[Verdict],
    separated: Collection[str] = (),
    query: str = "",
) -> list[ListedQuery]:
    """Every query with a standing verdict, by its text; only those that read like `query`, if any.

    Args:
        verdicts: standing ones, oldest first.
        separated: cleaned queries that share nothing with their equivalents.
    """
    merged = merge(imported, verdicts, separated)
    words = {}
    texts: dict[str, dict[str, None]] = defaultdict(dict)
    for known in merged.queries:
        place = place_of(known.query, separated)
        words.setdefault(place, merged.words.get(known.query_id, {}))
        texts[place][known.query] = None
    groups: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        place = place_of(verdict.query, separated)
        groups[place].append(verdict)
        texts[place][verdict.query] = None
    wanted = place_of(query, separated) if query else ""
    found = []
    for place, said in groups.items():
        if query and place != wanted:
            continue
        rows = []
        for verdict in sorted(said, key=lambda v: (v.product_id, v.number)):
            word = words[place].get(verdict.product_id)
            counts = word is not None and verdict in word.verdicts
            rows.append(Listed(verdict, word.imported if word else "", counts))
        spellings = tuple(texts[place])
        found.append(ListedQuery(spellings[0], spellings, place.startswith("="), tuple(rows)))
    return sorted(found, key=lambda listed: listed.query)
