"""Our themes. Gain is blue and loss orange in every one, told apart by most eyes."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="rankbench-dark",
    primary="#7aa2c9",
    secondary="#5c6f82",
    accent="#c9a86a",
    warning="#e0a458",
    error="#e5786d",
    success="#7fb08a",
    foreground="#d6d9dc",
    background="#16191d",
    surface="#16191d",
    panel="#20252b",
    dark=True,
    variables={
        "gain": "#6cb6ff",
        "loss": "#f0a04b",
        "faint": "#87909a",
        "rule": "#3a424b",
        "cursor": "#2f4257",
        "cursor-idle": "#262c33",
        "block-cursor-text-style": "none",
    },
)

LIGHT = Theme(
    name="rankbench-light",
    primary="#2b5c8a",
    secondary="#6b7885",
    accent="#8a6414",
    warning="#9a5b00",
    error="#b3362b",
    success="#2f7040",
    foreground="#1f2428",
    background="#fbfaf8",
    surface="#fbfaf8",
    panel="#efede8",
    dark=False,
    variables={
        "gain": "#0b5fb0",
        "loss": "#a64b00",
        "faint": "#666d74",
        "rule": "#cfccc5",
        "cursor": "#cfe0f2",
        "cursor-idle": "#e6e4df",
        "block-cursor-text-style": "none",
    },
)

THEMES = (DARK, LIGHT)
DEFAULT = DARK.name


def fallback_variables(dark: bool) -> dict[str, str]:
    """Our variables for a theme of somebody else's, so that its screens lack no colour."""
    return dict((DARK if dark else LIGHT).variables)
