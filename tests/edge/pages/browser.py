"""A real browser: the system's Chromium, by its own driver, and what people do with it."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

PHONE, DESK = (360, 740), (1100, 900)
# Relative luminance and contrast (WCAG 2.2, 1.4.3) of every element with text, against what is painted below.
CONTRAST = """
const lum = c => { const f = c.map(v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
  return .2126 * f[0] + .7152 * f[1] + .0722 * f[2]; };
const rgb = s => s.match(/[\\d.]+/g).map(Number);
const under = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
  if (c.length < 4 || c[3] === 1) return c.slice(0, 3); } return [255, 255, 255]; };
return [...document.querySelectorAll("body *")]
  .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) && e.getClientRects().length)
  .map(e => { const [a, b] = [lum(rgb(getComputedStyle(e).color).slice(0, 3)), lum(under(e))].sort((x, y) => y - x);
    return [e.tagName + ": " + e.textContent.trim().slice(0, 40), (a + .05) / (b + .05)]; });
"""
SMALL = """
return [...document.querySelectorAll("a, button, input:not([type=hidden])")].map(e => {
  const box = (e.closest("label") || e).getBoundingClientRect();
  return [e.outerHTML.slice(0, 80), box.width, box.height, getComputedStyle(e).display]; })
  .filter(([, w, h]) => w > 0 && (w < 24 || h < 24));
"""


@contextmanager
def browser(size: tuple[int, int] = DESK, *, script: bool = True, language: str = "en") -> Iterator[webdriver.Chrome]:
    """A fresh one. Skips where there is none, and fails there when CI is set."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        missing = "no Chromium: apt-get install chromium chromium-driver"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for each in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars",
                 "--disable-background-networking", f"--accept-lang={language}"):  # fmt: skip
        options.add_argument(each)
    prefs: dict[str, Any] = {"intl.accept_languages": language}
    if not script:
        prefs["profile.managed_default_content_settings.javascript"] = 2
    options.add_experimental_option("prefs", prefs)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options=options, service=Service(driver))
    try:
        found.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE},
        )
        yield found
    finally:
        found.quit()


class Reader:
    """A person at a browser."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    @property
    def words(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "body").text

    def open(self, url: str) -> None:
        self.driver.get(url)

    def box(self, item: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, f'input[name=want][value="{item}"]')

    def tick(self, item: str) -> None:
        """Press the words beside a box, as people do."""
        self.box(item).find_element(By.XPATH, "..").find_element(By.CLASS_NAME, "label").click()

    def press(self, what: str) -> None:
        """A button, by its `do`, and wait for the next page."""
        self._then(self.driver.find_element(By.CSS_SELECTOR, f'button[value="{what}"]').click)

    def _then(self, act: Any) -> None:
        old = self.driver.find_element(By.TAG_NAME, "html")
        act()
        self.await_that(lambda: old.id != self.driver.find_element(By.TAG_NAME, "html").id)

    def await_that(self, holds: Any) -> None:
        WebDriverWait(self.driver, 20).until(lambda _: holds())

    def focused(self) -> WebElement:
        return self.driver.switch_to.active_element

    def tab_to(self, reached: Any) -> list[str]:
        """Press Tab until the focused element is it; the elements on the way. Fails when it is not reachable."""
        way: list[str] = []
        for _ in range(60):
            self.type(Keys.TAB)
            here = self.focused()
            way.append(here.get_attribute("outerHTML") or "")
            if reached(here):
                return way
        raise AssertionError(f"not reachable by keyboard; passed {way}")

    def type(self, key: str) -> None:
        self.focused().send_keys(key)

    def enter(self) -> None:
        self._then(lambda: self.type(Keys.ENTER))

    def contrasts(self) -> list[tuple[str, float]]:
        return [tuple(each) for each in self.driver.execute_script(CONTRAST)]

    def small_targets(self) -> list[Any]:
        found: list[Any] = self.driver.execute_script(SMALL)
        return found

    def complaints(self) -> list[str]:
        """What the browser complains of: violations of the policy among it."""
        return [each["message"] for each in self.driver.get_log("browser") if each["level"] in ("SEVERE", "WARNING")]

    def picture(self, path: Path) -> None:
        """The whole page."""
        size = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        found = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        path.write_bytes(base64.b64decode(found["data"]))
