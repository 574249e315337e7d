"""README's pictures, of what its commands left in ``workspace/output``: ``make pictures``.

They are stored with a palette of 64 colours: some 20 kB each.
"""

import io
import json
import math
import re
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from support.browser import CHROMIUM
from support.entry import PROJECT
from support.servers import free_port, run_server

COLORS = 64
THREE = [(0.32 + 0.36 * math.sin(math.pi * t / 20), 0.32 - 0.17 * math.cos(math.pi * t / 20)) for t in range(21)]
THREE += [(x, y + 0.34) for x, y in THREE]
LANGUAGES = {"en": "en-US", "zh": "zh-CN"}


def save(page: Page, name: str) -> None:
    """Store what the window shows."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(COLORS, dither=Image.Dither.NONE).save(
        PROJECT / "docs" / "pictures" / f"{name}.png", optimize=True
    )


def open_page(browser: Browser, width: int, height: int, language: str) -> Page:
    size = {"width": width, "height": height}
    return browser.new_context(viewport=size, locale=LANGUAGES[language], color_scheme="light").new_page()  # type: ignore[arg-type]


def show_comparison(browser: Browser, output: Path, language: str) -> None:
    """Show the page of ``compare --html``: the runs on MNIST and their curves."""
    file = output.parent / "comparison.html"
    command = [sys.executable, "-m", "trialmaker", "compare", str(output), "--html", str(file)]
    subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    page = open_page(browser, 1000, 620, language)
    page.goto(file.as_uri())
    heading = page.locator("h2", has_text=re.compile("^mnist$"))
    heading.evaluate("node => node.scrollIntoView()")
    page.wait_for_timeout(2000)  # a plot, or a bar, comes to rest
    save(page, f"compare.{language}")


def show_service(browser: Browser, output: Path, language: str) -> None:
    """Show the page of ``predict.py``, on which a person drew a 3."""
    port = free_port()
    versions = json.loads((output / "model" / "best.json").read_text(encoding="utf-8"))["versions"]
    version = max(int(number) for number, card in versions.items() if card["data"] == "mnist")
    folder = str(output / "model" / str(version))
    command = [sys.executable, str(PROJECT / "predict.py"), "--model-dir", folder, "--port", str(port)]
    with run_server(command, output):
        page = open_page(browser, 900, 590, language)
        page.goto(f"http://127.0.0.1:{port}/")
        paper = page.locator("canvas")
        paper.wait_for()
        box = paper.bounding_box()
        assert box
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in THREE]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point, steps=2)
        page.mouse.up()
        page.locator(".row.likeliest").wait_for()
        page.wait_for_timeout(2000)  # a plot, or a bar, comes to rest
        save(page, f"drawing.{language}")


def main() -> None:
    output = Path(sys.argv[1] if len(sys.argv) > 1 else PROJECT / "workspace" / "output").resolve()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for language in LANGUAGES:
            show_comparison(browser, output, language)
            show_service(browser, output, language)


if __name__ == "__main__":
    main()
