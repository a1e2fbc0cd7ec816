"""A headless Chromium for tests of pages: opens a file, acts as a reader does, and tells what it saw.

Driven by selenium through the machine's own chromedriver. Nothing is downloaded, nothing stays: the
profile is an empty folder that goes with the browser.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)
KEYS = {
    "Tab": Keys.TAB,
    "Enter": Keys.ENTER,
    "Space": Keys.SPACE,
    "Escape": Keys.ESCAPE,
    "ArrowLeft": Keys.ARROW_LEFT,
    "ArrowRight": Keys.ARROW_RIGHT,
    "ArrowUp": Keys.ARROW_UP,
    "ArrowDown": Keys.ARROW_DOWN,
    "Home": Keys.HOME,
    "End": Keys.END,
}


class Browser:
    """One browser with one page.

    with Browser() as browser:
        browser.open(explanation.html())
        assert browser.console_errors() == []
    """

    def __init__(self, width: int = 1280, height: int = 900):
        self.width, self.height = width, height
        self._folder = Path()
        self._driver: Any = None

    def __enter__(self) -> Browser:
        self._folder = Path(tempfile.mkdtemp(prefix="deltarule-browser-"))
        options = Options()
        options.binary_location = str(shutil.which("chromium"))
        for flag in (*_FLAGS, f"--user-data-dir={self._folder / 'profile'}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        # The profile's own files stay in the folder as well.
        environment = {**os.environ, "HOME": str(self._folder), "XDG_CONFIG_HOME": str(self._folder)}
        service = Service(str(shutil.which("chromedriver")), env=environment)
        try:
            self._driver = webdriver.Chrome(options=options, service=service)
            self._driver.set_page_load_timeout(60)
            self.resize(self.width, self.height)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        if self._driver is not None:
            with contextlib.suppress(Exception):
                self._driver.quit()
        for _ in range(20):
            # The browser's last processes may still write for a moment.
            shutil.rmtree(self._folder, ignore_errors=True)
            if not self._folder.exists():
                return
            time.sleep(0.1)

    def open(self, page: str | Path) -> None:
        """Opens a file, or the text of a page, from disk. Forgets what the page before it logged."""
        if not isinstance(page, Path):
            text, page = page, self._folder / "page.html"
            page.write_text(text, encoding="utf-8")
        self._driver.get("about:blank")
        for kind in ("browser", "performance"):
            self._driver.get_log(kind)
        self._page = page.resolve().as_uri()
        self._driver.get(self._page)

    @contextlib.contextmanager
    def frame(self, css: str) -> Iterator[None]:
        """What is done in the block is done inside of a frame of the page."""
        self._driver.switch_to.frame(self._element(css))
        try:
            yield
        finally:
            self._driver.switch_to.default_content()

    def resize(self, width: int, height: int) -> None:
        """The size of the window in CSS pixels; below 500 the page believes that it is on a phone."""
        self.width, self.height = width, height
        self._command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )

    def prefer(self, scheme: str) -> None:
        """What the reader's system says: light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._command("Emulation.setEmulatedMedia", features=features)

    def print_media(self, on: bool = True) -> None:
        """Lays the page out as for print, or again for the screen."""
        self._command("Emulation.setEmulatedMedia", media="print" if on else "")

    def console_errors(self) -> list[str]:
        """What the page logged as warnings and errors since it was opened or last asked."""
        log = self._driver.get_log("browser")
        return [entry["message"] for entry in log if entry["level"] in ("SEVERE", "WARNING")]

    def requests(self) -> list[str]:
        """Every address that the page asked for since it was opened: not itself, not `data:`, and not what
        its own policy stopped before it left."""
        asked: dict[str, str] = {}
        for entry in self._driver.get_log("performance"):
            event = json.loads(entry["message"])["message"]
            details = event["params"]
            if event["method"] == "Network.requestWillBeSent":
                asked[details["requestId"]] = details["request"]["url"]
            elif event["method"] == "Network.loadingFailed" and details.get("blockedReason") == "csp":
                asked.pop(details["requestId"], None)
        return [each for each in asked.values() if not each.startswith(("data:", self._page))]

    def evaluate(self, expression: str, *arguments: Any) -> Any:
        """The value of a JavaScript expression; `arguments` are what it calls arguments[0], ..."""
        return self._driver.execute_script(f"return ({expression});", *arguments)

    def click(self, css: str) -> None:
        self._element(css).click()

    def hover(self, css: str) -> None:
        element = self._element(css)
        self._driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        ActionChains(self._driver).move_to_element(element).perform()

    def press(self, *keys: str) -> None:
        """Presses keys one after the other: names of KEYS, "Shift+Tab", or characters."""
        for key in keys:
            chain = ActionChains(self._driver)
            if key.startswith("Shift+"):
                chain.key_down(Keys.SHIFT).send_keys(KEYS[key[6:]]).key_up(Keys.SHIFT)
            else:
                chain.send_keys(KEYS.get(key, key))
            chain.perform()

    def text(self, css: str) -> str:
        """The text that can be seen in the first element that matches."""
        return self._element(css).text

    def count(self, css: str) -> int:
        return len(self._driver.find_elements(By.CSS_SELECTOR, css))

    def visible(self, css: str) -> bool:
        """Whether any element that matches can be seen."""
        return any(each.is_displayed() for each in self._driver.find_elements(By.CSS_SELECTOR, css))

    def wait(self, css: str, seconds: float = 10.0) -> None:
        """Waits until an element matches. Raises TimeoutError."""
        self.wait_until(f"document.querySelector({json.dumps(css)}) !== null", seconds)

    def wait_until(self, expression: str, seconds: float = 10.0) -> None:
        """Waits until a JavaScript expression is true. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while not self.evaluate(expression):
            if time.monotonic() > end:
                raise TimeoutError(f"still not so after {seconds} s: {expression}")
            time.sleep(0.02)

    def screenshot(
        self, path: Path, width: int | None = None, height: int | None = None, *, whole: bool = False
    ) -> None:
        """The window as a PNG file, at a size if given. whole: all of the page."""
        if width is not None:
            self.resize(width, height or self.height)
        answer = self._command("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def first_paint_ms(self) -> float:
        """Milliseconds from the start of loading to the first text or picture on the screen."""
        paints = "performance.getEntriesByName('first-contentful-paint')"
        self.wait_until(f"{paints}.length > 0")
        return float(self.evaluate(f"{paints}[0].startTime"))

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window: what a phone would scroll sideways."""
        root = "document.documentElement"
        return int(self.evaluate(f"{root}.scrollWidth - {root}.clientWidth"))

    def _element(self, css: str) -> Any:
        return self._driver.find_element(By.CSS_SELECTOR, css)

    def _command(self, name: str, **parameters: Any) -> Any:
        return self._driver.execute_cdp_cmd(name, parameters)
