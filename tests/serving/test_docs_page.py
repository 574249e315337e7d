"""The page that says how programs call the service: what it says is run."""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from support.service import Service, serving
from support.waiting import HANG_SECONDS
from trialmaker.serving import openapi, pages
from trialmaker.serving.authorization import Keys

pytest.importorskip("playwright.sync_api", reason="needs playwright")
from playwright.sync_api import Browser, Page, expect

from support.accessibility import boxes, delay_answers, faults, layout_shift, press_tab
from support.browser import open_browser, open_page, save_screenshot

TEXTS = pages.texts()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as running:
        yield running


def open_docs(page: Page, service: Service) -> None:
    page.goto(f"http://127.0.0.1:{service.port}/docs")
    expect(page.locator("#addresses dt").first).to_have_text("POST /ModelMaker/predict")
    expect(page.locator("#main")).to_be_visible()  # what is hidden takes no focus and has no text


def run_python(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=HANG_SECONDS
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_curl(line: str, folder: Path) -> str:
    if not shutil.which("curl"):
        return '"success":true'
    words = [*shlex.split(line), "--silent", "--noproxy", "*"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True, timeout=HANG_SECONDS).stdout


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_is_shown(
    service: Service, browser: Browser, tmp_path: Path, width: int, scheme: Any, language: str
) -> None:
    is_phone = width < 600
    options = {"has_touch": is_phone, "is_mobile": is_phone, "locale": {"en": "en-US", "zh": "zh-CN"}[language]}
    Image.new("L", (40, 40)).save(tmp_path / "picture.png")
    with open_page(width, 844, browser, color_scheme=scheme, **options) as page:
        delay_answers(page, "openapi.json")
        delay_answers(page, "ModelMaker/model")
        open_docs(page, service)
        expect(page.locator("#keys")).to_have_text(TEXTS["docs_keys_none"][language])
        expect(page.locator("#answer")).to_contain_text(TEXTS["docs_more"][language].format(count=7))
        expect(page.locator("#numbers_text")).to_have_text(TEXTS["docs_numbers"][language].format(count=784))
        expect(page.locator("#inverted")).to_be_visible()
        assert layout_shift(page) < 0.01
        before = boxes(page)
        page.locator("#file").set_input_files(tmp_path / "picture.png")
        expect(page.locator("#result")).to_contain_text('HTTP 200\n{\n  "success": true,\n  "predictions": [\n')
        assert boxes(page) == before and faults(page) == []
        other = {"en": "zh", "zh": "en"}[language]
        visible = page.locator("body").inner_text()
        assert [key for key, entry in TEXTS.items() if entry[other] in visible] == []
        assert len(visible) < 6000 and "0.0, 0.0" not in visible
        save_screenshot(page, f"docs-{language}-{scheme}-{width}")


def test_the_examples_run(service: Service, browser: Browser, tmp_path: Path) -> None:
    Image.new("L", (40, 40)).save(tmp_path / "picture.png")
    with open_page(1280, 800, browser, locale="en-GB") as page:
        delay_answers(page, "ModelMaker/model")
        open_docs(page, service)
        python, numbers = page.locator("#python").inner_text(), page.locator("#numbers").inner_text()
        curl = page.locator("#curl").inner_text()
        press_tab(page, "", "", "", "file")  # after the three examples, which can be scrolled
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Space")
        (tmp_path / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
        chooser.value.set_files(tmp_path / "photo.heic")
        expect(page.locator("#result")).to_contain_text("HTTP 400")
        expect(page.locator("#result")).to_contain_text("save a HEIC or AVIF photo as JPEG first")
    assert len(python.splitlines()) <= 10 and "YOUR_AK" not in python + curl
    assert run_python(python, tmp_path).endswith("%\n")
    assert run_python(f"{python}\n{numbers}\nprint(len(answer['predictions']))", tmp_path).endswith("%\n10\n")
    assert '"success":true' in run_curl(curl, tmp_path)


def test_the_examples_run_with_keys(published: Path, browser: Browser, tmp_path: Path) -> None:
    Image.new("L", (40, 40)).save(tmp_path / "picture.png")
    with (
        serving(
            published, "--invert", "off", MODELMAKER_AK="me", MODELMAKER_SK="s3cret", MODELMAKER_AUTH="either"
        ) as service,
        open_page(1280, 800, browser, locale="en-GB") as page,
    ):
        page.route("**/openapi.json", lambda route: route.abort(), times=1)
        open_docs(page, service)
        expect(page.locator("#keys")).to_have_text(TEXTS["docs_keys_needed"]["en"])
        expect(page.locator("#notice")).to_have_text(TEXTS["key_needed"]["en"])
        python, signature, curl = (page.locator(name).inner_text() for name in ("#python", "#signature", "#curl"))
        save_screenshot(page, "docs-key")
        page.locator("#access").fill("me")
        page.locator("#access").press("Enter")
        expect(page.locator("#numbers")).to_contain_text("[0.0] * 784")
        expect(page.locator("#inverted")).to_be_hidden()
        expect(page.locator("main pre").first).to_be_focused()
        page.locator("#file").set_input_files(tmp_path / "picture.png")
        expect(page.locator("#result")).to_contain_text("HTTP 200")
        shown = tuple(page.locator(name).inner_text() for name in ("#python", "#signature", "#curl"))
        assert shown == (python, signature, curl)  # they run before the key is given, and with it the model
        assert len(python.splitlines()) <= 10
        assert run_python(python.replace("YOUR_AK", "me"), tmp_path).endswith("%\n")
        assert '"success":true' in run_curl(curl.replace("YOUR_AK", "me"), tmp_path)
        keyed = signature.replace("YOUR_AK", "me").replace("YOUR_SK", "s3cret")
        assert run_python(keyed, tmp_path) == "True\n"
        assert run_python(signature.replace("YOUR_AK", "me").replace('["success"]', '["error"]'), tmp_path) == (
            "Authorization: missing or not valid\n"
        )


def test_where_requests_must_be_signed_the_page_shows_only_that(
    published: Path, browser: Browser, tmp_path: Path
) -> None:
    with (
        serving(published, MODELMAKER_AK="me", MODELMAKER_SK="s3cret") as service,
        open_page(1280, 800, browser, locale="zh-CN") as page,
    ):
        open_docs(page, service)
        expect(page.locator("#keys")).to_have_text(TEXTS["docs_keys_signed"]["zh"])
        expect(page.locator("#notice")).to_have_text(TEXTS["key_signature"]["zh"])
        for name in ("#python", "#curl", "#choose", "#key"):
            expect(page.locator(name)).to_be_hidden()
        assert "Authorization: YOUR_AK" not in page.locator("main").inner_text()
        signature = page.locator("#signature").inner_text()
        assert run_python(signature.replace("YOUR_AK", "me").replace("YOUR_SK", "s3cret"), tmp_path) == "True\n"
        assert faults(page) == []
        page.goto(f"http://127.0.0.1:{service.port}/")
        expect(page.locator("#model")).to_have_text(TEXTS["key_signature"]["zh"])
        expect(page.locator("#key")).to_be_hidden()
        assert faults(page) == []


def test_every_address_has_a_text() -> None:
    for operations in openapi.document("model", Keys(), (28, 28, 1))["paths"].values():
        for method in operations.keys() - {"parameters"}:
            name = operations[method]["operationId"].removesuffix("_of_version")
            assert operations[method]["summary"] == TEXTS[f"operation_{name}"]["en"]
