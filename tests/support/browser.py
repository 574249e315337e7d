"""A real browser, and screenshots of its pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from support.entry import PROJECT
from support.waiting import HANG_SECONDS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SCREENSHOTS = PROJECT / "workspace" / "screenshots"  # for people to look at
expect.set_options(timeout=1000 * HANG_SECONDS)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start the browser."""
    if not CHROMIUM:
        pytest.skip("needs Chromium: no such program is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def open_page(width: int = 900, height: int = 640, browser: Browser | None = None, **options: Any) -> Iterator[Page]:
    """Open an empty page; assert at the end that its scripts raised nothing and it requested nothing from elsewhere.

    Args:
        width: the window's, in pixels.
        height: the window's, in pixels.
        browser: where it is opened, as a new user of that browser; None for a browser of its own.
        options: of Playwright's ``Browser.new_context``: ``color_scheme``, ``locale``, ``has_touch`` and others.
    """
    if not browser:
        with open_browser() as own_browser, open_page(width, height, own_browser, **options) as page:
            yield page
        return
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    page = context.new_page()
    page.set_default_timeout(1000 * HANG_SECONDS)
    page.on("filechooser", lambda _: None)  # else one that opens just after it is first expected is lost
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: errors.append(request.url) if _is_elsewhere(request.url) else None)
    yield page
    context.close()
    assert errors == []


def _is_elsewhere(address: str) -> bool:
    return "127.0.0.1" not in address and not address.startswith(("file:", "data:", "blob:"))


def save_screenshot(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
