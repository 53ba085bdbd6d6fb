"""Text files that are whole or not there at all."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from engine.errors import RankbenchError


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write beside and rename, so that a full disk leaves no half of a file under the name.

    Args:
        lines: each with its own line end; written as UTF-8.

    Raises:
        RankbenchError: the file cannot be written; one that stood there is as it was.
    """
    beside = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(lines)
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise RankbenchError(
            f"Cannot write {path}: {error.strerror or error}.", "Choose another place."
        ) from None


def check_place(path: Path) -> None:
    """Refuse a file that could not be written for want of its directory, before work is done.

    Raises:
        RankbenchError: `path` is a directory, or the directory it should lie in is none.
    """
    if path.is_dir():
        raise RankbenchError(f"{path} is a directory.", f"Name a file in it, {path / 'NAME'}.")
    check_parent(path)


def check_parent(path: Path) -> None:
    """Raise a RankbenchError where the directory that `path` should lie in is not there."""
    parent = path.parent
    if not parent.is_dir():
        what = "is a file" if parent.exists() else "is not there"
        raise RankbenchError(
            f"Cannot write {path}: the directory {parent} {what}.",
            "Make the directory first, or choose another place.",
        )
    if not os.access(parent, os.W_OK):
        raise RankbenchError(
            f"Cannot write {path}: the directory {parent} is not writable.",
            "Choose another place.",
        )


def csv_line(cells: Sequence[str]) -> str:
    """One line of a CSV, its end included."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()


# A spreadsheet takes a cell that begins so for a formula (OWASP, "CSV Injection"), in full-width
# forms too. With apostrophes in front it is none; it gets one more, so that reading takes off one.
FORMULA = "'*[ \u00a0\ufeff]*[=+\\-@\t\r\n＝＋－＠]"
_FORMULA = re.compile(FORMULA)


def inert_cell(text: str) -> str:
    """`text` for a cell that a spreadsheet shows and never computes; `plain_cell` undoes it.

    One that would be taken for a formula gets an apostrophe in front. For text that people or a
    catalog wrote; numbers of ours keep their minus sign and do not go through here.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def plain_cell(cell: str) -> str:
    """The text that `inert_cell` made `cell` of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
