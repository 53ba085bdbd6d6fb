"""Holm's correction against figures worked out elsewhere."""

from __future__ import annotations

import pytest

from engine.evaluation.multiple import holm


@pytest.mark.parametrize(
    ("values", "adjusted"),
    [
        # R's p.adjust(c(.01, .04, .03, .005), "holm")
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.9], [1.0, 1.0]),
        ([0.2], [0.2]),
        ([], []),
    ],
)
def test_holm(values: list[float], adjusted: list[float]) -> None:
    assert holm(values) == pytest.approx(adjusted)
