"""What is kept of each judgment file beside its grades: its name, its weight, its own scale."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.catalog.numbers import read_number

RAW_SCALES = ("continuous", "order")
"""Scales whose raw values say more than the grades that were made of them."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """An imported judgment file.

    Attributes:
        name: the file's own, without its directory.
        weight: how often its rows count in training; 1 unless said otherwise.
        scale: of its raw grades, as `engine.formats.grades` names it.
    """

    name: str
    weight: float
    scale: str


def read_file(source: str, mapping: str) -> SourceFile:
    """From an import's source and its kept mapping, a JSON object."""
    kept = json.loads(mapping)
    return SourceFile(Path(source).name, float(kept.get("weight", 1.0)), str(kept.get("scale", "")))


def targets_of(
    rows: Iterable[tuple[str, str, int, str]], files: Mapping[int, SourceFile]
) -> dict[str, dict[str, float]]:
    """Query id -> product id -> target from 0 to 1, where a file gave scores or an order.

    A score's target is its place between the file's smallest and largest; a product's place in an
    order counts evenly from 1 down to 0, and 1 where it is alone.

    Args:
        rows: query id, product id, import number, raw value, in the files' order.
    """
    scores: dict[int, list[tuple[str, str, float]]] = {}
    orders: dict[tuple[int, str], list[str]] = {}
    for query_id, product, number, value in rows:
        scale = files[number].scale
        if scale == "continuous" and (parsed := read_number(value)) is not None:
            scores.setdefault(number, []).append((query_id, product, parsed))
        elif scale == "order":
            orders.setdefault((number, query_id), []).append(product)
    found: dict[str, dict[str, float]] = {}
    for judged in scores.values():
        low, high = min(v for *_, v in judged), max(v for *_, v in judged)
        for query_id, product, value in judged:
            place = (value - low) / (high - low) if high > low else 1.0
            found.setdefault(query_id, {})[product] = place
    for (_, query_id), products in orders.items():
        found.setdefault(query_id, {}).update(_in_order(products))
    return found


def _in_order(products: Sequence[str]) -> dict[str, float]:
    last = max(1, len(products) - 1)
    return {product: 1 - place / last for place, product in enumerate(products)}
