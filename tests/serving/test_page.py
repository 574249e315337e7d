"""The page on which a person draws, or shows a picture, in a real browser: by mouse, touch and keyboard."""

import base64
import functools
import io
import math
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from PIL import Image

from support.servers import free_port
from support.service import Service, serving
from support.waiting import HANG_SECONDS, wait_until
from trialmaker.model_store.versions import Version
from trialmaker.serving import decoding, pages, settings
from trialmaker.serving.application import Application
from trialmaker.serving.middleware import Middleware
from trialmaker.serving.predictor import Model

pytest.importorskip("playwright.sync_api", reason="needs playwright")
from playwright.sync_api import Browser, Page, expect

from support.accessibility import boxes, delay_answers, faults, layout_shift, press_tab
from support.browser import open_browser, open_page, save_screenshot

SEVEN = [(0.25, 0.2), (0.75, 0.2), (0.45, 0.85)]
ZERO = [(0.5 + 0.2 * math.sin(t / 4), 0.5 - 0.33 * math.cos(t / 4)) for t in range(26)]
TEXTS = pages.texts()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as running:
        yield running


@pytest.fixture
def page(browser: Browser, service: Service) -> Iterator[Page]:
    with open_page(1280, 800, browser, locale="en-GB") as opened:
        opened.goto(f"http://127.0.0.1:{service.port}/")
        expect(opened.locator("#main")).to_be_visible()
        yield opened


