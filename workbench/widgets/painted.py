"""The base of our widgets: lines painted from named inks, with no layout and no style changes.

A redraw of twenty rows takes 35 to 150 ms in Textual's own lists and tables and about 2 ms here:
a widget keeps its data, `refresh` marks it dirty, and `render_line` builds one strip a line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from workbench.text import fit

Piece = tuple[str, str]
"""An ink's name (see `Painted.COMPONENT_CLASSES`) and a text without control characters."""


class Painted(Widget):
    """A widget that paints lines of pieces."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "ink--plain",
        "ink--faint",
        "ink--strong",
        "ink--gain",
        "ink--loss",
        "ink--warn",
        "ink--error",
        "ink--key",
        "ink--mark",
        "ink--rule",
        "ink--cursor",
        "ink--cursor-idle",
    }
    DEFAULT_CSS = """
    Painted {
        & > .ink--plain { color: $foreground; }
        & > .ink--faint { color: $faint; }
        & > .ink--strong { color: $foreground; text-style: bold; }
        & > .ink--gain { color: $gain; }
        & > .ink--loss { color: $loss; }
        & > .ink--warn { color: $warning; }
        & > .ink--error { color: $error; text-style: bold; }
        & > .ink--key { color: $primary; }
        & > .ink--mark { color: $background; background: $accent; }
        & > .ink--rule { color: $rule; }
        & > .ink--cursor { background: $cursor; }
        & > .ink--cursor-idle { background: $cursor-idle; }
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._inks: dict[tuple[str, str], Style] = {}

    def notify_style_update(self) -> None:
        self._inks.clear()
        super().notify_style_update()

    def ink(self, name: str, ground: str = "") -> Style:
        """The style of an ink, on the ground (background) of another one if named."""
        style = self._inks.get((name, ground))
        if style is None:
            style = self.rich_style + self.get_component_rich_style(f"ink--{name}", partial=True)
            if ground:
                style += self.get_component_rich_style(f"ink--{ground}", partial=True)
            self._inks[name, ground] = style
        return style

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines of `crop`, a region of the widget.

        Textual would render each line through its borders, padding, links and opacity, three more
        strips a line; a painted widget has none of these (its style sheets must not give it any).
        """
        filters = self.get_line_filters()
        background = self.background_colors[1]
        strips = []
        for y in crop.line_range:
            strip = self.render_line(y)
            for line_filter in filters:
                strip = strip.apply_filter(line_filter, background)
            strips.append(strip)
        if crop.column_span != (0, self.size.width):
            return [strip.crop(*crop.column_span) for strip in strips]
        return strips

    def line(self, pieces: Iterable[Piece], width: int, ground: str = "") -> Strip:
        """Pieces as one strip of exactly `width` cells, the last that fits cut with an ellipsis."""
        segments: list[Segment] = []
        left = width
        for name, text in pieces:
            if left <= 0:
                break
            length = cell_len(text)
            if length > left:
                text, length = fit(text, left), left
            segments.append(Segment(text, self.ink(name, ground)))
            left -= length
        if left > 0:
            segments.append(Segment(" " * left, self.ink("plain", ground)))
        return Strip(segments, max(width, 0))


class Rule(Painted):
    """A vertical line between two lists."""

    def render_line(self, y: int) -> Strip:
        return self.line((("rule", "│"),), self.size.width)


def spread(left: Sequence[Piece], right: Sequence[Piece], width: int) -> list[Piece]:
    """`left` at the start of a line and `right` at its end; `right` goes where both don't fit."""
    taken = sum(cell_len(text) for _, text in left)
    wanted = sum(cell_len(text) for _, text in right)
    gap = width - taken - wanted
    if gap < 2:
        return list(left)
    return [*left, ("plain", " " * gap), *right]


def joined(groups: Sequence[Sequence[Piece]], width: int, between: str = " · ") -> list[Piece]:
    """As many groups as fit whole in `width`, the first always, with `between` between them."""
    pieces: list[Piece] = []
    used = 0
    for group in groups:
        length = sum(cell_len(text) for _, text in group)
        step = len(between) if pieces else 0
        if pieces and used + step + length > width:
            continue
        if pieces:
            pieces.append(("faint", between))
        pieces.extend(group)
        used += step + length
    return pieces
