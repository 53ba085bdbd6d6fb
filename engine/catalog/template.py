"""Text templates: which columns of a product make the text that is encoded."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl

from engine.errors import RankbenchError, UsageError

# No encoder here reads more than 512 tokens; the rest would only cost time in the tokenizer.
TEXT_LIMIT = 8192
_FIELD = re.compile(r"\{([^{}]*)\}")
_CONTROL = r"[\p{Cc}\u00AD\u200B\u200E\u200F\u2060\uFEFF\u202A-\u202E\u2066-\u2069]+"


@dataclass(frozen=True, slots=True)
class Template:
    """A column name (`title`), or text with columns in braces (`{title} {brand}`).

    A literal before a field is left out with its field where a product lacks it, so that
    `{title}, {color}` leaves no trailing comma.

    Raises:
        UsageError: no column named, or braces that do not pair.
    """

    text: str
    parts: tuple[tuple[str, str], ...] = field(init=False, repr=False, compare=False)
    tail: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts, tail = _parse(self.text)
        object.__setattr__(self, "parts", parts)
        object.__setattr__(self, "tail", tail)

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns it reads, each once, in order."""
        return tuple(dict.fromkeys(name for _, name in self.parts))

    @property
    def normalised(self) -> str:
        """The one spelling of equal templates: braces always, spaces squeezed."""
        joined = "".join(f"{literal}{{{name}}}" for literal, name in self.parts) + self.tail
        return " ".join(joined.split())

    @property
    def hash(self) -> str:
        """12 hex digits of the SHA-256 of the normalised template."""
        return hashlib.sha256(self.normalised.encode()).hexdigest()[:12]

    def check(self, columns: Iterable[str], sources: Mapping[str, str] | None = None) -> None:
        """Raise a RankbenchError where a field is none of the catalog's columns.

        Args:
            sources: catalog column -> the file's name for it, where the two differ; a field by
                the file's name is then told what it is called here.
        """
        present = list(columns)
        absent = [name for name in self.fields if name not in present]
        if absent:
            here = {source: name for name, source in (sources or {}).items()}
            told = [
                f"{name} (here it is {here[name]})" if name in here else name for name in absent
            ]
            raise RankbenchError(
                f"The text template {self.text!r} names no column of the catalog: "
                f"{', '.join(told)}.",
                f"Use one or several of: {', '.join(present)}.",
            )

    def expression(self) -> pl.Expr:
        """The rendered text as a polars expression: a non-null string, up to 8,192 characters.

        Nulls and empty fields are skipped, control characters removed, spaces squeezed.
        """
        pieces = []
        for literal, name in self.parts:
            value = _squeezed(pl.col(name).cast(pl.String).fill_null("").str.slice(0, TEXT_LIMIT))
            pieces.append(pl.when(value != "").then(pl.lit(literal) + value).otherwise(pl.lit("")))
        joined = pl.concat_str([*pieces, pl.lit(self.tail)])
        return _squeezed(joined).str.slice(0, TEXT_LIMIT).str.strip_chars()

    def render(self, frame: pl.DataFrame) -> pl.Series:
        """The text of every row of `frame`.

        Raises:
            RankbenchError: the frame lacks one of the fields.
        """
        self.check(frame.columns)
        return frame.select(self.expression().alias("text"))["text"]


def content_hashes(texts: Iterable[str]) -> list[str]:
    """16 hex digits of the SHA-256 of each text: what decides whether a row is encoded again."""
    return [hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts]


def content_hash(text: pl.Expr) -> pl.Expr:
    """`content_hashes` as an expression over a non-null string expression."""
    return text.map_batches(
        lambda series: pl.Series(series.name, content_hashes(series.to_list()), dtype=pl.String),
        return_dtype=pl.String,
    )


def _squeezed(value: pl.Expr) -> pl.Expr:
    return value.str.replace_all(_CONTROL, " ").str.replace_all(r"\s+", " ").str.strip_chars()


def _parse(text: str) -> tuple[tuple[tuple[str, str], ...], str]:
    if "{" not in text and "}" not in text:
        name = text.strip()
        if not name:
            raise UsageError("The text template is empty.", "Name a column, for example `title`.")
        return (("", name),), ""
    parts: list[tuple[str, str]] = []
    position = 0
    for match in _FIELD.finditer(text):
        parts.append((text[position : match.start()], match[1].strip()))
        position = match.end()
    tail = text[position:]
    literals = "".join(literal for literal, _ in parts) + tail
    if not parts or not all(name for _, name in parts) or "{" in literals or "}" in literals:
        raise UsageError(
            f"The text template {text!r} does not parse.",
            "Name columns in braces, for example `{title} {brand}`.",
        )
    return tuple(parts), tail
