"""The served app in a real browser: keys reach it, both panes are painted, text stays text."""

from __future__ import annotations

import base64
import http.server
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.workspace import open_workspace
from tests.commands.served import Served, serve, terminal
from workbench.cli import _run

TOKEN = "browser-0123456789abcdef"
HOSTILE = (
    "Kettle <script>alert(1)</script>",
    "Kettle <img src=x onerror=alert(2)>",
    "Kettle [/] [red]x[/red]",
    "Kettle \x1b]0;owned\x07 \x1b[2J\x1b[31mred",
    "Kettle [@click=app.quit]quit[/]",
)
# What the browser gets is written down before our page's script sees it.
_TAP = """
window.got = ""; window.sockets = []; window.alerted = false;
window.alert = () => { window.alerted = true };
const Plain = window.WebSocket;
window.WebSocket = class extends Plain {
  constructor(url) {
    super(url);
    window.sockets.push(url);
    const decoder = new TextDecoder();
    this.addEventListener("message", (event) => {
      if (typeof event.data !== "string") window.got += decoder.decode(event.data, {stream: true});
    });
  }
};
"""
_INK = """
const layer = document.querySelector("canvas.xterm-text-layer");
const half = Math.floor(layer.width / 2), context = layer.getContext("2d");
return [0, half].map((x) => {
  const data = context.getImageData(x, 0, half, layer.height).data;
  let dots = 0;
  for (let i = 3; i < data.length; i += 4) dots += data[i] > 0;
  return dots;
});
"""


@pytest.fixture(scope="module")
def server(
    shop: Path, tiny_encoder_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("hostile")
    catalog = (shop / "products.csv").read_text(encoding="utf-8")
    catalog += "".join(f'h{n},"{title}",Mallory,red\n' for n, title in enumerate(HOSTILE))
    (directory / "products.csv").write_text(catalog, encoding="utf-8")
    root = directory / "workspace"
    init = ["init", root, "--catalog", directory / "products.csv"]
    init += ["--judgments", shop / "judgments.csv", "--encoder", tiny_encoder_dir]
    assert _run([str(part) for part in init]) == 0
    ws = open_workspace(root)
    ws.save(replace(ws.settings, baseline="bm25", candidate="bm25"))
    with serve(root, "--token", TOKEN) as running:
        yield running


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    found = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if not all(found):
        pytest.skip("there is no Chromium with its driver")
    options = webdriver.ChromeOptions()
    options.binary_location = found[0]
    arguments = (
        "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking"
        " disable-component-update disable-sync window-size=1200,700"
    )
    for argument in arguments.split():
        options.add_argument(f"--{argument}")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(found[1]))
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _TAP})
    yield driver
    driver.quit()


def rows(browser: Any) -> list[str]:
    """The terminal as the browser was told to paint it."""
    return terminal(browser.execute_script("return window.got"), 300, 100)


def until(browser: Any, holds: Callable[[list[str]], bool], seconds: float = 60) -> list[str]:
    limit = time.monotonic() + seconds
    while not holds(shown := rows(browser)):
        assert time.monotonic() < limit, "\n".join(filter(str.strip, shown))
        time.sleep(0.1)
    return shown


def press(browser: Any, keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    for key in keys:
        ActionChains(browser).send_keys(key).perform()


def test_without_the_token_the_browser_shows_nothing(browser: Any, server: Served) -> None:
    browser.get(server.address)
    assert "xterm" not in browser.page_source and "app-websocket" not in browser.page_source
    assert browser.execute_script("return window.sockets") == []


def test_keys_reach_the_app_both_panes_are_painted_and_titles_are_only_text(
    browser: Any, server: Served
) -> None:
    browser.get_log("performance")
    browser.get(f"{server.address}/?token={TOKEN}")
    # The token is out of the address, and no script can read it.
    assert browser.current_url == f"{server.address}/"
    assert TOKEN not in browser.execute_script("return document.cookie + document.referrer")
    until(browser, lambda shown: any("judged queries" in row for row in shown))
    # Never clicked: the page takes keys from the start.
    press(browser, "kettle")

    def both(shown: list[str]) -> bool:
        parts = [row.partition("│") for row in shown if "│" in row]
        return all(sum("Kettle" in part[side] for part in parts) == len(HOSTILE) for side in (0, 2))

    shown = until(browser, both)
    assert shown[0].strip() == "❯ kettle"
    text = "\n".join(shown)
    for inert in ("<script>alert(1)</script>", "[/] [red]x[/red]", "[@click=app.quit]quit[/]"):
        assert text.count(inert) == 2, inert
    assert all(dots > 2_000 for dots in browser.execute_script(_INK))
    assert not browser.execute_script("return window.alerted")
    assert browser.title != "owned" and len(browser.find_elements("css selector", "img")) == 0
    picture = base64.b64decode(browser.get_screenshot_as_base64())
    assert picture.startswith(b"\x89PNG")

    press(browser, "\ue015x")
    until(browser, lambda shown: any("This session is read-only." in row for row in shown))
    press(browser, "\ue039")
    until(browser, lambda shown: any("best wins" in row or "No query is" in row for row in shown))
    _nothing_went_elsewhere(browser, server)


def _nothing_went_elsewhere(browser: Any, server: Served) -> None:
    loaded = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    addresses = browser.execute_script(loaded) + browser.execute_script("return window.sockets")
    own = f"127.0.0.1:{server.port}/"
    assert len(addresses) >= 4
    assert all(address.partition("://")[2].startswith(own) for address in addresses), addresses
    errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    # The 403 of the test before is one.
    assert not [entry for entry in errors if "403" not in entry["message"]], errors


@contextmanager
def page_of_another_server(body: str = "") -> Iterator[int]:
    """The port of a server on this machine with one page."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        yield other.server_port
        other.shutdown()


def test_the_printed_link_works_from_a_page_of_another_site(browser: Any, server: Served) -> None:
    """As it is clicked in a webmail or a wiki: to a browser, localhost and 127.0.0.1 are two."""
    browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
    link = f'<a href="{server.address}/?token={TOKEN}">the app</a>'
    with page_of_another_server(link) as port:
        browser.get(f"http://localhost:{port}/")
        browser.find_element("css selector", "a").click()
        until(browser, lambda shown: any("judged queries" in row for row in shown))
    assert browser.current_url == f"{server.address}/"


def test_another_tab_on_another_origin_cannot_reach_the_session(
    browser: Any, server: Served
) -> None:
    """From a page of the same site (another port of this machine) the cookie is sent, too."""
    with page_of_another_server() as port:
        browser.get(f"http://127.0.0.1:{port}/")
        told = browser.execute_async_script(
            "const done = arguments[1], socket = new WebSocket(arguments[0]);"
            "socket.onopen = () => done('open'); socket.onerror = () => done('refused');",
            f"ws://127.0.0.1:{server.port}/ws",
        )
    assert told == "refused"
