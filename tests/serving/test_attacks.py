"""Requests that took the service from everybody: each is refused or answered in moments, and others are answered."""

import io
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from hostile import bodies
from support.service import IMAGE, PREDICT, ROWS, Service, serving
from support.waiting import HANG_SECONDS, wait_until
from trialmaker.serving import decoding

PREVIEW, MLFLOW = "/ModelMaker/preview", "/invocations"
SECONDS = 20.0  # far more than any attack takes; one took 70, and did not end with its answer
PATIENCE_SECONDS = 8.0  # of others, who waited 10
MEGABYTES = 400
FORM = {"Content-Type": bodies.FORM}
PARTS = {"Content-Type": "multipart/form-data; boundary=b"}
HEADERS = b'--b\r\nContent-Disposition: form-data; name="image"\r\n'


@pytest.fixture(scope="module")
def defaults(published: Path) -> Iterator[Service]:
    """The real process, at its default limits."""
    with serving(published) as running:
        yield running


def picture(*args: Any, **options: Any) -> Callable[[], bytes]:
    return lambda: bodies.in_form(bodies.png(*args, **options))


def lists(field: str, item: bytes) -> Callable[[], bytes]:
    return lambda: b'{"%s": [' % field.encode() + b",".join([item] * (7_900_000 // (len(item) + 1))) + b"]}"


ATTACKS: dict[str, tuple[str, dict[str, str], Callable[[], bytes], int, str]] = {
    "scans": (PREDICT, FORM, lambda: bodies.in_form(bodies.many_scans(2000, 6000)), 413, "at most 50 scans"),
    "scans, seen": (PREVIEW, FORM, lambda: bodies.in_form(bodies.many_scans(2000, 6000)), 413, "at most 50 scans"),
    "pixels": (PREDICT, FORM, picture(5000, 5000), 413, "at most 22,500,000 pixels, but has 5000x5000"),
    "pixels, seen": (PREVIEW, FORM, picture(5000, 5000), 413, "at most 22,500,000 pixels, but has 5000x5000"),
    "thin": (PREDICT, FORM, picture(25_000_000, 1, 0), 413, "at most 22,500,000 pixels, but has 25000000x1"),
    "thin and allowed": (PREDICT, FORM, picture(8_000_000, 1, 0), 413, "at most 65,535 pixels a side"),
    "chunks": (
        PREDICT, FORM,
        lambda: bodies.in_form(bodies.with_chunks(bodies.png(28, 28, 0), b"tEXt", b"", 600_000)),
        413, "at most 2,000 chunks",
    ),
    "lists": (PREDICT, {}, lists("image", b"[]"), 413, "at most 1,024 images, 802,816 numbers"),
    "lists, seen": (PREVIEW, {}, lists("image", b"[]"), 413, "at most 1,024 images, 802,816 numbers"),
    "rows": (ROWS, {}, lists("instances", b"{}"), 413, "at most 1,024 images"),
    "columns": (MLFLOW, {}, lists("inputs", b"[[]]"), 413, "at most 1,024 images"),
    "numbers": (PREDICT, {}, lists("image", b"0"), 413, "at most 1,024 images"),
    "brackets": (PREDICT, {}, lambda: b"[" * 7_900_000, 413, "at most 1,024 images"),
    "digits": (PREDICT, {}, lambda: b'{"image": [%s]}' % (b"1" * 7_900_000), 400, "the body must be JSON"),
    "UTF-16": (PREDICT, {}, lambda: '{"image": [0]}'.encode("utf-16"), 400, "the body must be JSON"),
    "surrogate": (PREDICT, {}, lambda: b'{"image": "\\ud800"}', 400, "the body must be JSON"),
    "parts": (PREDICT, FORM, bodies.tiny_parts, 400, "at most 100 parts"),
    "blanks": (PREDICT, PARTS, lambda: b"--b" + b" " * 7_900_000 + b"\r\n", 400, "fewer than 100 blanks"),
    "blanks within": (
        PREDICT, PARTS, lambda: HEADERS + b"\r\nx\r\n--b" + b" " * 7_900_000, 400, "fewer than 100 blanks"
    ),
    "headers": (PREDICT, PARTS, lambda: HEADERS + b"a: b\r\n" * 1_000_000, 400, "Maximum header count"),
    "a header": (PREDICT, PARTS, lambda: HEADERS + b"a: " + b"b" * 7_900_000, 400, "Maximum header size"),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_in_moments_and_others_are_answered(defaults: Service, name: str) -> None:
    path, headers, make, status, text = ATTACKS[name]
    body = make()
    start = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        attacks = [pool.submit(defaults.ask, path, body, headers) for _ in range(4)]
        assert defaults.ask(PREDICT, IMAGE).status == 200
        answers = [attack.result() for attack in attacks]
    assert time.monotonic() - start < SECONDS
    for answer in answers:
        assert (answer.status, text in answer.json["error"]) == (status, True), answer.body[:300]


def status_of(service: Service, path: str, body: bytes, headers: dict[str, str]) -> int:
    try:
        return service.ask(path, body, headers).status
    except ConnectionError:  # refused while it sent
        return 503


def test_what_a_dozen_callers_send_at_once_fits_into_memory(defaults: Service) -> None:
    largest, has_ended = 0, threading.Event()

    def sample() -> None:
        nonlocal largest
        process = psutil.Process(defaults.process.pid)
        while not has_ended.wait(0.02):
            family = [process, *process.children(recursive=True)]
            largest = max(largest, sum(one.memory_info().rss for one in family))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        requests = [
            (PREDICT, FORM, picture(3000, 3000, interlaced=True)()),
            (PREDICT, FORM, bodies.in_form(bodies.png(2000, 2000, 2) + bytes(7_900_000))),
            (PREVIEW, FORM, bodies.in_form(bodies.many_scans(2000, 50))),
            (PREDICT, {}, bodies.many_images()),
        ]
        for path, headers, body in requests:
            with ThreadPoolExecutor(13) as pool:
                attacks = [pool.submit(status_of, defaults, path, body, headers) for _ in range(12)]
                other = pool.submit(defaults.ask, PREDICT, IMAGE)
                statuses = {attack.result() for attack in attacks}
                assert statuses <= {200, 503, 504} and 200 in statuses and other.result().status == 200
    finally:
        has_ended.set()
        thread.join()
    assert largest < MEGABYTES * 1e6


def test_others_are_answered_while_pictures_are_stuffed(defaults: Service) -> None:
    """Lists of tags, chunks, and blocks without data: each held the decoder of small pictures for a second."""
    stuffed = [bodies.tagged_png()] * 10 + [bodies.many_profiles(), bodies.empty_blocks(2000, 2000)]
    attacks = [bodies.in_form(picture) for picture in stuffed]
    small, has_ended = bodies.in_form(bodies.png(280, 280, 0)), threading.Event()

    def attack(number: int) -> None:
        while not has_ended.is_set():
            status_of(defaults, PREDICT, attacks[number % len(attacks)], FORM)

    def seconds_of(_: int) -> float:
        start = time.monotonic()
        assert defaults.ask(PREDICT, small, FORM).status == 200
        return time.monotonic() - start

    with ThreadPoolExecutor(len(stuffed)) as attackers, ThreadPoolExecutor(4) as others:
        running = [attackers.submit(attack, number) for number in range(len(stuffed))]
        try:
            assert max(others.map(seconds_of, range(40))) < PATIENCE_SECONDS
        finally:
            has_ended.set()
        assert all(attacker.exception() is None for attacker in running)


def encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


HONEST = {
    "a photo of 12 megapixels": lambda: encoded(Image.new("RGB", (4032, 3024), "white"), "JPEG"),
    "a photo of 48 megapixels": lambda: encoded(Image.new("RGB", (8064, 6048), "white"), "JPEG"),
    "a progressive photo": lambda: encoded(Image.new("RGB", (2048, 1536), "white"), "JPEG", progressive=True),
    "a progressive photo of 12 megapixels": lambda: encoded(
        Image.new("L", (4032, 3024), 255), "JPEG", progressive=True
    ),
    "a screenshot of 5K": lambda: bodies.png(5120, 2880, 2),
    "a screenshot of 6K": lambda: bodies.png(6016, 3384),
    "a grey photo": lambda: encoded(Image.new("L", (1000, 1000), 255), "JPEG"),
    "a CMYK photo": lambda: encoded(Image.new("CMYK", (1000, 1000)), "JPEG"),
    "a photo with a thumbnail": lambda: encoded(
        Image.new("RGB", (640, 480), "white"), "JPEG",
        exif=b"Exif\0\0" + encoded(Image.new("RGB", (160, 120)), "JPEG"),
    ),
    "a photo with a film behind it": lambda: encoded(Image.new("RGB", (640, 480), "white"), "JPEG") + b"\xff\xda" * 999,
    "a page at 300 dpi": lambda: encoded(Image.new("RGB", (2480, 3508), "white"), "PNG"),
    "a screenshot": lambda: encoded(Image.new("RGBA", (2160, 3840), "white"), "PNG"),
    "16 bits": lambda: encoded(Image.fromarray(np.full((500, 500), 65535, np.uint16)), "PNG"),
    "a palette": lambda: encoded(Image.new("P", (300, 300), 0), "PNG", transparency=0),
    "an animation": lambda: encoded(
        Image.new("L", (90, 90), 255), "PNG", save_all=True, append_images=[Image.new("L", (90, 90), 0)] * 50
    ),
    "a PNG with long texts": lambda: bodies.with_chunks(bodies.png(90, 90), b"tEXt", b"a\0" + b"b" * 100_000, 20),
}  # fmt: skip


@pytest.mark.parametrize("name", HONEST)
def test_what_people_send_is_answered(defaults: Service, name: str) -> None:
    answer = defaults.ask(PREDICT, bodies.in_form(HONEST[name]()), FORM)
    assert answer.status == 200, answer.body[:300]


def test_texts_and_profiles_of_a_png_are_not_unpacked() -> None:
    bomb = bodies.text_bomb()
    tracemalloc.start()
    try:
        decoding.decode_picture(bomb, (28, 28, 1), max_pixels=10**6, light_on_dark=True)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_decoders_end_with_the_service_that_is_killed(published: Path) -> None:
    with serving(published) as service:
        service.ask(PREDICT, bodies.in_form(bodies.png(3000, 3000)), FORM)
        wait_until(lambda: len(psutil.Process(service.process.pid).children(recursive=True)) == 2)
        children = psutil.Process(service.process.pid).children(recursive=True)
        for child in children:  # nor does one keep the port
            assert len(list(Path(f"/proc/{child.pid}/fd").iterdir())) == 3
        service.process.kill()
        assert psutil.wait_procs(children, timeout=HANG_SECONDS)[1] == []
