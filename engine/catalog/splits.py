"""Train, dev and test by whole groups of linked queries, and folds in the same manner.

Two queries that say nearly the same, or that share judged products, are one piece of evidence:
training on one and testing on the other would measure memory. They are linked, and a linked group
is never divided.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.catalog.normalise import normalise_query, query_tokens
from engine.catalog.queries import JudgedQuery
from engine.errors import RankbenchError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

SHARES = {"train": 0.60, "dev": 0.15, "test": 0.25}
JACCARD = 0.8
SHARED_PRODUCTS = 3
# What links two queries: near-equal texts always, and besides them these; the widest first.
ANY_PRODUCTS, EXACT_PRODUCTS, TEXTS = "products", "exact products", "texts"
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Links:
    """Query id -> the number of its linked group, and the rule that held (see `link`)."""

    groups: Mapping[str, int]
    rule: str = ANY_PRODUCTS


def link_groups(queries: Sequence[JudgedQuery]) -> dict[str, int]:
    """The groups of `link`."""
    return dict(link(queries).groups)


def link(queries: Sequence[JudgedQuery]) -> Links:
    """Which queries belong together; groups are numbered from 0 in the order of `queries`.

    Two queries are linked when their normalised texts are equal, when the Jaccard overlap of
    their normalised words is at least .8, or when they share at least three judged products;
    links chain.

    In a densely pooled set sharing products can chain nearly everything into one group, which no
    split could divide. Where one group would hold more than half of ten or more queries, only
    shared Exact products count, and where that is still so, only the texts. `rule` says which
    held: ANY_PRODUCTS, EXACT_PRODUCTS or TEXTS.
    """
    if not queries:
        return Links({})
    ids = [query.query_id for query in queries]
    links = _text_links(queries)
    for rule, grades in ((ANY_PRODUCTS, "ESCI"), (EXACT_PRODUCTS, "E")):
        groups = _components(len(queries), links + _product_links(queries, grades))
        if len(queries) < 10 or 2 * max(_sizes(groups).values()) <= len(queries):
            return Links(dict(zip(ids, groups, strict=True)), rule)
    return Links(dict(zip(ids, _components(len(queries), links), strict=True)), TEXTS)


def assign_splits(queries: Sequence[JudgedQuery], seed: int = 0) -> dict[str, str]:
    """Query id -> "train", "dev" or "test" for every query: 60 / 15 / 25 by whole groups.

    A query that has a split keeps it, and the rest of its group joins it; where a group's given
    splits differ, its unassigned queries join train before dev before test, so that none is
    tested on what a neighbour was trained on. The same queries and seed give the same answer in
    any order.
    """
    return assign_splits_by(link(queries).groups, queries, seed)


def assign_splits_by(
    groups: Mapping[str, int], queries: Sequence[JudgedQuery], seed: int = 0
) -> dict[str, str]:
    """`assign_splits` over groups that are known already."""
    ordered = sorted(queries, key=lambda query: query.query_id)
    members = _members(groups, ordered)
    counts = dict.fromkeys(SHARES, 0)
    result: dict[str, str] = {}
    free: list[list[JudgedQuery]] = []
    for group in members:
        given = {query.split for query in group if query.split}
        home = next((split for split in SHARES if split in given), None)
        if home is None:
            free.append(group)
            continue
        for query in group:
            result[query.query_id] = query.split or home
            counts[query.split or home] = counts.get(query.split or home, 0) + 1
    for group in _shuffled_by_size(free, seed):
        # Where the largest part of its target is still open, so that small sets get a test too.
        home = max(SHARES, key=lambda split: SHARES[split] * len(ordered) - counts[split])
        counts[home] += len(group)
        result |= {query.query_id: home for query in group}
    return result


def folds(queries: Sequence[JudgedQuery], k: int = 5, seed: int = 0) -> dict[str, int]:
    """Query id -> fold, 0 to k - 1: whole linked groups, as even in queries as they allow.

    Raises:
        RankbenchError: fewer than two folds, or fewer linked groups than folds.
    """
    ordered = sorted(queries, key=lambda query: query.query_id)
    return folds_by(link_groups(ordered), ordered, k, seed)


def folds_by(
    groups: Mapping[str, int], queries: Sequence[JudgedQuery], k: int = 5, seed: int = 0
) -> dict[str, int]:
    """`folds` over groups that are known already."""
    ordered = sorted(queries, key=lambda query: query.query_id)
    members = _members(groups, ordered)
    if k < 2 or len(members) < k:
        raise RankbenchError(
            f"{len(ordered)} judged queries in {len(members)} linked groups cannot make {k} folds.",
            "Ask for 2 folds or more, and no more than there are groups, or import more judgments.",
        )
    sizes = [0] * k
    result: dict[str, int] = {}
    for group in _shuffled_by_size(members, seed):
        fold = sizes.index(min(sizes))
        sizes[fold] += len(group)
        result |= {query.query_id: fold for query in group}
    return result


def _members(groups: Mapping[str, int], ordered: Sequence[JudgedQuery]) -> list[list[JudgedQuery]]:
    members: dict[int, list[JudgedQuery]] = {}
    for query in ordered:
        members.setdefault(groups[query.query_id], []).append(query)
    return list(members.values())


def _shuffled_by_size(groups: list[list[JudgedQuery]], seed: int) -> list[list[JudgedQuery]]:
    """Largest first, since those are hardest to place; equal sizes in an order set by `seed`."""
    shuffled = list(groups)
    random.Random(seed).shuffle(shuffled)
    return sorted(shuffled, key=len, reverse=True)


def _sizes(groups: list[int]) -> dict[int, int]:
    sizes: dict[int, int] = {}
    for group in groups:
        sizes[group] = sizes.get(group, 0) + 1
    return sizes


def _components(count: int, links: list[tuple[int, int]]) -> list[int]:
    """Union-find; groups are numbered by their first member."""
    parent = list(range(count))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for left, right in links:
        a, b = root(left), root(right)
        parent[max(a, b)] = min(a, b)
    numbers: dict[int, int] = {}
    return [numbers.setdefault(root(item), len(numbers)) for item in range(count)]


def _text_links(queries: Sequence[JudgedQuery]) -> list[tuple[int, int]]:
    first: dict[str, int] = {}
    equal = [
        (first.setdefault(normalise_query(query.query), row), row)
        for row, query in enumerate(queries)
    ]
    # Equal texts are linked already, and one row of each keeps the matrix small.
    rows = list(first.values())
    words = _incidence([sorted(query_tokens(queries[row].query)) for row in rows])
    return equal + [(rows[a], rows[b]) for a, b in _near_pairs(words, jaccard=JACCARD)]


def _product_links(queries: Sequence[JudgedQuery], grades: str) -> list[tuple[int, int]]:
    products = [
        [product for product, grade in query.grades.items() if grade in grades] for query in queries
    ]
    return _near_pairs(_incidence(products), shared=SHARED_PRODUCTS)


def _incidence(rows: list[list[str]]) -> csr_matrix:
    """Which row holds which item, as a sparse 0/1 matrix [rows, items]."""
    import numpy as np
    from scipy.sparse import csr_matrix

    numbers: dict[str, int] = {}
    indices = [numbers.setdefault(item, len(numbers)) for row in rows for item in row]
    starts = np.cumsum([0] + [len(row) for row in rows])
    data = np.ones(len(indices), dtype=np.int32)
    return csr_matrix((data, indices, starts), shape=(len(rows), max(1, len(numbers))))


def _near_pairs(
    matrix: csr_matrix, *, jaccard: float | None = None, shared: int = 1
) -> list[tuple[int, int]]:
    """Links that join all rows with enough in common, at most one a row and block.

    Block by block, so that a dense set costs time and not memory.
    """
    import numpy as np
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    sizes = np.diff(matrix.indptr)
    turned = matrix.T.tocsr()
    rows = matrix.shape[0]
    pairs: list[tuple[int, int]] = []
    for start in range(0, rows, _BLOCK):
        common = (matrix[start : start + _BLOCK] @ turned).tocoo()
        left, right, count = common.row + start, common.col, common.data
        near = (count >= shared) & (left < right)
        if jaccard is not None:
            # In whole counts a rounding error at exactly .8 would decide by chance.
            near &= count >= jaccard * (sizes[left] + sizes[right] - count) - 1e-9
        linked = coo_matrix((np.ones(near.sum()), (left[near], right[near])), shape=(rows, rows))
        labels = connected_components(linked, directed=False)[1]
        first = np.unique(labels, return_index=True)[1][labels]
        joined = np.flatnonzero(first != np.arange(rows))
        pairs += zip(first[joined].tolist(), joined.tolist(), strict=True)
    return pairs
