"""The service's parts: which version is taken, what numbers and pictures become, signatures, batches."""

import asyncio
import base64
import hashlib
import hmac
import io
import json
import threading
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from trialmaker.errors import UserError
from trialmaker.model_store import versions
from trialmaker.model_store.versions import find_version
from trialmaker.serving import decoding, settings
from trialmaker.serving.application import Application
from trialmaker.serving.authorization import Keys, header, sign
from trialmaker.serving.batching import Batcher
from trialmaker.serving.errors import HTTPError
from trialmaker.serving.middleware import Middleware
from trialmaker.serving.predictor import Model

SHAPE = (28, 28, 1)

# ---- versions


def make(directory: Path, without: str = "") -> None:
    for part in versions.REQUIRED_FILES:
        if part != without:
            (directory / part).parent.mkdir(parents=True, exist_ok=True)
            (directory / part).write_text('["a", "b"]')


@pytest.mark.parametrize(
    ("asked", "best", "taken"),
    [
        ("output", None, 12),  # 12 after 9
        ("output/model", None, 12),
        ("output/model/9", None, 9),
        ("output", 9, 9),
        ("output", 3, 12),  # best.json names one that is gone
        ("output/model/12", 9, 12),
    ],
)
def test_the_version_that_is_served(tmp_path: Path, asked: str, best: int | None, taken: int) -> None:
    for number in (9, 12):
        make(tmp_path / "output" / "model" / str(number))
    make(tmp_path / "output" / "model" / "13", without="variables/variables.index")  # half copied
    if best:
        (tmp_path / "output" / "model" / "best.json").write_text(json.dumps({"version": best, "metrics": {}}))
    found = find_version(tmp_path / asked)
    assert (found.number, found.directory.name) == (taken, str(taken))
    assert bool(found.card) == (best == taken)


@pytest.mark.parametrize("best", ["", "[]", "{", '{"version": "9"}', '{"version": [9]}', "\x00"])
def test_a_broken_record_of_the_best_does_not_matter(tmp_path: Path, best: str) -> None:
    make(tmp_path / "9")
    (tmp_path / "best.json").write_text(best)
    assert find_version(tmp_path).number == 9


@pytest.mark.parametrize(("place", "law"), [("nothing", "holds no complete model"), ("1", "is no complete model")])
def test_no_model_is_said_in_a_line(tmp_path: Path, place: str, law: str) -> None:
    make(tmp_path / "1", without="variables/variables.index")
    with pytest.raises(UserError, match=law):
        find_version(tmp_path / place)


# ---- numbers


@pytest.mark.parametrize("shape", [(784,), (28, 28), (28, 28, 1)])
@pytest.mark.parametrize("batch", [None, 1, 3, 28])
def test_forms_of_images(shape: tuple[int, ...], batch: int | None) -> None:
    asked = np.random.default_rng(0).random(shape if batch is None else (batch, *shape))
    found, is_batch = decoding.images(asked.tolist(), SHAPE)
    assert is_batch == (batch is not None)
    np.testing.assert_array_equal(found, asked.astype(np.float32).reshape(-1, *SHAPE))


@pytest.mark.parametrize(
    ("value", "law"),
    [
        ([], "expected 784 numbers, or 28x28x1, or a list of such images, but got 0"),
        ([[]], "but got 1x0"),
        ([0.5] * 783, "but got 783"),
        ([[0.5] * 784, [0.5] * 783], "those of one depth with the same length"),
        ([[[[[0.5]]]]], "nested at most 4 deep"),
        ([0.5] * 783 + ["1"], "must hold numbers only, but holds a text"),
        ([0.5] * 783 + [True], "but holds true or false"),
        ([0.5] * 783 + [None], "but holds null"),
        ([0.5] * 783 + [[1]], "but holds a list"),
        ([0.5] * 783 + [{}], "but holds an object"),
        ([0.5] * 783 + [1e300], "must be finite and within 32-bit floats"),
        ("picture", "must be a list of numbers, but is a text"),
        (7, "must be a list of numbers, but is a number"),
        (None, "but is null"),
        ({"a": 1}, "but is an object"),
    ],
)
def test_numbers_that_are_no_images(value: Any, law: str) -> None:
    with pytest.raises(HTTPError) as refused:
        decoding.images(value, SHAPE)
    assert refused.value.status == 400 and law in refused.value.message


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=30,
)


@given(JSON_VALUES)
def test_any_json_is_images_or_refused(value: Any) -> None:
    try:
        found, _ = decoding.images(value, (2, 2, 1))
    except HTTPError:
        return
    assert found.shape[1:] == (2, 2, 1) and np.isfinite(found).all()


