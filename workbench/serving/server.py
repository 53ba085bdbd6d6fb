"""The app in a browser: textual-serve behind a gate, with a page that asks no other machine."""

from __future__ import annotations

import asyncio
import html
import logging
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from aiohttp import web
from textual_serve.server import Server, to_int

from workbench.serving.guard import Guard, add_headers, gate
from workbench.serving.session import Session

MOST_SESSIONS = 8
"""Each loads the encoders into a process of its own."""
_FULL = (
    f"{MOST_SESSIONS} sessions are open, and no more are served at once. "
    "Close one of them (its tab in the browser), wait half a minute, and load this page again.\n"
)
_PAGE = Path(__file__).with_name("page.html")
_SCRIPT = Path(__file__).with_name("page.js")
_FONT_SIZES = (6, 96)
_LONGEST_MESSAGE = 65_536


class GuardedServer(Server):
    """Serves one command to whom the guard admits.

    Args:
        arguments: of the app's process.
        title: of the page; any text.
    """

    def __init__(self, arguments: Sequence[str], guard: Guard, host: str, title: str) -> None:
        super().__init__("rankbench", host=host, port=guard.port, title=title)
        self.guard = guard
        self._arguments = arguments
        self._open: set[web.WebSocketResponse] = set()

    def initialize_logging(self) -> None:
        logging.basicConfig(level="WARNING", format="%(message)s", stream=sys.stderr)

    async def on_startup(self, app: web.Application) -> None:
        """Nothing: the command has said where it serves."""

    async def on_shutdown(self, app: web.Application) -> None:
        for websocket in list(self._open):
            await websocket.close()

    async def _make_app(self) -> web.Application:
        app = web.Application(middlewares=[gate(self.guard)])
        app.add_routes(
            [
                web.get("/", self.handle_index),
                web.get("/ws", self.handle_websocket),
                web.get("/page.js", self.handle_script),
                web.static("/static", self.statics_path),
            ]
        )
        app.on_response_prepare.append(add_headers)
        app.on_startup.append(self.on_startup)
        app.on_shutdown.append(self.on_shutdown)
        return app

    async def handle_index(self, request: web.Request) -> web.Response:
        """The page. Its socket is on the host that the browser knows this one by."""
        if len(self._open) >= MOST_SESSIONS:
            # Here, since of a socket that is refused a page learns nothing but that it has ended.
            return web.Response(status=503, text=_FULL)
        scheme = "wss" if request.secure else "ws"
        low, high = _FONT_SIZES
        values = {
            "title": self.title,
            "socket": f"{scheme}://{request.host}/ws",
            "font-size": max(low, min(to_int(request.query.get("fontsize", ""), 16), high)),
        }
        text = _PAGE.read_text(encoding="utf-8")
        for name, value in values.items():
            text = text.replace(f"[[{name}]]", html.escape(str(value)))
        return web.Response(text=text, content_type="text/html")

    async def handle_script(self, request: web.Request) -> web.Response:
        text = _SCRIPT.read_text(encoding="utf-8")
        return web.Response(text=text, content_type="text/javascript")

    async def handle_websocket(self, request: web.Request) -> web.StreamResponse:
        if len(self._open) >= MOST_SESSIONS:
            return web.Response(status=503, text=_FULL)
        websocket = web.WebSocketResponse(heartbeat=15, max_msg_size=_LONGEST_MESSAGE)
        self._open.add(websocket)
        try:
            await websocket.prepare(request)
            await self._run_session(websocket, request)
        finally:
            self._open.discard(websocket)
        return websocket

    async def _run_session(self, websocket: web.WebSocketResponse, request: web.Request) -> None:
        session = Session(
            self._arguments,
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=websocket.close,
            download_manager=self.download_manager,
        )
        width, height = (to_int(request.query.get(name, ""), 0) for name in ("width", "height"))
        await session.start(width or 80, height or 24)
        try:
            await self._process_messages(websocket, session)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError):
            # Not what our page sends: whoever talks here is not served any longer.
            await websocket.close()
        finally:
            await asyncio.shield(session.stop())

    def run(self) -> None:
        """Serve until interrupted. What an app leaves on its stderr goes to ours."""
        with redirect_stdout(sys.stderr):
            self.serve()


def app_arguments(root: Path, *, write: bool, judge: str = "") -> list[str]:
    """The command line of one session's app; `judge` names whose its verdicts are."""
    options: list[Any] = ["-w", root, *([] if write else ["--read-only"])]
    options += ["--judge", judge] if judge else []
    return [sys.executable, "-m", "workbench", *map(str, options)]
