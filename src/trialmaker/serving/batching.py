"""Batching of concurrent requests, which does not delay a single one."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from trialmaker.serving.errors import HTTPError

INLINE_SECONDS = 0.001  # a call that is expected to be shorter runs on the event loop: a thread would cost as much
PendingRequest = tuple[np.ndarray, "asyncio.Future[np.ndarray]"]


class Batcher:
    """Calls of a model from one event loop, several requests at a time.

    Requests that arrive in the same turn of the loop, or while the model is busy, become one call; no request waits
    for others to come. Long calls run on a thread, so that the loop goes on reading and answering.

    Args:
        predict: from images, float32 [N, H, W, C], to probabilities, float32 [N, K]; called by one thread at a time.
        max_images: in one call, unless a single request has more.
        max_queued: images that may wait before requests are refused.
        observe: called with the number of images of each call.
    """

    def __init__(
        self,
        predict: Callable[[np.ndarray], np.ndarray],
        *,
        max_images: int,
        max_queued: int,
        observe: Callable[[int], object],
    ) -> None:
        self.predict, self.max_images, self.max_queued, self.observe = predict, max_images, max_queued, observe
        self.queue: deque[PendingRequest] = deque()
        self.queued_images = 0
        self.is_busy = False
        self.seconds_per_image = INLINE_SECONDS
        self.thread = ThreadPoolExecutor(1)

    async def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the probabilities of some images.

        Raises:
            HTTPError: 503, too many wait already.
        """
        if self.queued_images and self.queued_images + len(images) > self.max_queued:
            raise HTTPError(503, f"too many requests: {self.queued_images} images wait; try again", Retry_After="1")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[np.ndarray] = loop.create_future()
        self.queue.append((images, future))
        self.queued_images += len(images)
        if not self.is_busy:
            self.is_busy = True
            loop.call_soon(self._run_next_batch)
        return await future

    def _run_next_batch(self) -> None:
        """Predict the queued images, on this thread if that is quick."""
        batch = self._next_batch()
        if not batch:
            self.is_busy = False
            return
        loop = asyncio.get_running_loop()
        try:
            images = batch[0][0] if len(batch) == 1 else np.concatenate([part for part, _ in batch])
            self.observe(len(images))
            if len(images) * self.seconds_per_image < INLINE_SECONDS:
                self._deliver(batch, self._timed_predict(images))
                return
            call = loop.run_in_executor(self.thread, self._timed_predict, images)
        except Exception as error:
            self._deliver(batch, error)
            return
        call.add_done_callback(lambda done: self._deliver(batch, done.exception() or done.result()))

    def _next_batch(self) -> list[PendingRequest]:
        batch: list[PendingRequest] = []
        size = 0
        while self.queue and (not batch or size + len(self.queue[0][0]) <= self.max_images):
            images, future = self.queue.popleft()
            self.queued_images -= len(images)
            if not future.done():  # else its caller has gone, or its time is over
                batch.append((images, future))
                size += len(images)
        return batch

    def _timed_predict(self, images: np.ndarray) -> np.ndarray:
        """Predict, and update the running mean of the seconds per image."""
        start = time.perf_counter()
        probabilities = self.predict(images)
        seconds = (time.perf_counter() - start) / len(images)
        self.seconds_per_image += 0.1 * (seconds - self.seconds_per_image)
        return probabilities

    def _deliver(self, batch: list[PendingRequest], outcome: np.ndarray | BaseException) -> None:
        """Give each request its rows of the probabilities, or the error; then go on with the next batch."""
        row = 0
        for images, future in batch:
            if not future.done():
                if isinstance(outcome, BaseException):
                    future.set_exception(outcome)
                else:
                    future.set_result(outcome[row : row + len(images)])
            row += len(images)
        asyncio.get_running_loop().call_soon(self._run_next_batch)
