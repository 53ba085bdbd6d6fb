from __future__ import annotations

import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalog.schema import CANONICAL, DERIVED, canonicalise, plain_names
from engine.errors import RankbenchError


def test_columns_are_renamed_counted_and_the_rest_kept() -> None:
    frame = pl.DataFrame(
        {
            "sku": [" a ", "b", "a", None, "c"],
            "name": ["Shoe", None, "Other", "Lost", "nan"],
            "maker": ["Acme", "", "x", "x", "None"],
            "price": [1, 2, 3, 4, 5],
        }
    )
    mapping = {"title": "name", "product_id": "sku", "brand": "maker"}
    catalog, report = canonicalise(frame, mapping)
    assert catalog.columns == ["product_id", "title", "brand", "price"]
    assert set(catalog.dtypes) == {pl.String}
    assert catalog.rows() == [
        ("a", "Shoe", "Acme", "1"),
        ("b", "", None, "2"),
        ("c", "", None, "5"),
    ]
    assert (report.rows, report.kept, report.duplicates, report.no_id) == (5, 3, 1, 1)
    assert report.missing == {"title": 2, "brand": 2}


def test_without_an_id_the_row_number_is_it_and_a_note_says_so() -> None:
    catalog, report = canonicalise(pl.DataFrame({"t": ["x", "y"]}), {"title": "t"})
    assert catalog.rows() == [("1", "x"), ("2", "y")]
    assert any("row number" in note for note in report.notes)


def test_a_column_whose_canonical_name_is_taken_is_kept_under_another() -> None:
    frame = pl.DataFrame({"id": ["1"], "title": ["short"], "name": ["long"]})
    catalog, _ = canonicalise(frame, {"product_id": "id", "title": "name"})
    assert catalog.row(0, named=True) == {"product_id": "1", "title": "long", "file_title": "short"}


def test_a_catalog_without_any_id_value_is_refused() -> None:
    with pytest.raises(RankbenchError, match="column 'id'") as caught:
        canonicalise(pl.DataFrame({"id": [None, ""], "t": ["x", "y"]}), {"product_id": "id"})
    assert "--column" in caught.value.todo


def test_a_mapped_column_that_is_not_there_is_named() -> None:
    with pytest.raises(RankbenchError, match="sku"):
        canonicalise(pl.DataFrame({"id": ["1"]}), {"product_id": "sku"})


def test_further_columns_get_names_that_a_store_can_hold() -> None:
    names = [
        "price ($)",
        "price (€)",
        "Größe",
        "a.b",
        "a_b",
        "hash",
        "Title",
        "_score",
        "2024",
        "号",
    ]
    assert plain_names(names) == {
        "price ($)": "price", "price (€)": "price_2", "Größe": "Groe", "a.b": "a_b_2",
        "a_b": "a_b", "hash": "file_hash", "Title": "file_Title", "_score": "file__score",
        "2024": "file_2024", "号": "column",
    }  # fmt: skip
    frame = pl.DataFrame({"id": ["1"], "t": ["x"], "price ($)": ["5"], "price (€)": ["4"]})
    catalog, report = canonicalise(frame, {"product_id": "id", "title": "t"})
    assert catalog.row(0, named=True) == {
        "product_id": "1", "title": "x", "price": "5", "price_2": "4",
    }  # fmt: skip
    assert any("'price (€)' is price_2" in note for note in report.notes)


@given(
    st.lists(st.text(max_size=8) | st.sampled_from(["Hash", "file_hash", "a", "A"]), unique=True)
)
def test_plain_names_never_clash(names: list[str]) -> None:
    found = plain_names(names)
    assert list(found) == names
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) for name in found.values())
    lowered = [name.lower() for name in found.values()]
    assert len(set(lowered)) == len(lowered)
    assert not set(lowered) & {*CANONICAL, *DERIVED}
