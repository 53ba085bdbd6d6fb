"""The app on a real pseudo-terminal of 80 x 24, and what a person would read there."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

from rich.cells import cell_len

COLUMNS, ROWS = 80, 24
DOWN = "\x1b[B"
_PIECE = re.compile(
    r"\x1b\[(?P<place>\d*(?:;\d*)?)[Hf]"
    r"|\x1b\[(?P<control>[0-?]*[ -/]*[@-~])"
    r"|\x1b(?:[\]P_^X][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-OQ-WYZ\\`-~])"
    r"|(?P<text>[^\x1b])"
)


class Terminal:
    """An app of `workspace`, its keys and its screen."""

    def __init__(self, workspace: Path) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "workbench", "-w", str(workspace)],
            stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self._rest = b""
        self._row = self._column = 0
        self._drawing = False
        self._cells = [[" "] * COLUMNS for _ in range(ROWS)]
        self._frame = self.lines

    @property
    def lines(self) -> list[str]:
        """The last whole frame: a terminal with synchronised output shows no half of one."""
        return self._frame if self._drawing else ["".join(row) for row in self._cells]

    @property
    def page(self) -> str:
        return "\n".join(self.lines)

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def look(self, seconds: float) -> None:
        """Take in what is written in the next `seconds`."""
        limit = time.monotonic() + seconds
        while (left := limit - time.monotonic()) > 0:
            if not select.select([self._master], [], [], left)[0]:
                return
            try:
                data = os.read(self._master, 65536)
            except OSError:
                return
            self._take(data)

    def until(self, holds: Callable[[], bool], seconds: float = 60) -> None:
        """Look until `holds`; fail after `seconds` with the screen."""
        limit = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < limit, self.page
            assert self.process.poll() is None, self.page
            self.look(0.02)

    def kill(self) -> None:
        """SIGKILL, and take in what had been written until then."""
        self.process.kill()
        self.process.wait()
        self.look(0.2)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)

    def _take(self, data: bytes) -> None:
        text = (self._rest + data).decode(errors="ignore")
        # A sequence that the read cut in two waits for its rest.
        cut = text.rfind("\x1b", max(0, len(text) - 40))
        if cut >= 0 and not _PIECE.match(text, cut):
            text, rest = text[:cut], text[cut:]
        else:
            rest = ""
        self._rest = rest.encode() + _unfinished(self._rest + data)
        for piece in _PIECE.finditer(text):
            if piece["place"] is not None:
                row, _, column = piece["place"].partition(";")
                self._row, self._column = int(row or 1) - 1, int(column or 1) - 1
            elif piece["text"] is not None:
                self._write(piece["text"])
            else:
                self._obey(piece["control"] or "")

    def _obey(self, control: str) -> None:
        if control == "?2026$p":
            self.press("\x1b[?2026;2$y")
        elif control in ("?2026h", "?2026l"):
            self._frame = self.lines
            self._drawing = control.endswith("h")
        elif control.endswith("2J"):
            self._cells = [[" "] * COLUMNS for _ in range(ROWS)]

    def _write(self, character: str) -> None:
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._row += 1
        elif character >= " " and self._row < ROWS and self._column < COLUMNS:
            self._cells[self._row][self._column] = character
            self._column += max(1, cell_len(character))


def _unfinished(data: bytes) -> bytes:
    """The start of a character whose other bytes are still to come."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte < 0x80:
            return b""
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return data[-back:] if length > back else b""
    return b""
