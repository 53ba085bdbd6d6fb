"""Bytes of a file into text: compression, byte order marks, and encodings other than UTF-8."""

from __future__ import annotations

import codecs
import gzip
import zlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from engine.errors import RankbenchError

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What spreadsheets and shop systems write, the commonest first: it wins among equals.
_LATIN = ("cp1252", "cp1250", "cp1254", "cp1257")
_OTHER = (
    "cp932", "gb18030", "big5", "cp949", "euc_jp", "cp1251", "cp1253", "cp1255", "cp1256", "koi8_r",
)  # fmt: skip
_SAMPLE = 32_768
_SIGNATURES = (
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook", "Export the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "Export the sheet as CSV"),
    (b"%PDF", "a PDF", "Export the data as CSV"),
    (b"SQLite format 3", "an SQLite database", "Export the table as CSV"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", "Unpack it"),
    (b"BZh", "a bzip2 archive", "Unpack it"),
    (b"\xfd7zXZ", "an xz archive", "Unpack it"),
)


@dataclass(frozen=True, slots=True)
class Text:
    """A file's text.

    Attributes:
        text: without a byte order mark; lines end in "\\n" or "\\r\\n".
        encoding: what it was read as.
        guessed: whether that was guessed from the bytes rather than certain.
    """

    text: str
    encoding: str
    guessed: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know about the reading; empty for UTF-8."""
        if not self.guessed:
            return ()
        return (f"The file is not UTF-8; it was read as {self.encoding}, a guess from its bytes.",)


def read_bytes(path: Path) -> bytes:
    """The file's content, unpacked where it is gzip (by its first bytes, whatever its name).

    Raises:
        RankbenchError: no such file, a directory, unreadable, empty, or a broken archive.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise RankbenchError(f"There is no file {path}.", "Check the path.") from None
    except IsADirectoryError:
        raise RankbenchError(f"{path} is a directory.", "Name a file in it.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RankbenchError(
            f"{path} cannot be read: {reason}.", "Check its permissions."
        ) from None
    if raw.startswith(b"\x1f\x8b"):
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise RankbenchError(
                f"{path} is a broken gzip file: {error}.", "Fetch or export it again."
            ) from None
    if not raw.strip():
        raise RankbenchError(
            f"{path} is empty.",
            "Give a table with a header and rows, or a list with one entry a line.",
        )
    return raw


def decode(raw: bytes, path: Path) -> Text:
    """Text of `raw`: a byte order mark decides, then UTF-8, then UTF-16 by its zero bytes, then
    a guess by charset-normalizer among the usual legacy encodings.

    Raises:
        RankbenchError: the bytes are no text, or no encoding fits.
    """
    for signature, kind, todo in _SIGNATURES:
        if raw.startswith(signature):
            raise RankbenchError(f"{path} is {kind}, not a table of text.", f"{todo}, then retry.")
    text = _certain(raw, path) or _guess(raw, path)
    if _looks_binary(text.text):
        raise _no_text(path)
    body = text.text
    if "\r" in body and "\n" not in body:
        body = body.replace("\r", "\n")
    return Text(body, text.encoding, text.guessed)


def read_text(path: Path) -> Text:
    """`decode` of `read_bytes`."""
    return decode(read_bytes(path), path)


def read_entries(path: Path) -> list[tuple[int, str]]:
    """(line number, text) of a plain list: blank lines and those that begin with # left out.

    Raises:
        RankbenchError: as `read_bytes` and `decode`.
    """
    lines = enumerate(read_text(path).text.splitlines(), 1)
    return [(n, line.strip()) for n, line in lines if line.strip() and line.strip()[0] != "#"]


def _certain(raw: bytes, path: Path) -> Text | None:
    for mark, encoding in _BOMS:
        if raw.startswith(mark):
            try:
                return Text(raw.decode(encoding), encoding)
            except UnicodeDecodeError as error:
                raise RankbenchError(
                    f"{path} is marked as {encoding} but breaks off at byte {error.start:,}.",
                    "Export it again, best as UTF-8.",
                ) from None
    try:
        # Text in UTF-16 without a mark is valid UTF-8 too, with a zero byte beside every letter.
        if raw[:_SAMPLE].count(0) < len(raw[:_SAMPLE]) * 0.2:
            return Text(raw.decode("utf-8"), "utf-8")
    except UnicodeDecodeError:
        pass
    return None


def _guess(raw: bytes, path: Path) -> Text:
    head = raw[:_SAMPLE]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) > len(head) * 0.1:
        encoding = "utf-16-be" if even > odd else "utf-16-le"
        return _decoded(raw, encoding) or _fail(path)
    for encoding in _candidates(raw):
        if text := _decoded(raw, encoding):
            return text
    return _fail(path)


def _candidates(raw: bytes) -> list[str]:
    from charset_normalizer import from_bytes

    # Only lines with a byte beyond ASCII say anything about the encoding.
    telling, size = [], 0
    for line in raw.splitlines():
        if not line.isascii():
            telling.append(line[:2048])
            size += len(telling[-1])
        if size > _SAMPLE:
            break
    sample = b"\n".join(telling)
    # In Latin scripts an accented letter stands among plain ones; elsewhere high bytes cluster.
    # charset-normalizer alone takes short Western text for Cyrillic or Japanese.
    high = [byte > 127 for byte in sample]
    paired = sum(left and right for left, right in pairwise(high))
    guesses = _LATIN if paired < 0.4 * sum(high) else _OTHER
    matches = list(from_bytes(sample, cp_isolation=list(guesses)))
    if not matches:
        return [*guesses, "cp1252", "latin_1"]
    least = min(match.chaos for match in matches)
    near = [match for match in matches if match.chaos <= least + 0.02]
    likely = max(match.coherence for match in near)
    close = [match.encoding for match in near if match.coherence >= likely - 0.1]
    close.sort(key=lambda name: guesses.index(name) if name in guesses else len(guesses))
    if sample.decode("cp1252", "replace") == sample.decode(close[0], "replace"):
        close.insert(0, "cp1252")
    return [*close, *guesses, "cp1252", "latin_1"]


def _decoded(raw: bytes, encoding: str) -> Text | None:
    try:
        return Text(raw.decode(encoding), encoding, guessed=True)
    except UnicodeDecodeError:
        return None


def _looks_binary(text: str) -> bool:
    head = text[:_SAMPLE]
    # Some exporters separate fields with the ASCII separators 0x01 and 0x1c to 0x1f.
    odd = sum(1 for c in head if c < " " and c not in "\t\n\r\f\x01\x1c\x1d\x1e\x1f")
    return odd > 0.02 * len(head) + 8


def _fail(path: Path) -> Text:
    raise _no_text(path)


def _no_text(path: Path) -> RankbenchError:
    return RankbenchError(
        f"{path} is not a text file, nor Parquet.",
        "Give CSV, TSV, JSON, JSON lines or Parquet, as UTF-8 where you can choose.",
    )
