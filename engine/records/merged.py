"""Imported judgments and people's verdicts as one set: both are kept, the person's word wins."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from engine.catalog.normalise import clean_query, normalise_query
from engine.catalog.queries import JudgedQuery
from engine.records.verdicts import Verdict

_FROM_VERDICTS = "verdict:"


@dataclass(frozen=True, slots=True)
class Word:
    """What people say of one result of one query, all judges and equivalents together.

    Attributes:
        grade: the one most judges give; where they are even, the newest among those.
        bad: whether a verdict of that grade is a flag.
        verdicts: the standing ones, oldest first, one a judge.
        imported: the grade of the imported judgments, "" where they have none.
    """

    grade: str
    bad: bool
    verdicts: tuple[Verdict, ...]
    imported: str = ""

    @property
    def overrules(self) -> bool:
        """Whether an imported judgment says something else."""
        return bool(self.imported) and self.imported != self.grade

    @property
    def disputed(self) -> bool:
        """Whether the judges disagree."""
        return len({verdict.grade for verdict in self.verdicts}) > 1


@dataclass(frozen=True, slots=True)
class Merged:
    """Every query that anyone judged.

    Attributes:
        queries: imported ones with people's words applied, then those that only verdicts know
            (`imported` false).
        words: query id -> product id -> what people say.
        spellings: place (`place_of`) -> the cleaned queries with a verdict that share it.
    """

    queries: tuple[JudgedQuery, ...]
    words: Mapping[str, Mapping[str, Word]]
    spellings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def other_spellings(self, query: str, separated: Collection[str] = ()) -> tuple[str, ...]:
        """The spellings other than `query`'s own whose verdicts hold for it too."""
        text = clean_query(query)
        found = self.spellings.get(place_of(text, separated), ())
        return tuple(spelling for spelling in found if spelling != text)


def merge(
    imported: Sequence[JudgedQuery], verdicts: Sequence[Verdict], separated: Collection[str] = ()
) -> Merged:
    """Apply verdicts to imported queries, by equivalent spelling unless that was refused.

    Args:
        verdicts: standing ones, oldest first.
        separated: cleaned queries that share nothing with their equivalents.
    """
    alone = frozenset(separated)
    given: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        given[place_of(verdict.query, alone)].append(verdict)
    queries: list[JudgedQuery] = []
    words: dict[str, dict[str, Word]] = {}
    known: set[str] = set()
    for query in imported:
        place = place_of(query.query, alone)
        known.add(place)
        found = _words(given[place], query.grades) if place in given else {}
        if found:
            words[query.query_id] = found
            query = replace(
                query,
                grades={**query.grades, **_grades(found)},
                # These are the file's word, not a person's.
                targets=_but(query.targets, found),
                file_weights=_but(query.file_weights, found),
            )
        queries.append(query)
    for place, said in given.items():
        if place not in known:
            found = _words(said, {})
            new = JudgedQuery(
                _FROM_VERDICTS + place, said[0].query, grades=_grades(found), imported=False
            )
            words[new.query_id] = found
            queries.append(new)
    spellings = {place: tuple(sorted({v.query for v in said})) for place, said in given.items()}
    return Merged(tuple(queries), words, spellings)


def own_word(
    verdicts: Sequence[Verdict], separated: Collection[str], query: str, product_id: str, judge: str
) -> Verdict | None:
    """What `judge` says of a result under any spelling that shares `query`'s verdicts, if anything.

    Args:
        verdicts, separated: as `merge` takes them.
    """
    place = place_of(query, separated)
    said = [
        verdict
        for verdict in verdicts
        if (verdict.product_id, verdict.judge) == (product_id, judge)
        and place_of(verdict.query, separated) == place
    ]
    return said[-1] if said else None


def place_of(query: str, separated: Collection[str]) -> str:
    """What verdicts are shared under: the normalised query, or the text of one that is separate."""
    text, key = _spelling(query)
    return f"={text}" if text in separated else key


# A merge follows every verdict, over queries that stay the same.
@lru_cache(maxsize=1 << 17)
def _spelling(query: str) -> tuple[str, str]:
    text = clean_query(query)
    return text, normalise_query(text)


def _grades(words: Mapping[str, Word]) -> dict[str, str]:
    return {product: word.grade for product, word in words.items()}


def _but(values: Mapping[str, float], words: Mapping[str, Word]) -> dict[str, float]:
    return {product: value for product, value in values.items() if product not in words}


def _words(verdicts: Sequence[Verdict], imported: Mapping[str, str]) -> dict[str, Word]:
    by_product: dict[str, dict[str, Verdict]] = defaultdict(dict)
    for verdict in verdicts:
        # Oldest first: of a judge's words under several spellings the newest stays.
        by_product[verdict.product_id].pop(verdict.judge, None)
        by_product[verdict.product_id][verdict.judge] = verdict
    return {
        product: _word(tuple(said.values()), imported.get(product, ""))
        for product, said in by_product.items()
    }


def _word(verdicts: tuple[Verdict, ...], imported: str) -> Word:
    votes = Counter(verdict.grade for verdict in verdicts)
    most = max(votes.values())
    deciding = [verdict for verdict in verdicts if votes[verdict.grade] == most][-1]
    bad = any(v.bad for v in verdicts if v.grade == deciding.grade)
    return Word(deciding.grade, bad, verdicts, imported)
