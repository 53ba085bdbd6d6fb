"""What a training job reads of its workspace; the dry run reads the same."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from engine.catalog.normalise import clean_query, normalise_query
from engine.catalog.queries import JudgedQuery
from engine.encoders.registry import BASE
from engine.errors import RankbenchError, UsageError
from engine.records import Merged, Records, Verdicts, merge
from engine.training.basket import SOURCES, TOP, Basket, Top, basket
from engine.training.examples import Examples
from engine.training.flags import replay_count
from engine.training.recipe import Recipe, load_recipe
from engine.training.rows import NOTHING, Products, rows_of
from engine.training.teachers import Teacher, find_teacher, list_teachers
from engine.workspace import Workspace

LOG = "log"
"""The source of a distillation: a teacher's scores of what a log's queries find."""
_AHEAD = 512


def source_of(recipe: Recipe, params: Mapping[str, Any]) -> str:
    """What a run is trained on: the params' `source`, else the recipe's own.

    Raises:
        UsageError: there is no such source, or the recipe does not learn from it.
    """
    source = str(params.get("source") or recipe.sources[0])
    if source not in SOURCES:
        raise UsageError(f"There is no source {source!r}.", f"Choose one of {', '.join(SOURCES)}.")
    if source not in recipe.sources:
        raise UsageError(
            f"Recipe {recipe.name} does not train on {source}.",
            f"It takes {' or '.join(recipe.sources)}; verdicts go with flags, a log with distill.",
        )
    return source


def seed_of(recipe: Recipe, params: Mapping[str, Any]) -> int:
    """The run's seed: the params' own, else the recipe's."""
    given = params.get("seed")
    return int(recipe["seed"] if given is None else given)


def teacher_of(ws: Workspace, recipe: Recipe) -> Teacher | None:
    """Who the recipe's `teacher` is; None where it names none. Nothing is loaded.

    Raises:
        RankbenchError: as `find_teacher`.
    """
    name = str(recipe.get("teacher", ""))
    return find_teacher(ws, name) if name else None


def fixed_settings(ws: Workspace, settings: Sequence[str]) -> list[str]:
    """`key=value` texts that mean the same wherever a job reads them: a teacher's directory is
    named from the root.

    Raises:
        RankbenchError: as `find_teacher`.
    """
    found = []
    for text in settings:
        key, sign, name = (part.strip() for part in text.partition("="))
        if key == "teacher" and sign and name:
            teacher = find_teacher(ws, name)
            own = teacher.id in {known.id for known in list_teachers(ws)}
            text = f"teacher={teacher.id if own else teacher.fixed}"
        found.append(text)
    return found


@dataclass(frozen=True, slots=True)
class Until:
    """A moment in the records, which only grow: their newest verdict record and import."""

    verdicts: int
    imports: int


def read_until(ws: Workspace) -> Until:
    """The records' newest moment."""
    path, guard = ws.records_path, ws.read_only
    with Verdicts(path, read_only=guard) as verdicts, Records(path, read_only=guard) as records:
        return Until(verdicts.last_number(), records.last_import())


def read_merged(ws: Workspace, until: Until | None = None) -> Merged:
    """Judgments and verdicts as one set; judged queries without a split are given one first.

    Args:
        until: as they were at that moment.
    """
    imported = read_judged(ws, until)
    last = until.verdicts if until else None
    with Verdicts(ws.records_path, read_only=ws.read_only) as verdicts:
        return merge(imported, verdicts.standing(last), verdicts.separated(last))


def read_texts(ws: Workspace) -> tuple[dict[str, str], str]:
    """Product id -> rendered text, and the catalog's hash."""
    from engine.index.store import catalog_hash, read_items

    items = read_items(ws, ["product_id", "text"])
    texts = dict(zip(items["product_id"].to_list(), items["text"].to_list(), strict=True))
    return texts, catalog_hash(ws)


def read_products(ws: Workspace, recipe: Recipe, varied: Collection[str] = ()) -> Products:
    """What else of the catalog the recipe reads, or would if its `varied` parameters changed."""
    described = bool(recipe.get("descriptions", 0)) or "descriptions" in varied
    if not described and recipe.get("strata", "") != "category" and "strata" not in varied:
        return NOTHING
    from engine.catalog.template import Template
    from engine.index.store import read_items

    items = read_items(ws)
    ids = items["product_id"].to_list()

    def texts(column: str, wanted: bool = True) -> dict[str, str]:
        if not wanted or column not in items.columns:
            return {}
        return dict(zip(ids, Template(column).render(items).to_list(), strict=True))

    return Products(texts("description", described), texts("category"))


