from __future__ import annotations

import polars as pl
import pytest

from engine.catalog.schema import canonicalise
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
    with pytest.raises(RankbenchError, match="no product") as caught:
        canonicalise(pl.DataFrame({"id": [None, ""], "t": ["x", "y"]}), {"product_id": "id"})
    assert "--column" in caught.value.todo


def test_a_mapped_column_that_is_not_there_is_named() -> None:
    with pytest.raises(RankbenchError, match="sku"):
        canonicalise(pl.DataFrame({"id": ["1"]}), {"product_id": "sku"})
