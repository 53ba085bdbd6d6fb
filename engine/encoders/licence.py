"""Under which licence an encoder may be used, as far as its own page, its card or a parent says."""

from __future__ import annotations

import re
from pathlib import Path

_FRONT = re.compile(r"\A---\s*\n(.*?)\n---\s*$", re.DOTALL | re.MULTILINE)
_LICENCE = re.compile(r"^license:\s*['\"]?([A-Za-z0-9.+_-]+)['\"]?\s*$", re.MULTILINE)


def licence_in(directory: Path) -> str:
    """The `license` in the front matter of a model's README.md, "" where there is none."""
    try:
        text = (directory / "README.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    front = _FRONT.match(text)
    found = _LICENCE.search(front[1]) if front else None
    return found[1] if found else ""
