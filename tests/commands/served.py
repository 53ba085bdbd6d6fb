"""A real `rankbench serve` process, and what a terminal would show of what it sends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_ESCAPE = re.compile(r"\x1b\[(?P<numbers>[\d;?$>]*)(?P<kind>[A-Za-z])|\x1b\][^\x07]*\x07|\x1b.")


@dataclass(frozen=True)
class Served:
    """A server: where it is, what it said on stderr, and its process."""

    port: int
    said: str
    process: subprocess.Popen[str]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serve(workspace: Path, *options: str) -> Iterator[Served]:
    """Run `rankbench serve` on a free port until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "workbench", "serve", "-w", str(workspace)]
    process = subprocess.Popen(
        [*command, "--port", str(port), *options],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert process.stderr is not None
        said = process.stderr.readline() + process.stderr.readline()
        _await_port(port)
        yield Served(port, said, process)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def _await_port(port: int) -> None:
    limit = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < limit, "the server never listened"
            time.sleep(0.05)


def terminal(stream: str, width: int, height: int) -> list[str]:
    """The rows of a terminal that was sent `stream`."""
    rows = [[" "] * width for _ in range(height)]
    x = y = at = 0
    while at < len(stream):
        if found := _ESCAPE.match(stream, at):
            at = found.end()
            if found["kind"] == "H":
                line, _, column = (found["numbers"] or "1;1").partition(";")
                y, x = int(line or 1) - 1, int(column or 1) - 1
            continue
        character, at = stream[at], at + 1
        if character == "\r":
            x = 0
        elif character == "\n":
            x, y = 0, y + 1
        elif character >= " " and x < width and y < height:
            rows[y][x] = character
            x += 1
    return ["".join(row) for row in rows]
