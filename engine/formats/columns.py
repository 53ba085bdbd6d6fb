"""Which column is which: guesses by name, and a person's overrides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from engine.catalog.schema import CANONICAL
from engine.errors import UsageError

# The likeliest first: the first of these names that the file has is taken.
PRODUCT_NAMES: Mapping[str, tuple[str, ...]] = {
    "product_id": (
        "product_id", "productid", "asin", "sku", "item_id", "itemid", "article_id",
        "article_number", "doc_id", "docid", "document_id", "product_code", "variant_id",
        "style_id", "uniq_id", "uid", "gtin", "ean", "upc", "handle", "id", "_id",
        "identifier", "key", "code", "product_number", "item_number", "object_id",
    ),
    "title": (
        "title", "product_title", "name", "product_name", "item_name", "item_title",
        "product_display_name", "display_name", "productname", "heading", "headline",
        "short_description", "product", "text", "item", "label",
    ),
    "description": (
        "description", "product_description", "long_description", "item_description",
        "full_description", "body_html", "body", "details", "desc", "overview", "summary",
        "about_product", "content",
    ),
    "bullet_points": (
        "bullet_points", "bullet_point", "product_bullet_point", "product_bullet_points",
        "bullets", "product_features", "features", "feature", "key_features", "highlights",
        "about", "attributes",
    ),
    "brand": (
        "brand", "product_brand", "brand_name", "manufacturer", "vendor", "maker", "label_name",
    ),
    "color": (
        "color", "colour", "product_color", "product_colour", "color_name", "base_colour",
        "base_color", "colour_group_name",
    ),
    "category": (
        "category", "categories", "category_hierarchy", "category_path", "product_category",
        "google_product_category", "category_name", "taxonomy", "product_class", "product_type",
        "main_category", "leaf_category", "department", "type",
    ),
}  # fmt: skip
JUDGMENT_NAMES: Mapping[str, tuple[str, ...]] = {
    "query_id": ("query_id", "queryid", "qid", "query_number", "topic_id", "topic", "search_id"),
    "query": (
        "query", "query_text", "querytext", "query_string", "user_query", "search_query",
        "search_term", "search_terms", "search", "keyword", "keywords", "term", "question",
    ),
    "product_id": (
        "product_id", "productid", "doc_id", "docid", "document_id", "documentid", "asin", "sku",
        "item_id", "itemid", "object_id", "document", "doc", "product", "pid", "id",
    ),
    "label": (
        "label", "esci_label", "grade", "rating", "relevance", "judgment", "judgement",
        "relevance_grade", "relevance_label", "relevance_score", "gain", "rel", "judgment_rating",
        "annotation", "verdict", "score", "value",
    ),
    "rank": ("rank", "position", "doc_position", "result_position", "pos", "row"),
}  # fmt: skip


def slug(name: str) -> str:
    """A column name in lower snake case: `productDisplayName` -> `product_display_name`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    lead = "_" if spaced.startswith("_") else ""
    return lead + re.sub(r"\W+|_+", "_", spaced).strip("_").lower()


def match_names(names: Sequence[str], known: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Role -> the column whose name is the likeliest of the role's known names; each used once."""
    slugs: dict[str, str] = {}
    for name in names:
        slugs.setdefault(slug(name), name)
    found: dict[str, str] = {}
    for role, aliases in known.items():
        for alias in aliases:
            if alias in slugs and slugs[alias] not in found.values():
                found[role] = slugs[alias]
                break
    return found


def guess_columns(frame: pl.DataFrame) -> dict[str, str]:
    """Canonical name -> source name for the product columns that can be told.

    By name first. Without a known name for the id, a single column ending in `id` whose values
    are all present and different is it; without one for the title, the single remaining column
    with text in it is.
    """
    found = match_names(frame.columns, PRODUCT_NAMES)
    if "product_id" not in found:
        like = [
            name
            for name in frame.columns
            if slug(name).endswith(("_id", "_sku", "_code"))
            and name not in found.values()
            and frame[name].null_count() == 0
            and frame[name].n_unique() == frame.height
        ]
        if len(like) == 1:
            found["product_id"] = like[0]
    if "title" not in found:
        rest = [
            name for name in frame.columns if name not in found.values() and _is_text(frame[name])
        ]
        if len(rest) == 1:
            found["title"] = rest[0]
    return {name: found[name] for name in CANONICAL if name in found}


def parse_overrides(pairs: Iterable[str]) -> dict[str, str]:
    """`["title=product_name"]` -> `{"title": "product_name"}`; an empty name unsets a guess.

    Raises:
        UsageError: no `=`, or no such canonical column.
    """
    overrides: dict[str, str] = {}
    for pair in pairs:
        canonical, equals, source = pair.partition("=")
        canonical = canonical.strip()
        if not equals or canonical not in CANONICAL:
            raise UsageError(
                f"--column {pair} does not name a column.",
                f"Write CANONICAL=NAME, where CANONICAL is one of {', '.join(CANONICAL)}.",
            )
        overrides[canonical] = source.strip()
    return overrides


def apply_overrides(
    guessed: Mapping[str, str], overrides: Mapping[str, str], names: Sequence[str]
) -> dict[str, str]:
    """The guesses with a person's overrides; an overridden source leaves its guessed role.

    Raises:
        UsageError: an override names a column that the file lacks.
    """
    for canonical, source in overrides.items():
        if source and source not in names:
            raise UsageError(
                f"--column {canonical}={source}: the file has no column {source!r}.",
                f"Its columns are: {', '.join(names)}.",
            )
    taken = set(overrides.values())
    kept = {
        name: source
        for name, source in guessed.items()
        if name not in overrides and source not in taken
    }
    kept |= {name: source for name, source in overrides.items() if source}
    return {name: kept[name] for name in CANONICAL if name in kept}


def _is_text(column: pl.Series) -> bool:
    """Whether most of the first thousand values hold letters and are not links."""
    head = column.drop_nulls().head(1000)
    if head.is_empty():
        return False
    worded = head.str.contains(r"\p{L}") & ~head.str.contains(r"(?i)^\s*https?://")
    return bool(worded.mean() > 0.5)  # type: ignore[operator]
