"""`rankbench serve`: who gets in, what a session may do, and what its options refuse."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shutil
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from engine.records import Verdicts
from engine.workspace import open_workspace
from tests.commands.served import Served, serve, terminal
from workbench.serving.guard import Guard
from workbench.serving.server import GuardedServer

TOKEN = "0123456789abcdefXYZ-_0123"
PATHS = ("/", "/ws", "/page.js", "/static/js/textual.js", "/static/", "/download/key", "/none")
SIZE = (120, 30)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def ask(server: Served, path: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of a GET."""
    request = urllib.request.Request(server.address + path, headers=headers)
    try:
        with urllib.request.build_opener(NoRedirect).open(request, timeout=20) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read(), dict(error.headers)


@pytest.fixture(scope="module")
def bm25_shop(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made workspace with bm25 on both sides: its sessions answer without torch."""
    root = Path(shutil.copytree(made, tmp_path_factory.mktemp("served") / "shop"))
    ws = open_workspace(root)
    ws.save(replace(ws.settings, baseline="bm25", candidate="bm25", name="<b>Shop</b>"))
    return root


@pytest.fixture(scope="module")
def guarded(bm25_shop: Path) -> Iterator[Served]:
    with serve(bm25_shop, "--token", TOKEN) as server:
        yield server


@pytest.fixture(scope="module")
def open_to_this_machine(bm25_shop: Path) -> Iterator[Served]:
    with serve(bm25_shop) as server:
        assert "encrypted" not in server.said
        yield server


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("wrong", ["none", "query", "cookie", "both"])
def test_without_the_token_every_path_is_a_403_that_says_why_and_no_more(
    guarded: Served, path: str, wrong: str
) -> None:
    query = f"?token={TOKEN[:-1]}" if wrong in ("query", "both") else ""
    headers = {"Cookie": f"rankbench-{guarded.port}=x"} if wrong in ("cookie", "both") else {}
    status, body, told = ask(guarded, path + query, **headers)
    assert status == 403 and body.startswith(b"This address needs its token")
    assert b"Open the whole address that `rankbench serve` printed" in body
    assert b"Shop" not in body and TOKEN.encode() not in body
    assert told["Content-Type"].startswith("text/plain")
    assert "Set-Cookie" not in told and "Server" not in told


async def test_without_the_token_there_is_no_websocket(guarded: Served) -> None:
    async with aiohttp.ClientSession() as client:
        for address in ("/ws", "/ws?token=wrong", "/ws?width=80&height=24"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await client.ws_connect(guarded.address + address)
            assert refusal.value.status == 403


def test_the_token_goes_from_the_address_into_a_cookie(guarded: Served) -> None:
    status, body, told = ask(guarded, f"/?token={TOKEN}&fontsize=28")
    assert status == 303 and body == b""
    assert told["Location"] == "/?fontsize=28"
    cookie, *flags = (part.strip() for part in told["Set-Cookie"].split(";"))
    assert {"HttpOnly", "SameSite=Lax"} <= set(flags)
    for path in ("/", "/page.js", "/static/js/textual.js"):
        assert ask(guarded, path, Cookie=cookie)[0] == 200, path
    # A listing of a directory, and the files that the app would hand out, are nowhere.
    assert ask(guarded, "/static/", Cookie=cookie)[0] in (403, 404)
    assert ask(guarded, "/download/key", Cookie=cookie)[0] == 404
    assert ask(guarded, "/static/..%2fserver.py", Cookie=cookie)[0] in (403, 404)


def test_the_page_is_escaped_and_asks_no_other_machine(open_to_this_machine: Served) -> None:
    status, body, told = ask(open_to_this_machine, "/?fontsize=28%22onload=x")
    text = body.decode()
    assert status == 200 and "&lt;b&gt;Shop&lt;/b&gt;" in text and "<b>" not in text
    assert 'data-font-size="16"' in text
    assert not re.findall(r"https?:|(?<!:)//", text.replace("ws://", ""))
    assert "default-src 'none'" in told["Content-Security-Policy"]
    assert "script-src 'self';" in told["Content-Security-Policy"]
    assert told["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "10.0.0.1", "a b;c", ""]
)
def test_a_foreign_host_is_refused_on_loopback(open_to_this_machine: Served, host: str) -> None:
    """As a page sends it whose name was made to point at this machine."""
    for path in ("/", "/ws"):
        status, body, _ = ask(open_to_this_machine, path, Host=host)
        assert status == 403 and b"Shop" not in body, (path, host)
        assert b"Open the address that `rankbench serve` printed" in body


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
def test_loopback_names_are_served(open_to_this_machine: Served, name: str) -> None:
    host = f"{name}:{open_to_this_machine.port}"
    status, body, _ = ask(open_to_this_machine, "/", Host=host)
    assert status == 200 and f'"ws://{host}/ws"' in body.decode()


async def test_a_page_from_elsewhere_gets_no_websocket(open_to_this_machine: Served) -> None:
    address = open_to_this_machine.address
    async with aiohttp.ClientSession() as client:
        port = open_to_this_machine.port
        for origin in ("http://evil.example", "null", f"http://127.0.0.1:{port + 1}", "file://"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await client.ws_connect(f"{address}/ws", headers={"Origin": origin})
            assert refusal.value.status == 403, origin
        async with client.ws_connect(f"{address}/ws", headers={"Origin": address}) as socket:
            assert not socket.closed


def test_off_this_machine_a_token_is_made_and_needed(bm25_shop: Path) -> None:
    with serve(bm25_shop, "--host", "0.0.0.0") as server:
        [token] = re.findall(r"http://[^:/]+:\d+/\?token=([\w-]+)", server.said)
        assert len(token) >= 32 and server.said.count(token) == 1
        assert "Not encrypted: " in server.said and f"`ssh -L {server.port}:" in server.said
        assert ask(server, "/")[0] == 403
        assert ask(server, f"/?token={token}")[0] == 303


async def test_the_visitor_after_the_last_session_is_told_how_many_are_open() -> None:
    arguments = ["sleep", "2"]  # a session's process that says nothing and leaves by itself
    served = GuardedServer(arguments, Guard("", True, 80), "127.0.0.1", "shop")
    async with TestClient(TestServer(await served._make_app())) as client:
        assert (await client.get("/")).status == 200
        sockets = [await client.ws_connect("/ws") for _ in range(8)]
        full = await client.get("/")
        assert full.status == 503
        text = await full.text()
        assert text.startswith("8 sessions are open") and "Close one of them" in text
        assert (await client.get("/ws")).status == 503
        assert not any(socket.closed for socket in sockets)
        for socket in sockets:
            await socket.close()
        limit = asyncio.get_running_loop().time() + 20
        while served._open:
            assert asyncio.get_running_loop().time() < limit, "a session stays"
            await asyncio.sleep(0.1)
        assert (await client.get("/")).status == 200
        await asyncio.sleep(2.5)  # the processes end before the loop that watches them does


class Terminal:
    """A session's screen through its websocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.stream = ""
        self.texts: list[str] = []

    async def type(self, keys: str) -> None:
        await self.socket.send_str(json.dumps(["stdin", keys]))

    async def until(self, holds: Callable[[list[str]], bool], seconds: float = 40) -> list[str]:
        async with asyncio.timeout(seconds):
            while not holds(rows := terminal(self.stream, *SIZE)):
                message = await self.socket.receive()
                if message.type == aiohttp.WSMsgType.BINARY:
                    self.stream += message.data.decode("utf-8", "replace")
                elif message.type == aiohttp.WSMsgType.TEXT:
                    self.texts.append(message.data)
                else:
                    raise AssertionError(f"the session ended: {message}")
        return rows


def hashes(root: Path) -> dict[str, str]:
    """Path -> SHA-256 of every file, but what SQLite keeps beside a database while it is open.

    A log with something in it is no such thing: it holds what was written.
    """
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.name.endswith("-shm"):
            content = path.read_bytes()
            if content or not path.name.endswith("-wal"):
                found[str(path.relative_to(root))] = hashlib.sha256(content).hexdigest()
    return found


def panes(rows: list[str]) -> tuple[str, str]:
    """The two lists, as text."""
    inside = [row.partition("│") for row in rows if "│" in row]
    return "\n".join(left for left, _, _ in inside), "\n".join(right for *_, right in inside)


async def test_a_session_answers_on_both_sides_and_writes_nothing(
    guarded: Served, bm25_shop
) -> None:
    before = hashes(bm25_shop)
    cookie = {f"rankbench-{guarded.port}": TOKEN}
    async with aiohttp.ClientSession(cookies=cookie) as client:
        query = f"width={SIZE[0]}&height={SIZE[1]}"
        async with client.ws_connect(f"{guarded.address}/ws?{query}") as socket:
            screen = Terminal(socket)
            await screen.until(lambda rows: any("judged queries" in row for row in rows))
            await screen.type("frying pan")
            rows = await screen.until(
                lambda rows: all("Frying pan 24 cm" in pane for pane in panes(rows))
            )
            assert any(" read-only " in row for row in rows)
            await screen.type("\x1b[B")
            await screen.type("x")
            await screen.until(lambda rows: any("This session is read-only." in r for r in rows))
            # A client's size is a client's word.
            await socket.send_str(json.dumps(["resize", {"width": 10**9, "height": 10**9}]))
            await socket.send_str(json.dumps(["resize", {"width": SIZE[0], "height": SIZE[1]}]))
            await screen.type("/")
            await screen.type(" lid")
            await screen.until(lambda rows: "frying pan lid" in rows[0])
            await screen.type("\x11")
            while not socket.closed:
                message = await socket.receive(timeout=40)
                assert message.type != aiohttp.WSMsgType.TEXT, "a file or an address is offered"
    limit = asyncio.get_running_loop().time() + 20
    while (after := hashes(bm25_shop)) != before:
        assert asyncio.get_running_loop().time() < limit, set(after.items()) ^ set(before.items())
        await asyncio.sleep(0.2)


async def test_with_write_a_verdict_is_kept_and_a_closed_tab_ends_the_app(
    bm25_shop: Path, tmp_path: Path
) -> None:
    # Sessions of other tests may still be open: their logs come and go.
    leave = shutil.ignore_patterns("*-wal", "*-shm")
    root = Path(shutil.copytree(bm25_shop, tmp_path / "shop", ignore=leave))
    ws = open_workspace(root)
    ws.save(replace(ws.settings, judge="settings"))
    with serve(root, "--write", "--judge", "visitors") as server:
        assert "all judged by visitors" in server.said
        async with aiohttp.ClientSession() as client:
            size = f"width={SIZE[0]}&height={SIZE[1]}"
            async with client.ws_connect(f"{server.address}/ws?{size}") as socket:
                screen = Terminal(socket)
                await screen.until(lambda rows: any("judged queries" in row for row in rows))
                await screen.type("hose")
                await screen.until(lambda rows: all("hose" in pane for pane in panes(rows)))
                await screen.type("\x1b[B")
                await screen.type("x")
                rows = await screen.until(lambda rows: any("1 verdict" in row for row in rows))
                assert not any("read-only" in row for row in rows)
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
        limit = asyncio.get_running_loop().time() + 30
        while children.read_text().strip():
            assert asyncio.get_running_loop().time() < limit, "the app stays when its tab is gone"
            await asyncio.sleep(0.1)
    with Verdicts(root / "records.db") as verdicts:
        said = [(verdict.query, verdict.judge) for verdict in verdicts.standing()]
        assert said == [("hose", "visitors")]
    assert open_workspace(root).settings.judge == "settings"


async def test_a_client_that_talks_nonsense_is_cut_off_and_the_server_stays(
    guarded: Served,
) -> None:
    cookie = {f"rankbench-{guarded.port}": TOKEN}
    async with aiohttp.ClientSession(cookies=cookie) as client:
        for nonsense in ("not json", "{}", '["stdin", 5]', '["resize", []]', '"x"'):
            async with client.ws_connect(f"{guarded.address}/ws") as socket:
                await socket.send_str(nonsense)
                async with asyncio.timeout(60):
                    while not socket.closed:
                        await socket.receive()
        async with client.get(guarded.address) as answer:
            assert answer.status == 200


def test_what_cannot_be_served_is_refused_in_words(rankbench: Any, workspace: Path) -> None:
    told = rankbench("serve", "-w", workspace, "--host", "0.0.0.0", "--no-token")
    told.assert_error(2, "only this machine")
    rankbench("serve", "-w", workspace, "--token", "short").assert_error(2, "guessed")
    rankbench("serve", "-w", workspace, "--judge", "ann").assert_error(2, "--write")
    rankbench("serve", "-w", workspace, "--write", "--judge", " ").assert_error(2, "no judge")
    rankbench("--judge", "ann", "search", "hose", "-w", workspace).assert_error(2, "for the app")
    both = rankbench("serve", "-w", workspace, "--token", TOKEN, "--no-token")
    both.assert_error(2, "exclude")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = rankbench("serve", "-w", workspace, "--port", port)
        told.assert_error(1, "cannot listen", str(port))


def test_read_only_is_of_the_app_and_present_checks_its_list(
    rankbench, workspace, tmp_path
) -> None:
    rankbench("--read-only", "search", "hose", "-w", workspace).assert_error(2, "for the app")
    missing = rankbench("present", "-w", workspace, "--queries", tmp_path / "none.txt")
    missing.assert_error(1, "cannot be read", "none.txt")
    (tmp_path / "list.txt").write_bytes(b"caf\xe9\n")
    latin = rankbench("present", "-w", workspace, "--queries", tmp_path / "list.txt")
    latin.assert_error(1, "not UTF-8")
    rankbench("present", "-w", workspace).assert_error(1, "needs a terminal")
