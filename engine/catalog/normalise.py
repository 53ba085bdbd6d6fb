"""One query normaliser for splits, lookups and shared verdicts, and the cleaner before encoding."""

from __future__ import annotations

import re
import unicodedata

NORMALISE_LIMIT = 2048
_SPACES = re.compile(r"\s+")
# Bidirectional overrides and the byte order mark change how text shows, never what it means.
# Joiners (U+200C, U+200D) stay: Persian words and emoji need them.
_INVISIBLE = dict.fromkeys(
    [0x00AD, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)


# Terminal escapes are dropped whole: without their first byte the rest would show as `[31m`.
ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-_]|\x9b[0-?]*[ -/]*[@-~]"
)


def clean_query(text: str, limit: int = 512) -> str:
    """The query as it is encoded and searched.

    Terminal escapes go whole, control characters become spaces, invisible direction marks and lone
    surrogates go, runs of space become one. Case and accents stay: the encoder's tokenizer decides
    about those.

    Args:
        text: anything a person typed or pasted.
        limit: characters kept.
    """
    # Cutting before the work keeps a pasted 10 MB from freezing the caller; a factor leaves room
    # for what the cleaning takes out.
    head = ESCAPES.sub("", text[: 8 * limit]).translate(_INVISIBLE)
    head = "".join(_visible(character) for character in head)
    return _SPACES.sub(" ", head).strip()[:limit].rstrip()


def normalise_query(text: str) -> str:
    """The form under which two spellings of one query are the same query.

    NFKC, case folded, escapes, control and format characters out, spaces squeezed, of each token a
    possessive `'s` and a plain plural `s` removed (`women's shoes` and `womens shoe` differ only
    in the first token). Applying it twice changes nothing. At most 2,048 characters.
    """
    current = ESCAPES.sub("", text[:NORMALISE_LIMIT])
    # Folding can undo composition and the cut can expose a new plural, so repeat until it stands
    # still; two rounds are the rule.
    for _ in range(16):
        following = _normalise_once(current)
        if following == current:
            break
        current = following
    return current


def query_tokens(text: str) -> frozenset[str]:
    """The set of words of the normalised query, punctuation removed."""
    return frozenset(_singular(word) for word in re.findall(r"\w+", normalise_query(text)))


def _normalise_once(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    folded = unicodedata.normalize("NFKC", folded).replace("\u2019", "'")
    plain = "".join(
        " " if category == "Cc" else "" if category in ("Cf", "Cs") else character
        for character in folded
        for category in (unicodedata.category(character),)
    )
    return " ".join(_singular(token) for token in plain.split())[:NORMALISE_LIMIT].rstrip()


def _singular(token: str) -> str:
    token = token.removesuffix("'s") or token
    # `dress`, `cactus` and `tennis` are no plurals, nor are words of three letters.
    if len(token) > 3 and token.endswith("s") and not token.endswith(("ss", "us", "is", "'s")):
        return token[:-1]
    return token


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cc":
        return " "
    return "" if category == "Cs" else character
