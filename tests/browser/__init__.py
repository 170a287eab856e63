"""A real browser for pages of ours: a tab and all that it is heard to do, and what no page may have."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

_HERE = Path(__file__).parent
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

AXE = (_HERE / "axe" / "axe.min.js").read_text(encoding="utf-8")
CLIPPED = (_HERE / "clipped.js").read_text(encoding="utf-8").partition("\n")[2].rstrip(";\n")


def launched() -> Iterator[Any]:
    """A browser, as long as it is needed; without playwright or Chromium the test is skipped."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium is installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


class Tab:
    """A tab, and all that it was heard to do.

    Args:
        browser: what the fixture `chromium` gives.
        address: where the page is.
        options: of the browser's context.
    """

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self.address = address
        self.context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        self.tab = self.context.new_page()
        self.tab.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.tab.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.tab.on("dialog", lambda dialog: (self.said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.tab.on("request", lambda request: self.asked.append(request.url))

    @property
    def elsewhere(self) -> list[str]:
        """Requests to anything but the page's own place."""
        return [url for url in self.asked if not url.startswith((self.address, "data:"))]

    def go(self, asked: str = "") -> Self:
        self.tab.goto(self.address + asked)
        return self

    def until(self, wanted: str, given: Any = None, tab: Any = None) -> None:
        """Waits for what JavaScript finds true; playwright's own way evaluates texts, which the page forbids."""
        for _ in range(300):
            if (tab or self.tab).evaluate(wanted, given):
                return
            time.sleep(0.05)
        raise AssertionError(f"never: {wanted} {given}")

    def violations(self) -> list[str]:
        """What axe finds wrong."""
        self.tab.evaluate(AXE)
        found = self.tab.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        return [f"{v['id']}: {v['nodes'][0]['html'][:150]} {v['nodes'][0]['failureSummary'][:300]}" for v in found]
