"""Sentences with commands and options in backticks, as a page and as Markdown show them."""

from __future__ import annotations

from markupsafe import Markup, escape


def spans(text: str) -> list[tuple[str, bool]]:
    """The parts of a sentence and whether each is code; a lone backtick is a character."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return [(text, False)]
    return [(part, at % 2 == 1) for at, part in enumerate(parts) if part]


def html(text: str) -> Markup:
    """The sentence escaped, its code in `<code>`."""
    found = (Markup("<code>{}</code>").format(p) if code else escape(p) for p, code in spans(text))
    return Markup("").join(found)
