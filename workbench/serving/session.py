"""One browser's app: a process of its own, of which only the screen comes out."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from textual_serve.app_service import AppService

MOST_COLUMNS, MOST_ROWS = 500, 200
_LEAVING_S = 20.0


class Session(AppService):
    """textual-serve's service of one app process, with its other doors shut.

    The app may ask the browser to open an address or to take a file: neither reaches it. The
    process is started without a shell, and ended if it does not leave by itself.
    """

    def __init__(self, arguments: Sequence[str], **options: Any) -> None:
        super().__init__("", **options)
        self._arguments = arguments

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        size = screen_size(width, height)
        process = await asyncio.create_subprocess_exec(
            *self._arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=self._build_environment(*size),
        )
        assert process.stdin is not None
        self._process, self._stdin = process, process.stdin
        return process

    async def run(self) -> None:
        await super().run()
        # An app that could not even start says nothing: the page must not wait for it.
        await self.remote_close()

    async def set_terminal_size(self, width: int, height: int) -> None:
        await super().set_terminal_size(*screen_size(width, height))

    async def on_meta(self, data: bytes) -> None:
        if json.loads(data).get("type") == "exit":
            await super().on_meta(data)

    async def on_packed(self, payload: bytes) -> None:
        """A piece of a file: nobody gets it."""

    async def stop(self) -> None:
        try:
            await asyncio.wait_for(super().stop(), _LEAVING_S)
        except TimeoutError:
            self._task = None
        process = self._process
        if process is not None and process.returncode is None:
            # Its screen has ended: what it still has to write it may write, but not for ever.
            try:
                await asyncio.wait_for(process.wait(), _LEAVING_S)
            except TimeoutError:
                with suppress(ProcessLookupError):
                    process.kill()
        if process is not None and process.stdin is not None:
            process.stdin.close()


def screen_size(width: Any, height: Any) -> tuple[int, int]:
    """A size that a screen may have, whatever a client says it has."""
    return _within(width, 80, MOST_COLUMNS), _within(height, 24, MOST_ROWS)


def _within(value: Any, default: int, most: int) -> int:
    return max(1, min(value, most)) if isinstance(value, int) else default