@pytest.mark.parametrize(
    ("numbers", "law"), [([0.0, 255.0], "got 255; divide pixels of 0 to 255 by 255"), ([-0.5, 1.0], "but got -0.5")]
)
def test_numbers_outside_of_0_to_1(numbers: list[float], law: str) -> None:
    with pytest.raises(HTTPError, match=law):
        decoding.in_range(np.array(numbers))
    assert decoding.in_range(np.array([-1e-4, 1.0001])) is not None  # interpolation


# ---- pictures


def png(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **({"quality": 95} if kind == "JPEG" else {}))
    return file.getvalue()


def decoded(raw: bytes, light_on_dark: bool = True) -> np.ndarray:
    return decoding.picture(raw, SHAPE, most_pixels=10**6, light_on_dark=light_on_dark)[0]


def test_dark_strokes_on_light_paper_are_turned_round() -> None:
    pixels = np.zeros((280, 200), np.uint8)
    pixels[60:220, 80:120] = 255
    light = decoded(png(pixels))
    assert light.shape == SHAPE and light.max() == 1 and light[0].max() == 0
    np.testing.assert_array_equal(decoded(png(255 - pixels)), light)
    assert decoded(png(255 - pixels), light_on_dark=False)[0].min() == 1
    colour = np.stack([255 - pixels] * 3, axis=-1)
    np.testing.assert_allclose(decoded(png(colour, "JPEG")), light, atol=0.05)


@pytest.mark.parametrize(
    ("raw", "status", "law"),
    [
        (b"", 400, "expected a JPEG or PNG picture"),
        (b"GIF89a", 400, "expected a JPEG or PNG picture"),
        (png(np.zeros((40, 40), np.uint8))[:45], 400, "found a damaged one"),
        (png(np.zeros((1001, 1000), np.uint8)), 413, "at most 1,000,000 pixels, but has 1000x1001"),
    ],
)
def test_pictures_that_are_refused(raw: bytes, status: int, law: str) -> None:
    with pytest.raises(HTTPError) as refused:
        decoded(raw)
    assert refused.value.status == status and law in refused.value.message


# ---- signatures

KEYS = Keys("me", "s3cret")
DATE = "Mon, 23 Nov 2026 12:00:00 GMT"
SIGNED = {"host": "127.0.0.1:10000", "content-type": "application/json", "date": DATE}


def test_a_signature_is_what_openssl_says() -> None:
    """Of those three lines, by ``openssl dgst -sha1 -hmac s3cret -binary | base64``."""
    assert sign("s3cret", list(SIGNED.values())) == "MnSokeeCtg9gKKLF3gdrUySuHqs="


def independently(names: str, headers: dict[str, str], secret: str = "s3cret", url_safe: bool = False) -> str:
    values = "\n".join(headers[name.lower()] for name in names.split(";"))
    digest = hmac.digest(secret.encode(), values.encode(), hashlib.sha1)
    text = (base64.urlsafe_b64encode if url_safe else base64.b64encode)(digest).decode()
    return f"WS-HMAC-SHA1 AK=me,SignedHeaders={names},Signature={text}"


def passes(authorization: str, headers: dict[str, str], keys: Keys = KEYS) -> bool:
    try:
        keys.check(headers | ({"authorization": authorization} if authorization else {}))
    except HTTPError as refused:
        assert refused.status == 401 and refused.message == "Authorization: missing or not valid"
        return False
    return True


def test_both_generations_of_the_header() -> None:
    now = SIGNED | {"date": formatdate(usegmt=True), "x-more": "1"}
    old = SIGNED | {"date": formatdate(time.time() - 16 * 60, usegmt=True)}
    names = "host;content-type;date"
    for url_safe in (False, True):
        assert passes(independently(names, now, url_safe=url_safe), now)
    assert passes(independently("Date;Host;Content-Type;X-More", now), now)
    assert passes(header(KEYS, now), now) and passes("me", now) and passes("me", {})
    refused = ["", "you", "WS-HMAC-SHA1", independently("host;date", now), independently(names, now, "other")]
    refused += [independently(names, now).replace("AK=me", "AK=you"), independently(names, now)[:-3]]
    refused += [
        independently(names, now).replace("host;", "host;missing;"),
        "WS-HMAC-SHA1 AK=,SignedHeaders=,Signature=",
    ]
    assert [text for text in refused if passes(text, now)] == []
    assert not passes(independently(names, old), old)
    assert not passes(independently(names, SIGNED | {"date": "soon"}), SIGNED | {"date": "soon"})
    assert not passes(independently(names, now), now, Keys("me"))  # no secret, no signatures
    assert passes("", {}, Keys())


# ---- batches


def batcher(predict: Any = None, queue: int = 100) -> tuple[Batcher, list[int]]:
    sizes: list[int] = []
    return Batcher(predict or (lambda images: images * 2), most=8, queue=queue, observe=sizes.append), sizes


