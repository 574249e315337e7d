"""Concurrent requests meet in one call of the model; a lonely one never waits."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from trialmaker.serving.errors import HTTPError

QUICK_SECONDS = 0.001  # a call that is expected to be shorter runs on the event loop: a thread would cost as much
Asked = tuple[np.ndarray, "asyncio.Future[np.ndarray]"]


class Batcher:
    """Calls a model from one event loop.

    Requests that arrived in the same turn of the loop, or while the model was busy, become one call. Nothing waits for
    company. Calls that take long run on a thread, so that the loop goes on reading and answering.

    Args:
        predict: from [N, H, W, C] to [N, K]; called by one thread at a time.
        most: images in one call, unless a single request has more.
        queue: images that may wait before requests are refused.
        observe: told how many images each call has.
    """

    def __init__(
        self, predict: Callable[[np.ndarray], np.ndarray], *, most: int, queue: int, observe: Callable[[int], object]
    ) -> None:
        self.predict, self.most, self.queue, self.observe = predict, most, queue, observe
        self.waiting: deque[Asked] = deque()
        self.images = 0  # that wait
        self.is_busy = False
        self.seconds_per_image = QUICK_SECONDS
        self.thread = ThreadPoolExecutor(1)

    async def __call__(self, images: np.ndarray) -> np.ndarray:
        """Probabilities of some images.

        Raises:
            Refused: 503, too many wait already.
        """
        if self.images and self.images + len(images) > self.queue:
            raise HTTPError(503, f"too many requests: {self.images} images wait; try again", Retry_After="1")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[np.ndarray] = loop.create_future()
        self.waiting.append((images, future))
        self.images += len(images)
        if not self.is_busy:
            self.is_busy = True
            loop.call_soon(self._call)
        return await future

    def _call(self) -> None:
        """Serve what waits, on this thread if that is quick."""
        batch = self._take()
        if not batch:
            self.is_busy = False
            return
        loop = asyncio.get_running_loop()
        try:
            images = batch[0][0] if len(batch) == 1 else np.concatenate([part for part, _ in batch])
            self.observe(len(images))
            if len(images) * self.seconds_per_image < QUICK_SECONDS:
                self._deliver(batch, self._timed(images))
                return
            call = loop.run_in_executor(self.thread, self._timed, images)
        except Exception as error:
            self._deliver(batch, error)
            return
        call.add_done_callback(lambda done: self._deliver(batch, done.exception() or done.result()))

    def _take(self) -> list[Asked]:
        batch: list[Asked] = []
        count = 0
        while self.waiting and (not batch or count + len(self.waiting[0][0]) <= self.most):
            images, future = self.waiting.popleft()
            self.images -= len(images)
            if not future.done():  # its caller has gone, or its time is over
                batch.append((images, future))
                count += len(images)
        return batch

    def _timed(self, images: np.ndarray) -> np.ndarray:
        began = time.perf_counter()
        answer = self.predict(images)
        seconds = (time.perf_counter() - began) / len(images)
        self.seconds_per_image += 0.1 * (seconds - self.seconds_per_image)
        return answer

    def _deliver(self, batch: list[Asked], answer: np.ndarray | BaseException) -> None:
        at = 0
        for images, future in batch:
            if not future.done():
                if isinstance(answer, BaseException):
                    future.set_exception(answer)
                else:
                    future.set_result(answer[at : at + len(images)])
            at += len(images)
        asyncio.get_running_loop().call_soon(self._call)
