"""A real browser, and what is kept of what it shows."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, sync_playwright

from support.entry import PROJECT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
KEPT = PROJECT / "workspace" / "screenshots"  # to look at what a person sees


@contextmanager
def browser(width: int = 900, height: int = 640) -> Iterator[Page]:
    """An empty page. Afterwards there must have been no mistake in it, and nothing fetched from elsewhere."""
    if not CHROMIUM:
        pytest.skip("needs Chromium: no such program is installed")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = started.new_page(viewport={"width": width, "height": height})
        errors: list[str] = []
        opened.on("pageerror", lambda error: errors.append(str(error)))
        opened.on("request", lambda request: errors.append(request.url) if _is_elsewhere(request.url) else None)
        yield opened
        started.close()
        assert errors == []


def _is_elsewhere(address: str) -> bool:
    return "127.0.0.1" not in address and not address.startswith(("file:", "data:", "blob:"))


def kept(page: Page, name: str) -> None:
    """Keep a screenshot."""
    KEPT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=KEPT / f"{name}.png")
