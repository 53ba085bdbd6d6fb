from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from engine.errors import RankbenchError, UsageError
from engine.formats.columns import parse_overrides, slug
from engine.formats.products import read_products

ESCI_SMALL = Path(
    os.environ.get("RANKBENCH_ESCI", Path(__file__).parents[3] / "shared/data/esci-small")
)


def csv(tmp_path: Path, text: str, name: str = "shop.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("asin,product_title,brand,color", ["asin", "product_title", "brand", "color"]),
        ("SKU;Name;Manufacturer;Colour", ["SKU", "Name", "Manufacturer", "Colour"]),
        ("id,productDisplayName,vendor,baseColour",
         ["id", "productDisplayName", "vendor", "baseColour"]),
        ("Item ID,Item Name,Brand Name,Color Name",
         ["Item ID", "Item Name", "Brand Name", "Color Name"]),
        ("shop_id,wording,maker,colour", ["shop_id", "wording", "maker", "colour"]),
    ],
)  # fmt: skip
def test_columns_are_guessed_by_their_names(
    tmp_path: Path, header: str, expected: list[str]
) -> None:
    delimiter = ";" if ";" in header else ","
    rows = [f"{n},Red shoe {n},Acme,red".replace(",", delimiter) for n in range(3)]
    _, columns, _ = read_products(csv(tmp_path, "\n".join([header, *rows])))
    assert columns == dict(zip(("product_id", "title", "brand", "color"), expected, strict=True))


def test_overrides_win_and_free_the_column_they_take(tmp_path: Path) -> None:
    path = csv(tmp_path, "id,title,name,brand\n1,T,N,B\n")
    overrides = parse_overrides(["title=name", "brand="])
    catalog, columns, _ = read_products(path, overrides)
    assert columns == {"product_id": "id", "title": "name"}
    assert catalog["title"].to_list() == ["N"]
    again, same, _ = read_products(path, columns, exact=True)
    assert same == columns and again.equals(catalog)


@pytest.mark.parametrize("pair", ["title", "headline=name", "=x"])
def test_an_override_that_names_nothing_is_bad_usage(pair: str) -> None:
    with pytest.raises(UsageError):
        parse_overrides([pair])


def test_an_override_of_an_absent_column_lists_the_columns(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nom") as caught:
        read_products(csv(tmp_path, "id,title\n1,x\n"), {"title": "nom"})
    assert "id, title" in caught.value.todo


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "title\nRed shoe, 9\nTent\n"),
        ("b.csv", "whatever\nRed shoe, 9\nTent\n"),
        ("c.txt", "Red shoe, 9\nTent\n"),
        ("d.csv", 'id\n"Red shoe, 9"\nTent\n'),
    ],
)
def test_one_text_column_is_a_catalog(tmp_path: Path, name: str, text: str) -> None:
    catalog, columns, report = read_products(csv(tmp_path, text, name))
    assert catalog.rows() == [("1", "Red shoe, 9"), ("2", "Tent")]
    assert list(columns) == ["title"]
    assert any("row number" in note for note in report.notes)


def test_several_columns_without_an_id_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RankbenchError, match="product id") as caught:
        read_products(csv(tmp_path, "title,price\nShoe,5\nTent,5\n"))
    assert "--column product_id=NAME" in caught.value.todo


def test_no_title_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RankbenchError, match="title") as caught:
        read_products(csv(tmp_path, "id,price,link\n1,5,http://x\n"))
    assert "--column title=NAME" in caught.value.todo


def test_duplicates_nulls_and_rows_without_an_id_are_counted(tmp_path: Path) -> None:
    text = "id,title,brand\n1,Shoe,\n1,Shoe again,x\n2,,NaN\n,Lost,x\n"
    catalog, _, report = read_products(csv(tmp_path, text))
    assert catalog["title"].to_list() == ["Shoe", ""]
    assert (report.rows, report.kept, report.duplicates, report.no_id) == (4, 2, 1, 1)
    assert report.missing == {"title": 1, "brand": 2}


def test_the_official_esci_products_are_read_from_their_directory(tmp_path: Path) -> None:
    row = {
        "product_id": "B1", "product_title": "Shoe", "product_description": None,
        "product_bullet_point": "a\nb", "product_brand": "Acme", "product_color": "red",
        "product_locale": "us",
    }  # fmt: skip
    other = row | {"product_locale": "es", "product_title": "Zapato"}
    path = tmp_path / "shopping_queries_dataset_products.parquet"
    pl.DataFrame([row, other], schema=dict.fromkeys(row, pl.String)).write_parquet(path)
    for place in (tmp_path, path):
        catalog, columns, report = read_products(place)
        assert columns["bullet_points"] == "product_bullet_point"
        assert catalog["title"].to_list() == ["Shoe"]
        assert report.duplicates == 1 and any("es, us" in note for note in report.notes)


def test_the_wands_products_are_read_from_their_directory(tmp_path: Path) -> None:
    names = [
        "product_id", "product_name", "product_class", "category hierarchy",
        "product_description", "product_features", "rating_count",
    ]  # fmt: skip
    row = [
        "0",
        'solid wood 12" bed',
        "Beds",
        "Furniture / Beds",
        "good, sturdy",
        "a : b|c : d",
        "5",
    ]
    csv(tmp_path, "\t".join(names) + "\n" + "\t".join(row) + "\n", "product.csv")
    catalog, columns, _ = read_products(tmp_path)
    assert columns == {
        "product_id": "product_id",
        "title": "product_name",
        "description": "product_description",
        "bullet_points": "product_features",
        "category": "category hierarchy",
    }
    assert catalog["title"].to_list() == ['solid wood 12" bed']


def test_a_directory_without_a_catalog_says_what_it_wants(tmp_path: Path) -> None:
    with pytest.raises(RankbenchError, match="directory"):
        read_products(tmp_path)


def test_markup_and_control_characters_are_kept_as_text(tmp_path: Path) -> None:
    catalog, _, _ = read_products(csv(tmp_path, "id,title\n1,[/] \x1b[31m <b>x</b> \u202e\n"))
    assert catalog["title"][0] == "[/] \x1b[31m <b>x</b> \u202e"


def test_column_names_are_compared_in_snake_case() -> None:
    assert [slug(name) for name in ("productDisplayName", "Doc ID", "_id", "A-b  C")] == [
        "product_display_name", "doc_id", "_id", "a_b_c",
    ]  # fmt: skip


@pytest.mark.skipif(not ESCI_SMALL.is_dir(), reason="the real set is not beside the repository")
def test_the_real_set_is_read_whole() -> None:
    catalog, _, report = read_products(ESCI_SMALL / "products.parquet")
    assert catalog.height == report.rows == report.kept == 6764
    assert report.missing["description"] == 3388