def places(page: Page, points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return points in 0 to 1 of the paper as points of the window."""
    box = page.locator("canvas").bounding_box()
    assert box
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]


def draw(page: Page, points: list[tuple[float, float]]) -> None:
    """Draw a stroke with the mouse."""
    first, *others = places(page, points)
    page.mouse.move(*first)
    page.mouse.down()
    for place in others:
        page.mouse.move(*place, steps=2)
    page.mouse.up()


def draw_with_finger(page: Page, points: list[tuple[float, float]]) -> None:
    """Draw a stroke on the touch screen."""
    screen = page.context.new_cdp_session(page)

    def touch(kind: str, *fingers: tuple[float, float]) -> None:
        screen.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in fingers]})

    first, *others = places(page, points)
    touch("touchStart", first)
    for place in others:
        touch("touchMove", place)
    touch("touchEnd")


def headline(label: str) -> re.Pattern[str]:
    return re.compile(rf"^{re.escape(label)} ·\s\d+\.\d\s%$")


def expect_answer(page: Page, label: str) -> None:
    """Expect that this class becomes the answer, and still is when there is nothing more to ask."""
    expect(page.locator("#headline")).to_have_text(headline(label))
    wait_until(lambda: page.evaluate("!isBusy"))  # wait_for_function would need eval, which the policy forbids
    expect(page.locator("#headline")).to_have_text(headline(label))


def seen(page: Page) -> np.ndarray:
    """Return the pixels that the page shows as those that the model saw."""
    head, data = str(page.locator("#seen").get_attribute("src")).split(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_person_draws_and_reads_the_answer(
    service: Service, browser: Browser, width: int, scheme: Any, language: str
) -> None:
    is_phone = width < 600
    options = {"has_touch": is_phone, "is_mobile": is_phone, "locale": {"en": "en-US", "zh": "zh-CN"}[language]}
    with open_page(width, 844, browser, color_scheme=scheme, **options) as page:
        delay_answers(page, "ModelMaker/model")
        page.goto(f"http://127.0.0.1:{service.port}/")
        accuracy = {"en": r"^Model mlp, version \d+, test accuracy", "zh": r"^模型 mlp，版本 \d+，测试准确率"}[language]
        expect(page.locator("#model")).to_have_text(re.compile(accuracy + r" \d\d\.\d\d\s%$"))
        assert page.evaluate("document.documentElement.lang") == {"en": "en", "zh": "zh-CN"}[language]
        expect(page.locator("h1")).to_have_text(TEXTS["title_digit"][language])
        expect(page.locator("#headline")).to_have_text(TEXTS["waiting"][language])
        choose = "take_or_choose" if is_phone else "choose"
        expect(page.locator("#choose")).to_have_text(TEXTS[choose][language])
        assert layout_shift(page) < 0.01
        before = boxes(page)
        (draw_with_finger if is_phone else draw)(page, SEVEN)
        expect_answer(page, "7")
        expect(page.locator(".row.likeliest .label")).to_have_text("7")
        assert boxes(page) == before
        widest = "one => { one.lastChild.textContent = ' · 100.0 %'; return one.scrollWidth <= one.clientWidth }"
        assert page.locator("#headline").evaluate(widest)
        assert faults(page) == []
        other = {"en": "zh", "zh": "en"}[language]
        visible = page.locator("body").inner_text()
        assert [key for key, entry in TEXTS.items() if entry[other] in visible] == []
        save_screenshot(page, f"drawing-{language}-{scheme}-{width}")
        page.locator("#clear").click()
        expect(page.locator("#headline")).to_have_text(TEXTS["waiting"][language])
        assert boxes(page) == before


def test_strokes_and_clearing_are_undone(page: Page) -> None:
    answer, undo = page.locator("#headline"), page.get_by_role("button", name="Undo")
    draw(page, SEVEN)
    expect_answer(page, "7")
    image = seen(page)
    assert image.shape == (28, 28) and image.max() > 200 and image[0].max() == image[:, 0].max() == 0
    draw(page, [(0.1, 0.9), (0.9, 0.9)])
    wait_until(lambda: page.evaluate("!isBusy"))  # wait_for_function would need eval, which the policy forbids
    assert (seen(page) != image).any()
    undo.click()
    expect_answer(page, "7")
    assert (seen(page) == image).all()
    page.get_by_role("button", name="Clear").click()
    expect(answer).to_have_text(TEXTS["waiting"]["en"])
    page.keyboard.press("Control+z")
    expect_answer(page, "7")
    undo.click()
    expect(answer).to_have_text(TEXTS["waiting"]["en"])
    undo.click()  # nothing is left
    draw(page, ZERO)
    expect_answer(page, "0")
    shares = [float(text.rstrip("\xa0%")) for text in page.locator(".percent").all_text_contents()]
    assert sum(shares) == pytest.approx(100, abs=1)


def test_everything_can_be_done_by_the_keyboard(page: Page, tmp_path: Path) -> None:
    press_tab(page, "paper", "undo", "clear", "file", "")
    page.locator("#paper").focus()
    for key, count in [("ArrowLeft", 5), ("Space", 1), ("ArrowRight", 10)]:
        for _ in range(count):
            page.keyboard.press(key)
    page.keyboard.down("ArrowLeft")
    for _ in range(5):
        page.keyboard.press("ArrowDown")  # with the other one: aslant
    page.keyboard.up("ArrowLeft")
    for _ in range(6):
        page.keyboard.press("ArrowDown")
    expect_answer(page, "7")
    save_screenshot(page, "drawing-keyboard")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("state.strokes.map(stroke => stroke.length)") == [23]  # the pen was lifted
    page.locator("#file").focus()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    assert chooser.value.element.get_attribute("accept") == "image/*"
    assert chooser.value.element.get_attribute("capture") is None  # which would offer the camera alone
    chooser.value.set_files(picture(tmp_path, 4, np.zeros((28, 28), np.uint8)))
    expect(page.locator("#headline")).to_have_text(re.compile(r"^\d ·\s"))


def picture(folder: Path, number: int, pixels: np.ndarray, **options: Any) -> Path:
    """Write a picture's file: dark strokes on light paper, a photo's size."""
    path = folder / f"{number}.{options.get('format', 'png').lower()}"
    Image.fromarray(255 - pixels).resize((400, 400)).save(path, **options)
    return path


def clearest(service: Service, examples: tuple[np.ndarray, np.ndarray], digit: int) -> np.ndarray:
    """Return the example, uint8 [28, 28], of which the model is surest."""
    images = examples[0][examples[1] == digit]
    answer = service.ask("/ModelMaker/predict", {"image": images.tolist()}).json["predictions"]
    image = images[int(np.argmax([row[digit]["probability"] for row in answer]))]
    return (image[:, :, 0] * 255).round().astype(np.uint8)


def test_a_picture_is_dropped_and_shown_with_what_the_model_saw(
    service: Service, page: Page, tmp_path: Path, examples: tuple[np.ndarray, np.ndarray]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned to the right by 90 degrees
    turned = np.rot90(clearest(service, examples, 4))
    path = picture(tmp_path, 4, turned, format="JPEG", exif=exif, quality=95)
    hand = page.context.new_cdp_session(page)
    [(x, y)] = places(page, [(0.5, 0.5)])
    for step in ("dragEnter", "dragOver", "drop"):
        files = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        hand.send("Input.dispatchDragEvent", {"type": step, "x": x, "y": y, "data": files})
    expect_answer(page, "4")
    expected = decoding.decode_picture(path.read_bytes(), (28, 28, 1), max_pixels=10**6, light_on_dark=True)
    np.testing.assert_array_equal(seen(page), (expected[0, :, :, 0] * 255).round().astype(np.uint8))
    shown = page.evaluate("Array.from(paperContext.getImageData(0, 0, 560, 560).data).filter((_, at) => at % 4 === 0)")
    upright = np.asarray(Image.fromarray(np.rot90(255 - turned, -1)).resize((560, 560)), float)
    assert np.abs(np.reshape(shown, (560, 560)) - upright).mean() < 5
    save_screenshot(page, "drawing-picture")
    draw(page, SEVEN)  # on new paper
    expect_answer(page, "7")
    page.keyboard.press("Control+z")
    expect_answer(page, "4")


def test_the_page_converts_what_the_service_would_refuse(
    service: Service, page: Page, tmp_path: Path, examples: tuple[np.ndarray, np.ndarray]
) -> None:
    four = clearest(service, examples, 4)
    large = picture(tmp_path, 4, four, format="JPEG")
    large.write_bytes(large.read_bytes() + bytes(2_000_000))
    for path in (large, picture(tmp_path, 4, four, format="WEBP")):
        page.locator("#file").set_input_files(path)
        expect_answer(page, "4")
        page.locator("#clear").click()
        expect(page.locator("#headline")).to_have_text(TEXTS["waiting"]["en"])


def test_an_error_is_one_line_and_nothing_jumps(page: Page, tmp_path: Path) -> None:
    before = boxes(page)
    alert = page.get_by_role("alert")
    (tmp_path / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    page.locator("#file").set_input_files(tmp_path / "photo.heic")
    expect(alert).to_have_text(TEXTS["error_unreadable"]["en"])
    assert boxes(page) == before
    Image.new("L", (1001, 1000)).save(tmp_path / "large.png")
    page.locator("#file").set_input_files(tmp_path / "large.png")
    expect(alert).to_have_text(
        "Too large for this service: image: must have at most 1,000,000 pixels, but has 1001x1000"
        "; save it as a JPEG, or save it smaller; --max-pixels raises the limit"
    )
    save_screenshot(page, "drawing-error")
    page.route("**/preview", lambda route: route.fulfill(status=429, body="<html>slow down</html>"))  # a gateway's
    draw(page, SEVEN)
    expect(alert).to_have_text(TEXTS["error_busy"]["en"])
    assert boxes(page) == before
    assert faults(page) == []
    page.unroute("**/preview")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    expect(alert).to_have_text("")


def test_the_page_asks_for_the_key_and_says_when_the_service_is_gone(published: Path, browser: Browser) -> None:
    with serving(published, MODELMAKER_AK="me") as service, open_page(390, 844, browser, locale="zh-TW") as page:
        page.goto(f"http://127.0.0.1:{service.port}/")
        expect(page.locator("#model")).to_have_text(TEXTS["key_needed"]["zh"])
        expect(page.locator("#access")).to_be_focused()
        expect(page.locator("#main")).to_be_hidden()
        assert layout_shift(page) < 0.01 and faults(page) == []
        save_screenshot(page, "drawing-key")
        for key in ("you", "密钥"):
            page.keyboard.type(key)
            page.keyboard.press("Enter")
            expect(page.locator("#model")).to_have_text(TEXTS["key_wrong"]["zh"])
            page.locator("#access").fill("")
        page.keyboard.type("me")
        page.keyboard.press("Enter")
        expect(page.locator("#main")).to_be_visible()
        expect(page.locator("#paper")).to_be_focused()
        draw(page, SEVEN)
        expect_answer(page, "7")
        page.reload()  # the key is kept as long as the tab
        expect(page.locator("#main")).to_be_visible()
        draw(page, SEVEN)
        expect_answer(page, "7")
        service.process.kill()
        draw(page, ZERO)
        expect(page.get_by_role("alert")).to_have_text(TEXTS["error_gone"]["zh"])


@dataclass
class Colours:
    """A service of another kind of model, of colour pictures and 100 classes: the mean grey is the class."""

    port: int
    load: Callable[[], None]
    load_digits: Callable[[], None]
    load_better_digits: Callable[[], None]


class _ClosingServer(uvicorn.Server):
    """A server that ends the application's processes with itself."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        await self.config.app.application.close()  # type: ignore[union-attr]


@pytest.fixture
def colours() -> Iterator[Colours]:
    names = (
        "金毛寻回犬",
        "n02099601 a dog whose name is long",
        "<b>",
        *(f"class {number}" for number in range(3, 100)),
    )
    application = Application(settings.read([], {}))

    def predict(images: np.ndarray) -> np.ndarray:
        distances = np.abs(images.mean(axis=(1, 2, 3))[:, None] * 99 - np.arange(100))
        return np.exp(-distances) / np.exp(-distances).sum(axis=1, keepdims=True)

    model = Model(Version(Path("1"), 1, names), (32, 48, 3), "NumPy", predict)
    digits = Model(
        Version(Path("2"), 2, tuple("0123456789")), (28, 28, 1), "NumPy", lambda images: predict(images)[:, :10]
    )
    port = free_port()
    server = _ClosingServer(uvicorn.Config(Middleware(application), port=port, lifespan="off", log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    better = replace(digits, version=replace(digits.version, number=3))
    yield Colours(port, *(functools.partial(application.serve, one) for one in (model, digits, better)))
    server.should_exit = True
    thread.join(timeout=HANG_SECONDS)


def test_the_page_notices_that_the_service_is_back_and_serves_another_model(
    colours: Colours, browser: Browser, tmp_path: Path
) -> None:
    colours.load_digits()
    Image.new("RGB", (64, 64), (5, 5, 5)).save(tmp_path / "dark.png")
    with open_page(1280, 800, browser, locale="en-GB") as page:
        page.goto(f"http://127.0.0.1:{colours.port}/")
        draw(page, SEVEN)
        expect(page.locator("#headline")).to_have_text(re.compile(r"^\d ·\s"))
        page.route("**/ModelMaker/**", lambda route: route.abort())
        draw(page, ZERO)
        expect(page.get_by_role("alert")).to_have_text(TEXTS["error_gone"]["en"])
        page.unroute("**/ModelMaker/**")
        expect(page.locator("#headline")).to_have_text(re.compile(r"^\d ·\s"))  # by itself
        expect(page.get_by_role("alert")).to_have_text("")
        colours.load()
        draw(page, SEVEN)  # of a size that the model of photos refuses
        expect(page.locator("h1")).to_have_text("Show a picture")
        expect(page.locator("#model")).to_have_text("Model model, version 1")
        expect(page.get_by_role("alert")).to_have_text("")
        page.locator("#file").set_input_files(tmp_path / "dark.png")
        expect_answer(page, "<b>")
        colours.load_digits()
        page.locator("#undo").click()
        page.locator("#file").set_input_files(tmp_path / "dark.png")
        expect(page.locator("#model")).to_have_text("Model model, version 2")
        expect_answer(page, "2")
        assert page.locator(".row").count() == 10
        draw(page, SEVEN)
        expect(page.locator("#prompt")).to_be_hidden()
        assert page.evaluate("state.strokes.length") == 1
        colours.load_better_digits()  # of the same size and classes
        draw(page, ZERO)
        expect(page.locator("#model")).to_have_text("Model model, version 3")
        expect(page.locator("#headline")).to_have_text(re.compile(r"^\d ·\s"))


@pytest.mark.parametrize("width", [1280, 390])
def test_a_model_of_photos_is_shown_pictures(colours: Colours, browser: Browser, tmp_path: Path, width: int) -> None:
    with open_page(width, 844, browser, has_touch=width < 600, locale="en-GB") as page:
        page.goto(f"http://127.0.0.1:{colours.port}/")
        expect(page.locator("#model")).to_have_text(TEXTS["loading"]["en"])
        colours.load()
        expect(page.locator("h1")).to_have_text("Show a picture")
        expect(page.locator("#model")).to_have_text("Model model, version 1")
        expect(page.locator("#list_title")).to_have_text("The 5 most probable of 100 classes")
        before = boxes(page)
        with page.expect_file_chooser():
            draw(page, SEVEN)  # draws nothing: a click on the paper chooses a picture
        expect(page.locator("#headline")).to_have_text(TEXTS["waiting"]["en"])
        for grey, label in ((0, "金毛寻回犬"), (3, "n02099601 a dog whose name is long"), (5, "<b>")):
            Image.new("RGB", (64, 64), (grey, grey, grey)).save(tmp_path / "grey.png")
            page.locator("#file").set_input_files(tmp_path / "grey.png")
            expect_answer(page, label)
            assert seen(page).shape == (32, 48, 3) and (seen(page) == grey).all()
            expect(page.locator(".row .label").first).to_have_text(label)
            assert boxes(page) == before
            assert faults(page) == []
            save_screenshot(page, f"photo-{grey}-{width}")
        expect(page.locator(".row")).to_have_count(5)
        page.goto(f"http://127.0.0.1:{colours.port}/docs")
        expect(page.locator("#answer")).to_contain_text("… 97 more")
        Image.new("RGB", (64, 64), (106, 106, 106)).save(tmp_path / "grey.png")
        page.locator("#file").set_input_files(tmp_path / "grey.png")
        likeliest = [f'{{"label": "class {number}", "probability": ' for number in (40, 41, 42, 43)]
        lines = page.locator("#result", has_text="HTTP 200").inner_text().splitlines()
        assert lines[4] == "    … 40 more," and lines[9] == "    … 56 more" and len(lines) == 12
        assert [line.strip().startswith(start) for line, start in zip(lines[5:9], likeliest, strict=True)] == [True] * 4
