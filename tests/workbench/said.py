"""Verdicts for tests that need some."""

from __future__ import annotations

from engine.records import Verdict, Verdicts
from engine.workspace import Workspace


def give(ws: Workspace, *verdicts: Verdict) -> None:
    with Verdicts(ws.records_path) as records:
        for verdict in verdicts:
            records.add([verdict], "ann")


def product(texts: dict[str, str], title: str) -> str:
    return next(product for product, text in texts.items() if text == title)
