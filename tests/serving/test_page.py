"""The page on which a person draws a digit, in a real browser."""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.service import Service, serving
from trialmaker.data import digits

pytest.importorskip("playwright.sync_api", reason="needs playwright")
from playwright.sync_api import Page, expect

from support.browser import open_page, save_screenshot

SEVEN = [(0.25, 0.2), (0.75, 0.2), (0.45, 0.85)]


@pytest.fixture(scope="module")
def service(published: Path) -> Iterator[Service]:
    with serving(published) as running:
        yield running


@pytest.fixture
def page() -> Iterator[Page]:
    with open_page() as opened:
        yield opened


def draw(page: Page, points: list[tuple[float, float]]) -> None:
    """Draw a stroke over points in 0 to 1 of the paper."""
    box = page.locator("canvas").bounding_box()
    assert box
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()


def test_a_person_draws_and_reads_the_digit(service: Service, page: Page) -> None:
    page.goto(f"http://127.0.0.1:{service.port}/")
    expect(page.locator("#model")).to_have_text(re.compile(r"^model mlp, version \d+, test accuracy \d\d\.\d\d %$"))
    rows = page.locator(".row")
    expect(rows).to_have_count(10)
    best = page.locator(".row.best .label")
    draw(page, SEVEN)
    expect(best).to_have_text("7")
    save_screenshot(page, "seven")
    page.get_by_text("Clear").click()
    expect(page.locator(".row.best")).to_have_count(0)
    draw(page, [(0.5 + 0.2 * math.sin(t / 10), 0.5 - 0.33 * math.cos(t / 10)) for t in range(64)])
    expect(best).to_have_text("0")
    shares = [float(text.rstrip(" %")) for text in page.locator(".share").all_text_contents()]
    assert sum(shares) == pytest.approx(100, abs=1)


def test_a_person_shows_a_picture(service: Service, page: Page, tmp_path: Path) -> None:
    test = digits.load(validation_fraction=0.15, test_fraction=0.2, split_seed=0).test
    fours = test.images[test.labels == 4]
    answer = service.ask("/ModelMaker/predict", {"image": (fours / 255).tolist()}).json["predictions"]
    clear = fours[int(np.argmax([row[4]["probability"] for row in answer]))]
    Image.fromarray(255 - clear[:, :, 0]).resize((400, 400)).save(tmp_path / "four.png")
    page.goto(f"http://127.0.0.1:{service.port}/")
    expect(page.locator(".row")).to_have_count(10)
    page.locator("#file").set_input_files(tmp_path / "four.png")
    expect(page.locator(".row.best .label")).to_have_text("4")
    save_screenshot(page, "four")
    (tmp_path / "text.png").write_text("no picture")
    page.locator("#file").set_input_files(tmp_path / "text.png")
    expect(page.locator("#error")).to_contain_text("expected a JPEG or PNG picture")


def test_the_page_asks_for_the_key(published: Path, page: Page) -> None:
    with serving(published, MODELMAKER_AK="me") as service:
        page.goto(f"http://127.0.0.1:{service.port}/")
        page.locator("#access").fill("me")
        page.locator("#access").press("Enter")
        expect(page.locator(".row")).to_have_count(10)
        draw(page, SEVEN)
        expect(page.locator(".row.best .label")).to_have_text("7")


def test_the_addresses_are_shown(service: Service, page: Page) -> None:
    page.goto(f"http://127.0.0.1:{service.port}/docs")
    expect(page.locator("h2").filter(has_text="POST/ModelMaker/predict")).to_be_visible()
    save_screenshot(page, "docs")
