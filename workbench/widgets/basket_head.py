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

FROM = {
    "flags": "from verdicts",
    "both": "from verdicts and judgments",
    "judgments": "from judgments",
}


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
    chosen: list[Sequence[Piece]] = [
        (("strong", "Train"),),
        (("key", "o"), ("plain", f" {FROM[choice.source]}")),
        (("key", "p"), ("plain", f" {printable(choice.recipe)}")),
        (("key", "n"), ("plain", f" {printable(choice.name) or 'next free name'}")),
    ]
    if choice.source != "judgments":
        held_out = "dev and test queries too" if choice.include_test else "no dev or test queries"
        ink = "warn" if choice.include_test else "plain"
        chosen.append((("key", "v"), (ink, f" {held_out}")))
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
