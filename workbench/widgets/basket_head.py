"""What a training run would be made of, and what can be chosen about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.strip import Strip

from workbench.messages import Trouble
from workbench.text import count, printable
from workbench.widgets.painted import Painted, Piece, joined

if TYPE_CHECKING:
    from engine.training.basket import Basket
    from workbench.training import Choice

FROM = {"flags": "verdicts", "both": "verdicts, judged", "judgments": "judgments"}


class BasketHead(Painted):
    """Three lines above the basket."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: tuple[Sequence[Sequence[Piece]], ...] = ((), (), ())

    def show(self, choice: Choice, basket: Basket | None, trouble: Trouble | None) -> None:
        self._lines = (_chosen(choice), _counts(choice, basket), _said(choice, basket, trouble))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        groups = self._lines[y] if y < len(self._lines) else ()
        pieces = [("plain", " "), *joined(groups, width - 2)] if groups else []
        return self.line(pieces, width)


def _chosen(choice: Choice) -> list[Sequence[Piece]]:
    """What is chosen, each behind its key; in 80 columns all of it, but for a long name."""
    chosen: list[Sequence[Piece]] = [
        (("strong", "From "), ("key", "<o>"), ("plain", f" {FROM[choice.source]}")),
        (("key", "<p>"), ("plain", f" {printable(choice.recipe)}")),
        (("key", "<n>"), ("plain", f" {printable(choice.name) or 'name'}")),
    ]
    if choice.source != "judgments":
        said = ("warn", " dev/test too") if choice.include_test else ("plain", " no dev/test")
        chosen.insert(2, (("key", "<v>"), said))
    return chosen


def _counts(choice: Choice, basket: Basket | None) -> list[Sequence[Piece]]:
    if basket is None or basket.source != choice.source:
        return [(("faint", "looking into the basket"),)]
    found = []
    if choice.source != "judgments":
        found += [
            (basket.pairs, "pair", ""),
            (basket.negatives, "negative", ""),
            (basket.positives, "positive", ""),
        ]
    if choice.source != "flags":
        found.append((basket.judged, "row of judgments", "rows of judgments"))
    found.append((basket.replay, "replay row", ""))
    return [(("plain", count(*each)),) for each in found]


def _said(choice: Choice, basket: Basket | None, trouble: Trouble | None) -> list[Sequence[Piece]]:
    if trouble is not None:
        return [(("error", printable(f"{trouble.what} {trouble.todo}")),)]
    if basket is None:
        return []
    if basket.refusal:
        return [(("warn", printable(f"{basket.refusal} {basket.todo}")),)]
    return [(("faint", printable(note)),) for note in basket.notes]
