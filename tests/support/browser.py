"""A real browser, and screenshots of its pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, sync_playwright

from support.entry import PROJECT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SCREENSHOTS = PROJECT / "workspace" / "screenshots"  # for people to look at


@contextmanager
def open_page(width: int = 900, height: int = 640) -> Iterator[Page]:
    """Open an empty page; assert at the end that its scripts raised nothing and it requested nothing from elsewhere."""
    if not CHROMIUM:
        pytest.skip("needs Chromium: no such program is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": height})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: errors.append(request.url) if _is_elsewhere(request.url) else None)
        yield page
        browser.close()
        assert errors == []


def _is_elsewhere(address: str) -> bool:
    return "127.0.0.1" not in address and not address.startswith(("file:", "data:", "blob:"))


def save_screenshot(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
