"""Batching of concurrent requests, which does not delay a single one."""

import asyncio
import bisect
import operator
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from trialmaker.serving.errors import HTTPError

INLINE_SECONDS = 0.001  # a call that is expected to be shorter runs on the event loop: a thread would cost as much
SLICE_SECONDS = 0.05  # of a call for one large request, which goes on in another after those that wait
LARGER_TIMES = 10  # the time that a call takes, for which smaller ones may go before it


@dataclass(eq=False, slots=True)
class PendingRequest:
    """A request that waits. One goes before those that came a little earlier and are much larger.

    Args:
        turn: when it came, in seconds, and the later the longer its next call takes.
        images: float32 [N, H, W, C], those that are not predicted yet.
        future: of its probabilities.
        answers: probabilities of the images before.
    """

    turn: float
    images: np.ndarray
    future: "asyncio.Future[np.ndarray]"
    answers: list[np.ndarray] = field(default_factory=list)


TURN = operator.attrgetter("turn")
Part = tuple[PendingRequest, np.ndarray]  # some of a request's images


class Batcher:
    """Calls of a model from one event loop, several requests at a time.

    Requests that arrive in the same turn of the loop, or while the model is busy, become one call; no request waits
    for others to come, and none long for a large one. Long calls run on a thread, so that the loop goes on.

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
        self.queue: list[PendingRequest] = []  # in the order of their turns
        self.queued_images = 0
        self.is_busy = False
        self.seconds_per_image = INLINE_SECONDS
        self.thread = ThreadPoolExecutor(1)
        self.loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, images: np.ndarray, seconds: float | None = None) -> np.ndarray:
        """Return the probabilities of some images.

        Args:
            images: float32 [N, H, W, C].
            seconds: the longest time until then; None for no limit.

        Raises:
            HTTPError: 503, too many wait already.
            TimeoutError: the time is over.
        """
        loop = self.loop = self.loop or asyncio.get_running_loop()  # which costs a system call in Python 3.11
        self._make_room(len(images))
        future: asyncio.Future[np.ndarray] = loop.create_future()
        self._enqueue(PendingRequest(0, images, future))
        if not self.is_busy:
            self.is_busy = True
            loop.call_soon(self._run_next_batch)
        if seconds is None:
            return await future
        timer = loop.call_later(seconds, _expire, future)
        try:
            return await future
        finally:
            timer.cancel()

    def _make_room(self, size: int) -> None:
        """Refuse this request, or waiting ones that are more than twice as large, until all may wait."""
        while self.queued_images and self.queued_images + size > self.max_queued:
            text = f"too many requests: {self.queued_images} images wait; try again"
            refusal = HTTPError(503, text, Retry_After="1")
            largest = max(self.queue, key=lambda request: len(request.images))
            if len(largest.images) <= 2 * size:
                raise refusal
            self._remove(largest)
            if not largest.future.done():
                largest.future.set_exception(refusal)

    def _enqueue(self, request: PendingRequest) -> None:
        """Have a request wait for its next call."""
        images = min(len(request.images), self._most_images())
        assert self.loop
        request.turn = self.loop.time() + LARGER_TIMES * self.seconds_per_image * images
        bisect.insort(self.queue, request, key=TURN)
        self.queued_images += len(request.images)

    def _most_images(self) -> int:
        """Return how many images of one request may be in a call."""
        return max(1, int(SLICE_SECONDS / self.seconds_per_image))

    def _remove(self, request: PendingRequest) -> None:
        self.queue.remove(request)
        self.queued_images -= len(request.images)

    def _run_next_batch(self) -> None:
        """Predict the queued images, on this thread if that is quick."""
        batch = self._next_batch()
        if not batch:
            self.is_busy = False
            return
        assert self.loop
        try:
            images = batch[0][1] if len(batch) == 1 else np.concatenate([part for _, part in batch])
            self.observe(len(images))
            if len(images) * self.seconds_per_image < INLINE_SECONDS:
                self._deliver(batch, self._timed_predict(images))
                return
            call = self.loop.run_in_executor(self.thread, self._timed_predict, images)
        except Exception as error:
            self._deliver(batch, error)
            return
        call.add_done_callback(lambda done: self._deliver(batch, done.exception() or done.result()))

    def _next_batch(self) -> list[Part]:
        """Take the requests whose turn it is, or a part of one that is large."""
        batch: list[Part] = []
        size = 0
        while self.queue and (not batch or size + len(self.queue[0].images) <= self.max_images):
            request = self.queue[0]
            self._remove(request)
            if request.future.done():  # its caller has gone, or its time is over
                continue
            part = request.images[: self._most_images()]
            request.images = request.images[len(part) :]
            batch.append((request, part))
            size += len(part)
        return batch

    def _timed_predict(self, images: np.ndarray) -> np.ndarray:
        """Predict, and update the running mean of the seconds per image."""
        start = time.perf_counter()
        probabilities = self.predict(images)
        seconds = (time.perf_counter() - start) / len(images)
        self.seconds_per_image += 0.1 * (seconds - self.seconds_per_image)
        return probabilities

    def _deliver(self, batch: list[Part], outcome: np.ndarray | BaseException) -> None:
        """Give each request its rows of the probabilities, or the error; then go on with the next batch."""
        row = 0
        for request, part in batch:
            if not request.future.done():
                if isinstance(outcome, BaseException):
                    request.future.set_exception(outcome)
                else:
                    self._add_answer(request, outcome[row : row + len(part)])
            row += len(part)
        assert self.loop
        self.loop.call_soon(self._run_next_batch)

    def _add_answer(self, request: PendingRequest, probabilities: np.ndarray) -> None:
        """Give a request its probabilities, or have its other images wait again."""
        request.answers.append(probabilities)
        if len(request.images):
            self._enqueue(request)
        else:
            whole = request.answers[0] if len(request.answers) == 1 else np.concatenate(request.answers)
            request.future.set_result(whole)


def _expire(future: "asyncio.Future[np.ndarray]") -> None:
    """End the wait of a request whose time is over."""
    if not future.done():
        future.set_exception(TimeoutError())