def read_basket(
    ws: Workspace,
    params: Mapping[str, Any],
    merged: Merged | None = None,
    texts: Mapping[str, str] | None = None,
    top: Top | None = None,
) -> Basket:
    """The basket of a run with these params (see `engine.jobs.train`). Blocking.

    Of a run on judgments alone it says how many rows they give, or why none.

    Raises:
        UsageError: an unknown recipe or source, or a wrong `set`.
        RankbenchError: the workspace cannot be read.
    """
    recipe = load_recipe(str(params.get("recipe") or "flags")).with_set(params.get("set") or [])
    source = source_of(recipe, params)
    if source == "judgments":
        return _judged_basket(ws, recipe, texts or read_texts(ws)[0], seed_of(recipe, params))
    merged = merged or read_merged(ws)
    base = str(params.get("base") or BASE)
    with nullcontext(top) if top else sides_top(ws, base, _without_exact(merged)) as asked:
        return basket(
            merged,
            texts or read_texts(ws)[0],
            asked,
            recipe,
            base=base,
            source=source,
            include_test=bool(params.get("include_test")),
            deselected=[(str(q), str(p)) for q, p in params.get("deselected") or ()],
            seed=seed_of(recipe, params),
        )


def check_basket(ws: Workspace, params: Mapping[str, Any], top: Top | None = None) -> None:
    """Refuse what no run can start on; an encoder is asked only where all depends on its word.

    Raises:
        RankbenchError: the basket refuses, or as `read_basket`.
    """
    recipe = load_recipe(str(params.get("recipe") or "flags")).with_set(params.get("set") or [])
    if source_of(recipe, params) == LOG:
        return  # what a set of a log holds was checked when it was made
    merged, (texts, _) = read_merged(ws), read_texts(ws)
    if read_basket(ws, params, merged, texts, lambda side, query: ()).refusal:
        read_basket(ws, params, merged, texts, top).check()


def read_judged(ws: Workspace, until: Until | None = None) -> list[JudgedQuery]:
    """The imported judgments alone; queries without a split are given one first.

    In a read-only session these stay without.

    Args:
        until: as in `read_merged`.
    """
    with Records(ws.records_path, read_only=ws.read_only) as records:
        if not ws.read_only:
            records.assign_missing_splits()
        return records.judged_queries(until=until.imports if until else None)


def judged_rows(
    queries: Sequence[JudgedQuery],
    texts: Mapping[str, str],
    recipe: Recipe,
    seed: int,
    gains: Mapping[str, float],
    products: Products,
) -> Examples:
    """The rows of a run on judgments alone, replay apart.

    Raises:
        RankbenchError: they give none.
    """
    train = [query for query in queries if query.split == "train"]
    return rows_of(recipe, train, texts, gains, products, seed)


def _judged_basket(ws: Workspace, recipe: Recipe, texts: Mapping[str, str], seed: int) -> Basket:
    queries = read_judged(ws)
    try:
        examples = judged_rows(
            queries, texts, recipe, seed, ws.settings.gains, read_products(ws, recipe)
        )
    except RankbenchError as error:
        return Basket(source="judgments", refusal=error.what, todo=error.todo)
    rows = len(examples.rows)
    taken = {normalise_query(row.query) for row in examples.rows}
    replay = replay_count(queries, texts, recipe, rows, seed, taken)
    return Basket(source="judgments", judged=rows, replay=replay, notes=examples.notes)


def _without_exact(merged: Merged) -> list[str]:
    """The queries that people spoke of and that have no Exact result."""
    spoken = [query for query in merged.queries if query.query_id in merged.words]
    return [clean_query(query.query) for query in spoken if not query.positives()]


@contextmanager
def sides_top(ws: Workspace, base: str, likely: Sequence[str] = ()) -> Iterator[Top]:
    """The top of any side by its name; a side that cannot answer has none. Loads on demand.

    What was opened is closed with the context. The base must answer: `top` raises RankbenchError
    where it is not indexed.

    Args:
        likely: cleaned queries in the order in which they may be asked for; an encoder takes many
            at a time.
    """
    from engine.ranking.comparer import Comparer

    comparer: list[Comparer] = []
    place = {query: at for at, query in enumerate(likely)}
    ready: dict[str, int] = {}

    def top(side: str, query: str) -> Sequence[str]:
        if not comparer:
            comparer.append(Comparer(ws))
        try:
            asked = comparer[0].side(side)
            at = place.get(query, -1)
            if at >= ready.get(side, 0):
                asked.prepare(likely[at : at + _AHEAD])
                ready[side] = at + _AHEAD
            ranking = asked.rank(query, TOP)
        except RankbenchError:
            if side == base:
                raise
            return ()
        return [str(product) for product in ranking.product_ids]

    try:
        yield top
    finally:
        for opened in comparer:
            opened.close()
