from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalog.normalise import clean_query, normalise_query, query_tokens


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise_query(text)
    assert normalise_query(once) == once


@given(st.lists(st.sampled_from(["s", "'s", "’s", "us", "is", "boss", "ß", "İ", "ﬁ", "a", " "])))
def test_normalising_twice_changes_nothing_where_endings_pile_up(parts: list[str]) -> None:
    once = normalise_query("".join(parts))
    assert normalise_query(once) == once


@given(st.text(), st.integers(1, 40))
def test_a_clean_query_is_short_single_spaced_and_stable(text: str, limit: int) -> None:
    clean = clean_query(text, limit)
    assert len(clean) <= limit
    assert clean == clean.strip() and "  " not in clean and "\n" not in clean
    assert clean_query(clean, limit) == clean
    clean.encode("utf-8")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Women's  Shoes", "women shoe"),
        ("women’s shoes", "WOMEN'S SHOE"),
        ("ｒｅｄ　ｄｒｅｓｓ", "red dress"),
        ("STRASSE", "straße"),
        ("face\u200bmask", "facemask"),
        ("face\tmask\x00", "face mask"),
        ("cafe\u0301", "café"),
    ],
)
def test_spellings_of_one_query_agree(left: str, right: str) -> None:
    assert normalise_query(left) == normalise_query(right)


@pytest.mark.parametrize("word", ["dress", "cactus", "tennis", "gas", "us"])
def test_words_that_only_look_plural_stay(word: str) -> None:
    assert normalise_query(word) == word


def test_case_accents_and_emoji_survive_cleaning() -> None:
    assert clean_query("  Café\u202e  👩‍👧 \x07 ") == "Café 👩‍👧"


def test_a_terminal_escape_goes_whole() -> None:
    coloured = "red \x1b[31mtent\x1b[0m\x1b]0;title\x07 \x9b1mlarge"
    assert clean_query(coloured) == "red tent large"
    assert normalise_query(coloured) == normalise_query("Red tents large")
    assert clean_query("a\ud800b") == "ab"
    assert clean_query(" \t\n ") == ""


def test_ten_megabytes_pasted_answer_at_once() -> None:
    text = "red shoes\x00 " * 1_000_000
    started = time.perf_counter()
    assert len(clean_query(text)) <= 512
    assert len(normalise_query(text)) <= 2048
    assert time.perf_counter() - started < 1


def test_tokens_are_words_without_punctuation() -> None:
    assert query_tokens("1/2 inch Binders, (white)") == {"1", "2", "inch", "binder", "white"}
