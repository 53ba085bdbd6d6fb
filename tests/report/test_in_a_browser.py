"""The page in a real browser: headless Chromium, with axe-core for accessibility."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.report.page import render_html
from tests.report.hostile import evaluated, reported

pytest.importorskip("selenium", reason="selenium is not installed")

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
DRIVER = shutil.which("chromedriver") or ""
pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="needs Chromium and its chromedriver on the PATH"
)
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--window-size=1200,900",
)  # fmt: skip


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_html(reported(evaluated(30), examples=1)), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def paint(driver: Any, page: str, scheme: str = "light") -> None:
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    driver.get("about:blank")
    for kind in ("performance", "browser"):  # what the browser's own first page did
        driver.get_log(kind)
    driver.get(page)


def test_no_error_and_no_request_but_the_page(chromium: Any, page: str) -> None:
    paint(chromium, page)
    messages = [
        json.loads(entry["message"])["message"] for entry in chromium.get_log("performance")
    ]
    urls = {
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    }
    assert page in urls
    assert not {url for url in urls if url != page and not url.startswith("data:")}
    assert chromium.get_log("browser") == []


def test_every_chart_has_marks_that_can_be_seen(chromium: Any, page: str) -> None:
    paint(chromium, page)
    seen = chromium.execute_script(
        """
        const marks = "rect.mark, rect.harmed, rect.improved, rect.unchanged, circle.dot";
        return [...document.querySelectorAll("figure svg, td.plot svg")].map(svg =>
          [...svg.querySelectorAll(marks)].filter(mark => {
            const box = mark.getBoundingClientRect();
            return box.width >= 1 && box.height >= 1 && getComputedStyle(mark).fill !== "none";
          }).length);
        """
    )
    # The headline's two, two histograms, seven measures, three splits and three strata.
    assert len(seen) == 2 + 2 + 7 + 3 + 3
    assert min(seen) >= 1 and max(seen) >= 5


def test_light_and_dark_both_render(chromium: Any, page: str) -> None:
    grounds, pictures = [], []
    for scheme in ("light", "dark"):
        paint(chromium, page, scheme)
        style = "return getComputedStyle(document.body).backgroundColor"
        grounds.append([int(n) for n in chromium.execute_script(style)[4:-1].split(",")])
        pictures.append(chromium.get_screenshot_as_png())
    assert min(grounds[0]) > 200 and max(grounds[1]) < 60
    assert pictures[0] != pictures[1]


def test_hostile_text_does_nothing_and_is_read(chromium: Any, page: str) -> None:
    paint(chromium, page)
    counts = chromium.execute_script(
        "return ['script', 'img', 'iframe', '[onload]', '[onerror]']"
        ".map(what => document.querySelectorAll(what).length)"
    )
    assert counts == [0, 0, 0, 0, 0]
    assert "<script>alert(1)</script>" in chromium.find_element(By.CSS_SELECTOR, "main").text
    wide = "return document.documentElement.scrollWidth <= window.innerWidth"
    assert chromium.execute_script(wide)


def test_the_keyboard_reaches_and_opens_everything(chromium: Any, page: str) -> None:
    paint(chromium, page)
    wanted = chromium.execute_script(
        "return document.querySelectorAll('summary, .histogram a').length"
    )
    reached = set()
    ask = (
        "const e = document.activeElement;"
        "if (e.matches('summary')) return e.nextElementSibling.id;"
        "return e.matches('.histogram a') ? e.getAttribute('href') : ''"
    )
    for _ in range(wanted + 60):
        ActionChains(chromium, duration=0).send_keys(Keys.TAB).perform()
        reached.add(chromium.execute_script(ask))
    reached.discard("")
    assert len(reached) == wanted > 20
    for summary in chromium.find_elements(By.CSS_SELECTOR, "summary"):
        summary.send_keys(Keys.ENTER)
    closed = "return document.querySelectorAll('details:not([open])').length"
    assert chromium.execute_script(closed) == 0


def test_a_bar_opens_its_queries(chromium: Any, page: str) -> None:
    paint(chromium, page)
    chromium.execute_script("document.querySelector('.histogram a:last-of-type').focus()")
    ActionChains(chromium).send_keys(Keys.ENTER).perform()
    opened = chromium.find_elements(By.CSS_SELECTOR, "details[open] .queries")
    assert [f"#{found.get_attribute('id')}" for found in opened] == [
        chromium.execute_script("return location.hash")
    ]
    assert opened[0].is_displayed() and opened[0].text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_accessibility_checker_finds_nothing(chromium: Any, page: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
    paint(chromium, page, scheme)
    chromium.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    chromium.execute_script((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = chromium.execute_async_script(
        "const done = arguments[0]; axe.run().then(r => done("
        "{passes: r.passes.length, bad: r.violations.map("
        "v => [v.id, v.nodes.slice(0, 3).map(n => n.html.slice(0, 200))])}))"
    )
    assert found["bad"] == []
    assert found["passes"] > 15
