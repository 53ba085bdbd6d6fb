"""Text for a terminal: what is dropped, how it is cut, how numbers are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from workbench.text import (
    change,
    count,
    duration,
    end_of_interval,
    fit,
    measure,
    printable,
    score,
)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain", "plain"),
        ("[red]x[/]", "[red]x[/]"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;http://x\x07link\x1b]8;;\x07", "link"),
        ("\x9b31mred", "red"),
        ("a\tb\nc\r\nd\u2028e", "a b c d e"),
        ("a\x00\x08b", "ab"),
        ("\u202eevil\u202c", "evil"),
        ("\ud800x", "x"),
        ("e\u0301" + "\u0301" * 9, "e" + "\u0301" * 3),
        ("👨\u200d👩", "👨👩"),
        ("☕\ufe0f", "☕"),
    ],
)
def test_what_a_terminal_cannot_bear_is_dropped(raw: str, shown: str) -> None:
    assert printable(raw) == shown


@given(st.text(st.characters(exclude_categories=[]), max_size=60), st.integers(0, 40))
def test_any_text_fits_its_cells(text: str, width: int) -> None:
    shown = printable(text)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in shown)
    shown.encode()
    assert cell_len(fit(shown, width)) == width


def test_a_cut_is_seen() -> None:
    assert fit("abcdef", 4) == "abc…"
    assert fit("日本語のテント", 6) == "日本… "
    assert fit("ab", 4) == "ab  "


def test_measures_and_changes() -> None:
    assert [measure(v) for v in (0.8124, 1.0, 0.0, None)] == [".812", "1.00", ".000", "   –"]
    assert [change(v) for v in (0.05, -0.0041, 0.0001, 1.0)] == ["+.050", "-.004", "±.000", "+1.00"]
    assert change(None).strip() == "–"


@pytest.mark.parametrize("value", [0.812, -0.3, -1.0, 1.0, 7.062, 12.34, 123.4, 1234.5, 98765.4])
def test_scores_take_five_cells_at_most(value: float) -> None:
    assert len(score(value)) <= 5
    assert float(score(value)) == pytest.approx(value, rel=0.01)


def test_counts_and_durations() -> None:
    assert count(1, "product") == "1 product"
    assert count(2013, "query", "queries") == "2,013 queries"
    assert [duration(s) for s in (0.2, 40, 118, 7200)] == ["1 s", "40 s", "2 min", "2.0 h"]


def test_an_end_of_an_interval_that_rounds_to_zero_is_shown_on_its_side() -> None:
    ends = [end_of_interval(value) for value in (0.0003, -0.0003, 0.00001, 0.0, 0.045, None)]
    assert [end.strip() for end in ends] == ["+.0003", "-.0003", "+.0000", "±.000", "+.045", "–"]
