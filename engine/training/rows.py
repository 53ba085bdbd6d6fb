"""The rows that a recipe trains on, by its loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from engine.catalog.normalise import clean_query, normalise_query
from engine.catalog.queries import JudgedQuery
from engine.errors import RankbenchError
from engine.evaluation.breakdowns import top_level
from engine.training.basket import Basket
from engine.training.examples import Example, Examples, build_examples, hash_rows
from engine.training.file_weights import weigh
from engine.training.graded import Drawing, build_lists, build_pairs
from engine.training.recipe import Recipe
from engine.training.synthetic import ScoredList

PAIRS = ("contrastive", "cosine", "cosent")


@dataclass(frozen=True, slots=True)
class Products:
    """What a recipe may read of the catalog beside the rendered texts; product id -> text."""

    descriptions: Mapping[str, str] = field(default_factory=dict)
    categories: Mapping[str, str] = field(default_factory=dict)


NOTHING = Products()


def rows_of(
    recipe: Recipe,
    queries: Sequence[JudgedQuery],
    texts: Mapping[str, str],
    gains: Mapping[str, float],
    products: Products,
    seed: int,
) -> Examples:
    """The rows of a run on judgments, each as often as its judgment files' weights say (`weigh`).

    Raises:
        RankbenchError: nothing to train on, or nothing to contrast.
    """
    if recipe.loss in PAIRS or recipe.loss == "listwise":
        drawing = Drawing(
            gains,
            recipe["targets"],
            recipe["max_per_query"],
            int(recipe.get("documents", 2)),
            seed,
        )
        if recipe.loss == "listwise":
            found = build_lists(queries, texts, drawing)
        else:
            further = [products.descriptions] if recipe["descriptions"] else []
            found = build_pairs(queries, texts, drawing, further)
    else:
        found = build_examples(
            queries,
            texts,
            max_per_query=recipe["max_per_query"],
            negatives=recipe.get("negatives", 1),
            seed=seed,
        )
    return _in_strata(weigh(found, queries, seed), recipe, queries, products)


def rows_of_basket(
    recipe: Recipe,
    basket: Basket,
    queries: Sequence[JudgedQuery],
    texts: Mapping[str, str],
    seed: int,
) -> Examples:
    """The rows of a run on verdicts; `queries` are all judged ones.

    Raises:
        RankbenchError: nothing to train on.
    """
    from engine.training.flags import flag_examples

    return flag_examples(basket, queries, texts, recipe, seed)


def rows_of_lists(
    recipe: Recipe, lists: Sequence[ScoredList], texts: Mapping[str, str]
) -> Examples:
    """Rows of one query of a log and `documents` products with a teacher's scores as targets.

    A query with another number of products, or without a text, is left out and counted.

    Raises:
        RankbenchError: nothing is left.
    """
    size = int(recipe["documents"])
    rows, used = [], []
    for number, (asked, products, scores) in enumerate(lists):
        text = clean_query(asked)
        if not text or len(products) != size:
            continue
        query = JudgedQuery(f"log:{number}", text, imported=False)
        documents = tuple(texts[product] for product in products)
        used.append(query)
        rows.append(
            Example(
                query.query_id, text, products[0], documents[0], products[1:], documents[1:], scores
            )
        )
    if len(rows) < 2:
        raise RankbenchError(
            f"Of {len(lists)} queries of the log {len(rows)} have {size} scored products.",
            "Take a longer log, or fewer products a row: `--set documents=4`.",
        )
    left = len(lists) - len(used)
    notes = (f"{left} queries of the log with fewer than {size} scored products left out",)
    # Nothing is known to be right for a query of a log, but its teacher gave each of its list a
    # part of the softmax.
    relevant = {normalise_query(row.query): frozenset[str]() for row in rows}
    wanted = dict(relevant)
    for row in rows:
        wanted[normalise_query(row.query)] |= frozenset(row.documents())
    notes = notes if left else ()
    return Examples(tuple(rows), relevant, tuple(used), hash_rows(rows), notes, wanted=wanted)


def check_ranks(recipe: Recipe, texts: Mapping[str, str]) -> None:
    """Raise RankbenchError where a recipe that mines begins below the last of the catalog."""
    first, products = int(recipe.get("mine_from", 0)), sum(bool(text) for text in texts.values())
    if first >= products:
        raise RankbenchError(
            f"mine_from = {first} passes over all {products} products of the catalog.",
            "Give fewer: `--set mine_from=0`.",
        )


def _in_strata(
    examples: Examples, recipe: Recipe, queries: Sequence[JudgedQuery], products: Products
) -> Examples:
    """The rows with what those of one batch should share."""
    by = recipe.get("strata", "none")
    if by == "none":
        return examples
    known = {query.query_id: query for query in queries}

    def of(row: Example) -> str:
        query = known.get(row.query_id)
        if by == "category":
            return top_level(products.categories.get(row.positive_id, ""))
        if query is None:
            return ""
        if by == "source":
            return query.sources.get(row.positive_id, "")
        return query.columns.get("locale", "")

    strata = tuple(of(row) for row in examples.rows)
    if not any(strata):
        raise RankbenchError(
            f"strata = {by}: no training row has a {by}.",
            "Train with `--set strata=none`, or give the catalog or the queries that column.",
        )
    return replace(examples, strata=strata)
