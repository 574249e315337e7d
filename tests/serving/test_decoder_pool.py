"""Processes that decode: their limits, their replacement, and what goes first."""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from functools import lru_cache

import numpy as np
import pytest

from hostile import bodies
from trialmaker.serving.decode_task import DecodeTask
from trialmaker.serving.decoder_pool import Decoder
from trialmaker.serving.errors import HTTPError

SHAPE = (28, 28, 1)
NUMBERS = DecodeTask("numbers", SHAPE, 10**6)
PICTURE = DecodeTask("picture", SHAPE, 10**8)
IMAGES = json.dumps({"image": [[0.5] * 784] * 3}).encode()
MAX_WAITING = 64


def run_with(decoder: Decoder, steps: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        try:
            await steps()
        finally:
            await decoder.end()

    asyncio.run(run())


async def decoded_images(decoder: Decoder, milliseconds: float = 1) -> np.ndarray:
    return (await decoder.decode(NUMBERS, IMAGES, milliseconds=milliseconds, seconds=60)).images


def test_a_process_decodes_and_says_what_is_wrong() -> None:
    decoder = Decoder(200_000_000, 10, MAX_WAITING)

    async def steps() -> None:
        np.testing.assert_array_equal(await decoded_images(decoder), np.full((3, 28, 28, 1), np.float32(0.5)))
        with pytest.raises(HTTPError, match="must be JSON") as caught:
            await decoder.decode(NUMBERS, b"{", milliseconds=1, seconds=60)
        assert caught.value.status == 400
        first = decoder.process
        with_preview = DecodeTask("picture", SHAPE, 10**6, with_preview=True)
        decoded = await decoder.decode(with_preview, bodies.png(28, 28), milliseconds=1, seconds=60)
        assert decoded.images.shape == (1, 28, 28, 1) and decoded.preview.startswith("data:image/png;base64,")
        assert decoder.process is first

    run_with(decoder, steps)


@lru_cache
def large() -> bytes:
    """Return a picture that takes seconds, and 324 MB and more."""
    return bodies.png(9000, 9000, interlaced=True)


@pytest.mark.parametrize(
    ("max_bytes", "max_seconds", "seconds", "status", "text"),
    [
        (2_000_000_000, 60.0, 0.7, 504, "decoding took too long"),  # the deadline, which the process's start is part of
        (2_000_000_000, 0.01, 60.0, 504, "decoding must take at most 0.01 seconds"),  # of processor time
        (100_000_000, 60.0, 60.0, 413, "more memory than a picture may"),
    ],
)
def test_a_body_that_takes_too_much_is_refused_and_the_next_is_decoded(
    max_bytes: int, max_seconds: float, seconds: float, status: int, text: str
) -> None:
    decoder = Decoder(max_bytes, max_seconds, MAX_WAITING)

    async def steps() -> None:
        with pytest.raises(HTTPError, match=text) as caught:
            await decoder.decode(PICTURE, large(), milliseconds=1, seconds=seconds)
        assert caught.value.status == status
        assert len(await decoded_images(decoder)) == 3

    run_with(decoder, steps)


def test_a_process_that_dies_is_replaced() -> None:
    decoder = Decoder(200_000_000, 10, MAX_WAITING)

    async def steps() -> None:
        await decoder.start()
        assert decoder.process
        os.kill(decoder.process.pid, signal.SIGKILL)
        await decoder.process.wait()
        assert len(await decoded_images(decoder)) == 3

    run_with(decoder, steps)


def test_what_is_quick_goes_first_but_not_for_ever_and_the_slowest_is_refused() -> None:
    decoder = Decoder(200_000_000, 10, MAX_WAITING)
    done: list[str] = []

    async def decode(name: str, milliseconds: float) -> None:
        await decoded_images(decoder, milliseconds)
        done.append(name)

    async def steps() -> None:
        await decoder.start()
        names = {"first": 1.0, "slow": 5000.0, "middle": 100.0, "quick": 1.0}
        await asyncio.gather(*(decode(name, milliseconds) for name, milliseconds in names.items()))
        assert done == ["first", "quick", "middle", "slow"]
        calls = [decode(str(number), 1.0 + number) for number in range(MAX_WAITING + 2)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        refused = [number for number, outcome in enumerate(outcomes) if outcome]
        assert refused[-1] == MAX_WAITING + 1 and len(refused) <= 2
        assert all(isinstance(outcomes[number], HTTPError) for number in refused)

    run_with(decoder, steps)


def test_a_caller_who_has_gone_leaves_nothing_behind() -> None:
    decoder = Decoder(200_000_000, 10, MAX_WAITING)

    async def steps() -> None:
        tasks = [asyncio.create_task(decoded_images(decoder)) for _ in range(5)]
        await asyncio.sleep(0)
        for task in tasks[1:]:
            task.cancel()
        await asyncio.sleep(0)
        assert len(decoder.waiting) <= 1
        assert len(await tasks[0]) == 3

    run_with(decoder, steps)
