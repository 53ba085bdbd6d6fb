"""Who may talk to the served app: the gate before every path, and what every answer carries."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
TOKEN = "token"
# It is written into a header of the answer.
_NOT_OURS = (
    "Nothing is served under this address, or to pages of other sites. "
    "Open the address that `rankbench serve` printed, as it stands.\n"
)
_NO_TOKEN = (
    "This address needs its token, and there was none or another one. "
    "Open the whole address that `rankbench serve` printed, with what stands behind ?token=, "
    "or ask the person who started it for it.\n"
)
_HOST = re.compile(r"[\w.-]+(:\d+)?|\[[\da-fA-F:.]+\](:\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Guard:
    """What a request must show.

    A page of another site may send requests to this machine: by a name of its own that it lets
    point here (DNS rebinding), which `Host` betrays; or by our address, which `Origin` betrays.
    So on loopback the `Host` must be a loopback name, and an `Origin` must be our own.

    Args:
        token: "" where none is needed.
        loopback: whether only this machine can connect.
        port: that is listened on.
    """

    token: str
    loopback: bool
    port: int

    @property
    def cookie(self) -> str:
        # Cookies do not tell ports apart: two servers on one machine must not share theirs.
        return f"rankbench-{self.port}"

    def refusal(self, request: web.Request) -> str:
        """Why the request is not answered and what to do, in words; "" where it may be.

        It names nothing of the workspace: whoever reads it has not shown the token.
        """
        if not self._is_ours(request):
            return _NOT_OURS
        if self.token and not self._knows_token(request):
            return _NO_TOKEN
        return ""

    def is_asked_for_entry(self, request: web.Request) -> bool:
        """Whether the token is in the address, from where it goes into a cookie."""
        return bool(self.token) and TOKEN in request.query

    def _is_ours(self, request: web.Request) -> bool:
        host = request.headers.get("Host", "")
        if not _HOST.fullmatch(host):
            return False
        if self.loopback and not is_loopback(_name(host)):
            return False
        origin = request.headers.get("Origin")
        # A program that is no browser sends none; a browser does, from wherever its page is.
        return origin is None or urlsplit(origin).netloc.lower() == host.lower()

    def _knows_token(self, request: web.Request) -> bool:
        given = request.query.get(TOKEN, request.cookies.get(self.cookie, ""))
        return secrets.compare_digest(_bytes(given), _bytes(self.token))


def is_loopback(name: str) -> bool:
    """Whether a host name, or an address, can only mean this machine."""
    if name.lower() == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def gate(guard: Guard) -> Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]:
    """The middleware: what the guard refuses gets a 403 that says why, whatever its path."""

    @web.middleware
    async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        if why := guard.refusal(request):
            return web.Response(status=403, text=why)
        if guard.is_asked_for_entry(request):
            return _entry(guard, request)
        return await handler(request)

    return refuse


def _entry(guard: Guard, request: web.Request) -> web.Response:
    """The token goes into a cookie and out of the address, which is kept, shown and shared."""
    rest = {name: value for name, value in request.query.items() if name != TOKEN}
    response = web.Response(status=303, headers={"Location": str(request.rel_url.with_query(rest))})
    # Not "Strict": after a link in a webmail or a wiki a browser would not send it to the page that
    # the answer leads to. `Origin` guards the websocket, and nothing is changed by going to a page.
    response.set_cookie(guard.cookie, guard.token, httponly=True, samesite="Lax", path="/")
    return response


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """What keeps the page to itself; a signal of the application for each answer."""
    host = request.headers.get("Host", "")
    if not _HOST.fullmatch(host):
        return
    response.headers.pop("Server", None)
    response.headers.update(
        {
            "Content-Security-Policy": (
                "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
                f"font-src 'self'; img-src 'self' data:; connect-src 'self' ws://{host} "
                f"wss://{host}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
            ),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
    )


def _name(host: str) -> str:
    """The name in a `Host` header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
