"""What a training job reads of its workspace; the dry run reads the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import RankbenchError, UsageError
from engine.records import Merged, Records, Verdicts, merge
from engine.training.basket import BASE, SOURCES, TOP, Basket, Top, basket
from engine.training.recipe import Recipe, load_recipe
from engine.workspace import Workspace


def source_of(recipe: Recipe, params: Mapping[str, Any]) -> str:
    """What a run is trained on: the params' `source`, else the recipe's own.

    Raises:
        UsageError: there is no such source.
    """
    source = str(params.get("source") or ("flags" if recipe.loss == "flags" else "judgments"))
    if source not in SOURCES:
        raise UsageError(f"There is no source {source!r}.", f"Choose one of {', '.join(SOURCES)}.")
    return source


def read_merged(ws: Workspace) -> Merged:
    """Judgments and verdicts as one set; judged queries without a split are given one first."""
    with Records(ws.records_path) as records:
        records.assign_missing_splits()
        imported = records.judged_queries()
    with Verdicts(ws.records_path) as verdicts:
        return merge(imported, verdicts.standing(), verdicts.separated())


def read_texts(ws: Workspace) -> tuple[dict[str, str], str]:
    """Product id -> rendered text, and the catalog's hash."""
    from engine.index.store import catalog_hash, read_items

    items = read_items(ws, ["product_id", "text"])
    texts = dict(zip(items["product_id"].to_list(), items["text"].to_list(), strict=True))
    return texts, catalog_hash(ws)


def read_basket(
    ws: Workspace,
    params: Mapping[str, Any],
    merged: Merged | None = None,
    texts: Mapping[str, str] | None = None,
) -> Basket:
    """The basket of a run with these params (see `engine.jobs.train`). Blocking.

    Raises:
        UsageError: an unknown recipe or source, or a wrong `set`.
        RankbenchError: the workspace cannot be read.
    """
    recipe = load_recipe(str(params.get("recipe") or "flags")).with_set(params.get("set") or [])
    source = source_of(recipe, params)
    return basket(
        merged or read_merged(ws),
        texts or read_texts(ws)[0],
        sides_top(ws, str(params.get("base") or BASE)),
        recipe,
        source=source,
        include_test=bool(params.get("include_test")),
        deselected=[(str(q), str(p)) for q, p in params.get("deselected") or ()],
        seed=int(params.get("seed") or 0),
    )


def sides_top(ws: Workspace, base: str) -> Top:
    """The top of any side by its name; a side that cannot answer has none. Loads on demand."""
    from engine.ranking.comparer import Comparer

    comparer: list[Comparer] = []

    def top(side: str, query: str) -> Sequence[str]:
        if not comparer:
            comparer.append(Comparer(ws))
        try:
            ranking = comparer[0].side(base if side == BASE else side).rank(query, TOP)
        except RankbenchError:
            return ()
        return [str(product) for product in ranking.product_ids]

    return top
