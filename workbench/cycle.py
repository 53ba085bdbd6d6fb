"""Choices that a key steps through."""

from __future__ import annotations

from collections.abc import Sequence


def after(choices: Sequence[str], current: str) -> str:
    """The choice after `current`, round to the first; the first where `current` is none of them."""
    place = choices.index(current) if current in choices else -1
    return choices[(place + 1) % len(choices)]