def one(value: float) -> np.ndarray:
    return np.array([[value]])


def test_requests_that_meet_are_one_call_and_a_lonely_one_does_not_wait() -> None:
    async def run() -> None:
        ask, sizes = batcher()
        found = await asyncio.gather(*(ask(one(value)) for value in range(20)))
        assert [float(row[0, 0]) for row in found] == [2.0 * value for value in range(20)]
        assert sizes == [8, 8, 4]
        assert (await ask(np.ones((30, 1)))).shape == (30, 1)  # more than fit, but they came together
        await ask(one(1))
        assert sizes[3:] == [30, 1]

    asyncio.run(run())


def test_a_slow_model_leaves_the_loop_free_and_a_full_queue_refuses() -> None:
    ended = threading.Event()

    def slow(images: np.ndarray) -> np.ndarray:
        ended.wait(10)
        return images

    async def run() -> None:
        ask, sizes = batcher(slow, queue=3)
        first = asyncio.create_task(ask(one(0)))
        await asyncio.sleep(0.05)
        waiting = [asyncio.create_task(ask(one(value))) for value in (1, 2, 3)]
        await asyncio.sleep(0.05)
        with pytest.raises(HTTPError) as refused:
            await ask(one(4))
        assert refused.value.status == 503 and refused.value.headers == {"Retry-After": "1"}
        waiting[1].cancel()  # its caller's time is over
        ended.set()
        assert [float((await task)[0, 0]) for task in (first, waiting[0], waiting[2])] == [0, 1, 3]
        assert sizes == [1, 2]

    asyncio.run(run())


def test_an_error_of_the_model_reaches_every_caller_and_the_next_call_works() -> None:
    async def run() -> None:
        broken = [True]

        def predict(images: np.ndarray) -> np.ndarray:
            if broken.pop() if broken else False:
                raise ZeroDivisionError
            return images

        ask, _ = batcher(predict)
        found = await asyncio.gather(*(ask(one(value)) for value in range(3)), return_exceptions=True)
        assert [type(error) for error in found] == [ZeroDivisionError] * 3
        assert float((await ask(one(5)))[0, 0]) == 5

    asyncio.run(run())


# ---- settings


@pytest.mark.parametrize(
    ("words", "environment", "law"),
    [
        (["--port", "70000"], {}, "--port 70000: must be 0 to 65535"),
        ([], {"TRIALMAKER_WORKERS": "0"}, "--workers 0: must be 1 to 64"),
        (["--max-body", "5"], {}, "--max-body 5: must be at least 1024 bytes"),
        (["--name", "a/b"], {}, "--name a/b: must be letters, digits and _"),
        ([], {"MODELMAKER_SK": "x"}, "MODELMAKER_SK: is set without MODELMAKER_AK"),
    ],
)
def test_settings_that_cannot_be(words: list[str], environment: dict[str, str], law: str) -> None:
    with pytest.raises(UserError, match=law):
        settings.read(words, environment)


def test_flags_win_over_the_environment() -> None:
    environment = {"TRIALMAKER_PORT": "1", "TRIALMAKER_MAX_BODY": "5000", "MODELMAKER_AK": "me"}
    found = settings.read(["--port", "2"], environment)
    assert (found.port, found.max_body, found.keys) == (2, 5000, Keys("me"))


# ---- a model that takes long


def test_a_deadline_is_504_and_a_full_queue_503() -> None:
    ended = threading.Event()

    def slow(images: np.ndarray) -> np.ndarray:
        ended.wait(10)
        return np.full((len(images), 2), 0.5, np.float32)

    async def run() -> None:
        application = Application(settings.read(["--seconds", "0.3", "--queue", "1"], {}))
        gate = Middleware(application)
        assert (await asked(gate))[0] == 503  # no model yet
        application.serve(Model(versions.Version(Path(), 1, ("a", "b")), (2, 2, 1), "none", slow))
        first = asyncio.create_task(asked(gate))
        await asyncio.sleep(0.1)
        second = asyncio.create_task(asked(gate))
        await asyncio.sleep(0.05)
        status, headers, body = await asked(gate)
        assert (status, headers[b"retry-after"]) == (503, b"1") and b"too many requests: 1 images wait" in body
        for task in (first, second):
            status, _, body = await task
            assert status == 504 and b"no answer within 0.3 seconds" in body
        ended.set()
        await asyncio.sleep(0.05)
        assert (await asked(gate))[0] == 200

    asyncio.run(run())


async def asked(gate: Middleware) -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, headers and body of an answer, without a network."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b'{"image": [0, 0, 0, 0]}', "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/ModelMaker/predict", "headers": [], "query_string": b""}
    await gate(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]
