"""Batches of concurrent requests, a full queue, and a slow model."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.waiting import HANG_SECONDS
from trialmaker.model_store.versions import Version
from trialmaker.serving import settings
from trialmaker.serving.application import Application
from trialmaker.serving.batching import Batcher
from trialmaker.serving.errors import HTTPError
from trialmaker.serving.middleware import Middleware
from trialmaker.serving.predictor import Model


def make_batcher(predict: Any = None, queue: int = 100) -> tuple[Batcher, list[int]]:
    sizes: list[int] = []
    return Batcher(predict or (lambda images: images * 2), max_images=8, max_queued=queue, observe=sizes.append), sizes


def one_image(value: float) -> np.ndarray:
    return np.array([[value]])


def test_concurrent_requests_are_one_call_and_a_single_one_does_not_wait() -> None:
    async def run() -> None:
        batcher, sizes = make_batcher()
        answers = await asyncio.gather(*(batcher(one_image(value)) for value in range(20)))
        assert [float(row[0, 0]) for row in answers] == [2.0 * value for value in range(20)]
        assert sizes == [8, 8, 4]
        assert (await batcher(np.ones((30, 1)))).shape == (30, 1)  # more than fit, but they came together
        await batcher(one_image(1))
        assert sizes[3:] == [30, 1]

    asyncio.run(run())


def test_a_slow_model_leaves_the_loop_free_and_a_full_queue_refuses() -> None:
    ended = threading.Event()

    def slow(images: np.ndarray) -> np.ndarray:
        ended.wait(HANG_SECONDS)
        return images

    async def run() -> None:
        batcher, sizes = make_batcher(slow, queue=3)
        first = asyncio.create_task(batcher(one_image(0)))
        await asyncio.sleep(0.05)
        waiting = [asyncio.create_task(batcher(one_image(value))) for value in (1, 2, 3)]
        await asyncio.sleep(0.05)
        with pytest.raises(HTTPError) as caught:
            await batcher(one_image(4))
        assert caught.value.status == 503 and caught.value.headers == {"Retry-After": "1"}
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

        batcher, _ = make_batcher(predict)
        answers = await asyncio.gather(*(batcher(one_image(value)) for value in range(3)), return_exceptions=True)
        assert [type(error) for error in answers] == [ZeroDivisionError] * 3
        assert float((await batcher(one_image(5)))[0, 0]) == 5

    asyncio.run(run())


def test_a_deadline_is_504_and_a_full_queue_503() -> None:
    ended = threading.Event()

    def slow(images: np.ndarray) -> np.ndarray:
        ended.wait(HANG_SECONDS)
        return np.full((len(images), 2), 0.5, np.float32)

    async def run() -> None:
        application = Application(settings.read(["--seconds", "1.5", "--queue", "1"], {}))
        middleware = Middleware(application)
        assert (await answer(middleware))[0] == 503  # no model yet
        application.serve(Model(Version(Path(), 1, ("a", "b")), (2, 2, 1), "none", slow))
        first = asyncio.create_task(answer(middleware))
        await asyncio.sleep(0.1)
        second = asyncio.create_task(answer(middleware))
        await asyncio.sleep(0.05)
        status, headers, body = await answer(middleware)
        assert (status, headers[b"retry-after"]) == (503, b"1") and b"too many requests: 1 images wait" in body
        for task in (first, second):
            status, _, body = await task
            assert status == 504 and b"no answer within 1.5 seconds" in body
        ended.set()
        await asyncio.sleep(0.05)
        assert (await answer(middleware))[0] == 200

    asyncio.run(run())


async def answer(middleware: Middleware) -> tuple[int, dict[bytes, bytes], bytes]:
    """Return the status, headers and body of an answer, without a network."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b'{"image": [0, 0, 0, 0]}', "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/ModelMaker/predict", "headers": [], "query_string": b""}
    await middleware(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


def test_a_large_request_is_predicted_in_parts_between_which_others_come() -> None:
    async def run() -> None:
        batcher, sizes = make_batcher(lambda images: images * 2, queue=10_000)
        batcher.seconds_per_image = 0.005  # as of a slow model: 10 images in 50 ms
        large = asyncio.create_task(batcher(np.arange(35.0)[:, np.newaxis]))
        await asyncio.sleep(0)
        others = [asyncio.create_task(batcher(one_image(value))) for value in range(3)]
        assert [float((await task)[0, 0]) for task in others] == [0, 2, 4]
        assert not large.done()
        np.testing.assert_array_equal((await large).ravel(), 2 * np.arange(35.0))
        assert sum(sizes) == 38 and max(sizes) < 35

    asyncio.run(run())


def test_a_full_queue_refuses_the_large_requests_first() -> None:
    ended = threading.Event()

    def slow(images: np.ndarray) -> np.ndarray:
        ended.wait(HANG_SECONDS)
        return images

    async def run() -> None:
        batcher, _ = make_batcher(slow, queue=100)
        first = asyncio.create_task(batcher(one_image(0)))
        await asyncio.sleep(0.05)
        large = [asyncio.create_task(batcher(np.zeros((50, 1)))) for _ in range(2)]
        await asyncio.sleep(0)
        small = asyncio.create_task(batcher(one_image(7)))
        await asyncio.sleep(0)
        ended.set()
        assert float((await small)[0, 0]) == 7 and len(await first) == 1
        outcomes = await asyncio.gather(*large, return_exceptions=True)
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["HTTPError", "ndarray"]

    asyncio.run(run())
