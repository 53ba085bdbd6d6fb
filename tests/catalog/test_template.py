from __future__ import annotations

import time

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalog.template import TEXT_LIMIT, Template, content_hash, content_hashes
from engine.errors import RankbenchError, UsageError

ROWS = pl.DataFrame(
    {
        "title": ["Red  shoe\x07", "Tent", None],
        "brand": ["Acme", None, "  "],
        "shoe size": ["9", None, None],
    }
)


@pytest.mark.parametrize(
    ("template", "texts"),
    [
        ("title", ["Red shoe", "Tent", ""]),
        ("{title} {brand}", ["Red shoe Acme", "Tent", ""]),
        ("{brand} {title}", ["Acme Red shoe", "Tent", ""]),
        ("{title}, {shoe size}", ["Red shoe, 9", "Tent", ""]),
        ("{brand} | {title}.", ["Acme | Red shoe.", "| Tent.", "."]),
    ],
)
def test_fields_are_joined_and_missing_ones_skipped(template: str, texts: list[str]) -> None:
    assert Template(template).render(ROWS).to_list() == texts


@given(st.lists(st.one_of(st.none(), st.text()), min_size=1, max_size=5))
def test_any_text_renders_squeezed(values: list[str | None]) -> None:
    frame = pl.DataFrame({"title": values}, schema={"title": pl.String})
    for text in Template("{title} {title}").render(frame):
        assert text == text.strip() and "  " not in text and "\x00" not in text


def test_a_huge_cell_is_cut() -> None:
    frame = pl.DataFrame({"title": ["x" * 10_000_000]})
    assert len(Template("title").render(frame)[0]) == TEXT_LIMIT


def test_equal_templates_have_one_hash_and_others_another() -> None:
    assert Template("title").hash == Template(" {title} ").hash
    assert Template("{title}  {brand}").hash == Template("{title} {brand}").hash
    assert Template("{title} {brand}").hash != Template("{brand} {title}").hash
    assert len(Template("title").hash) == 12
    assert Template("{title} {brand} {title}").fields == ("title", "brand")


@pytest.mark.parametrize("text", ["", "  ", "{}", "{title", "title}", "{{title}}", "{ } x"])
def test_a_template_that_does_not_parse_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Template(text)
    assert caught.value.todo


def test_a_column_that_the_catalog_lacks_is_named() -> None:
    with pytest.raises(RankbenchError, match="colour") as caught:
        Template("{title} {colour}").render(ROWS)
    assert "brand" in caught.value.todo


def test_hashes_follow_the_text_alone() -> None:
    hashes = content_hashes(["a", "b", "a"])
    assert hashes[0] == hashes[2] != hashes[1]
    assert all(len(value) == 16 for value in hashes)
    assert pl.DataFrame({"t": ["a", "b", "a"]}).select(content_hash(pl.col("t")))[
        "t"
    ].to_list() == (hashes)


def test_a_hundred_thousand_rows_take_seconds_at_most() -> None:
    frame = pl.DataFrame({"title": [f"Red shoe {row} " * 8 for row in range(100_000)]})
    started = time.perf_counter()
    hashed = frame.select(content_hash(Template("{title} {title}").expression()).alias("hash"))
    assert hashed["hash"].n_unique() == 100_000
    assert time.perf_counter() - started < 5
