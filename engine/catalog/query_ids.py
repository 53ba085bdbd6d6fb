"""Under which id a query of a new file is kept, beside those that are known already."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from engine.catalog.normalise import normalise_query, query_tokens


def place_queries(
    pairs: Iterable[tuple[str, str]], known: Mapping[str, str], *, made: bool = False
) -> dict[str, str]:
    """A file's query id -> the id under which the query is kept.

    A query whose id is known with the same text keeps its id; else it joins the known query of
    its text; else it keeps its id where that is free, or gets a fresh one. So the ids of two
    files may overlap, or differ, without their judgments being mixed or divided. Two ids of one
    file are two queries even where their texts are equal: the file says so.

    Args:
        pairs: id and text of the file's queries, each id once.
        known: id -> text of those that are there.
        made: whether the file's ids only number its queries.
    """
    pairs = list(pairs)
    placed = {given: given for given, text in pairs if given in known and _same(text, known[given])}
    used = set(placed)
    by_text = _by_text(known)
    taken = set(known)
    for given, text in pairs:
        if given in placed:
            continue
        alike = by_text.get(normalise_query(text), ())
        free = [query_id for query_id in alike if query_id not in used]
        # An exact spelling first, so that 'shoe' and 'shoes' of a file find their own again.
        home = next((query_id for query_id in free if known[query_id] == text), "")
        home = home or (free[0] if free else "" if given in taken else given)
        if not home:
            avoid = taken if made else taken.union(given for given, _ in pairs)
            home = next(name for name in _names(given, made, len(known)) if name not in avoid)
        placed[given] = home
        used.add(home)
        taken.add(home)
    return {given: placed[given] for given, _ in pairs}


def _same(text: str, other: str) -> bool:
    """Under one id a changed mark or order of words is a correction, not another query."""
    if normalise_query(text) == normalise_query(other):
        return True
    words = query_tokens(text)
    return bool(words) and words == query_tokens(other)


def _by_text(known: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for query_id in sorted(known):
        found.setdefault(normalise_query(known[query_id]), []).append(query_id)
    return found


def _names(given: str, made: bool, known: int) -> Iterator[str]:
    number = known if made else 1
    while True:
        number += 1
        yield f"q{number:04d}" if made else f"{given}-{number}"


def joined_and_renamed(
    ids: Mapping[str, str], known: Collection[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Of `place_queries`' answer, what joined a known query and what got a fresh id."""
    moved = {given: kept for given, kept in ids.items() if given != kept}
    joined = {given: kept for given, kept in moved.items() if kept in known}
    return joined, {given: kept for given, kept in moved.items() if kept not in known}
