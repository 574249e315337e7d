"""The processes that decode: one for what is quick and one for the rest, so that neither waits for the other."""

import asyncio
import bisect
import json
import sys
from dataclasses import dataclass, field

import numpy as np

from trialmaker.platform.child_environment import bare_environment
from trialmaker.serving.decode_task import Decoded, DecodeTask
from trialmaker.serving.errors import HTTPError

COMMAND = (sys.executable, "-P", "-m", "trialmaker.serving.decoder_process")
QUICK_MILLISECONDS = 20.0  # of what the first process takes
QUICK_BYTES, QUICK_SECONDS = 64_000_000, 1.0  # memory and processor time that a body may take there
MIN_BYTES, MIN_SECONDS = 200_000_000, 4.0  # and in the other, at least
BYTES_A_PIXEL, BYTES_A_VALUE, SECONDS_A_PIXEL = 16, 150, 1e-7  # of the largest picture, of a list of numbers
PATIENCE = 50  # times the time that a body takes, for which quicker ones may go before it
READ_AHEAD_BYTES = 1 << 20
NICENESS = 5  # of the process for what isn't quick, so that all that is comes first
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(order=True)
class _Job:
    """A body that waits. One goes before those that came a little earlier and take much longer.

    Args:
        turn: when it came, in seconds, and the later the longer it takes.
        number: in the order of coming.
    """

    turn: float
    number: int
    task: DecodeTask = field(compare=False)
    body: bytes = field(compare=False)
    deadline: float = field(compare=False)
    answer: "asyncio.Future[Decoded]" = field(compare=False)


class Decoder:
    """A process that decodes one body at a time, which is ended and replaced when a body takes too long.

    Args:
        max_bytes: memory that a body may take.
        max_seconds: processor time that a body may take.
        max_waiting: bodies that may wait.
        niceness: of the process; more lets others go before it.
    """

    def __init__(self, max_bytes: int, max_seconds: float, max_waiting: int, niceness: int = 0) -> None:
        self.max_bytes, self.max_seconds, self.max_waiting = max_bytes, max_seconds, max_waiting
        self.niceness = niceness
        self.starting = asyncio.Lock()
        self.limits: tuple[str, ...] = ()  # of the process that runs
        self.waiting: list[_Job] = []
        self.count = 0
        self.process: asyncio.subprocess.Process | None = None
        self.worker: asyncio.Task[None] | None = None

    async def decode(self, task: DecodeTask, body: bytes, *, milliseconds: float, seconds: float) -> Decoded:
        """Decode a body, after those that take less time and came not much later.

        Args:
            task: how.
            body: what.
            milliseconds: how long it takes, about.
            seconds: how long it may take, with its waiting.

        Raises:
            HTTPError: what decoding says; 413, it takes too much processor time; 503, it waits behind too many; 504.
        """
        loop = asyncio.get_running_loop()
        self.count += 1
        turn = loop.time() + PATIENCE * milliseconds / 1000
        job = _Job(turn, self.count, task, body, loop.time() + seconds, loop.create_future())
        bisect.insort(self.waiting, job)
        if len(self.waiting) > self.max_waiting:
            refusal = HTTPError(503, f"too many requests: {self.max_waiting} bodies wait; try again", Retry_After="1")
            _settle(self.waiting.pop(), refusal)
        if self.worker is None or self.worker.done():
            self.worker = loop.create_task(self._work())
        try:
            return await job.answer
        finally:
            if job in self.waiting:  # its caller has gone, or was refused
                self.waiting.remove(job)

    async def start(self) -> None:
        """Start the process, unless it runs."""
        async with self.starting:
            limits = (str(self.max_bytes), str(self.max_seconds), str(self.niceness))
            if self.process and self.process.returncode is None and self.limits == limits:
                return
            await self.end()  # a larger model has come
            self.limits = limits
            self.process = await asyncio.create_subprocess_exec(
                *COMMAND, *limits,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
                env=bare_environment() | ONE_THREAD, limit=READ_AHEAD_BYTES,
            )  # fmt: skip

    async def end(self) -> None:
        """End the process, whatever it does."""
        process, self.process = self.process, None
        if process:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _work(self) -> None:
        """Decode what waits."""
        while self.waiting:
            job = self.waiting.pop(0)
            try:
                async with asyncio.timeout_at(job.deadline):
                    outcome: Decoded | Exception = await self._exchange(job)
            except TimeoutError:
                await self.end()
                outcome = HTTPError(504, "decoding took too long; send a smaller body")
            except OSError as error:
                await self.end()
                outcome = HTTPError(503, f"no process that decodes can be started: {error}", Retry_After="1")
            except Exception as error:
                outcome = error
            _settle(job, outcome)

    async def _exchange(self, job: _Job) -> Decoded:
        """Send a body to the process, and return what it answers."""
        await self.start()
        assert self.process and self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(f"{job.task.to_json()}\n{len(job.body)}\n".encode())
            self.process.stdin.write(job.body)
            await self.process.stdin.drain()
            head = json.loads(await self.process.stdout.readuntil())
            if "bug" in head:
                raise RuntimeError(head["bug"])
            if "status" in head:
                raise HTTPError(head["status"], head["message"])
            images = await self.process.stdout.readexactly(4 * int(np.prod(head["shape"])))
            preview = await self.process.stdout.readexactly(head["preview"])
        except (asyncio.IncompleteReadError, ConnectionError):  # the kernel has ended it
            await self.end()
            law = f"decoding must take at most {self.max_seconds:g} seconds and {self.max_bytes:,} bytes"
            raise HTTPError(504, f"{law}; send a smaller or simpler body") from None
        return Decoded(np.frombuffer(images, np.float32).reshape(head["shape"]), head["form"], preview.decode())


class DecoderPool:
    """The two processes, which start by ``start``, or when they are needed.

    Args:
        max_waiting: bodies that may wait for each.
    """

    def __init__(self, max_waiting: int) -> None:
        self.quick = Decoder(QUICK_BYTES, QUICK_SECONDS, max_waiting)
        self.slow = Decoder(MIN_BYTES, MIN_SECONDS, max_waiting, NICENESS)

    def allow(self, max_pixels: int, values: int) -> None:
        """Allow what the largest picture, and an image of so many numbers, take."""
        slow = self.slow
        slow.max_bytes = max(slow.max_bytes, BYTES_A_PIXEL * max_pixels, BYTES_A_VALUE * values)
        slow.max_seconds = max(slow.max_seconds, SECONDS_A_PIXEL * max_pixels)

    async def start(self) -> None:
        """Start both processes, so that nobody waits for that."""
        await self.quick.start()
        await self.slow.start()

    async def decode(self, task: DecodeTask, body: bytes, *, milliseconds: float, seconds: float) -> Decoded:
        """Decode a body, as ``Decoder.decode`` does."""
        decoder = self.quick if milliseconds <= QUICK_MILLISECONDS else self.slow
        return await decoder.decode(task, body, milliseconds=milliseconds, seconds=seconds)

    async def close(self) -> None:
        """End both processes."""
        for decoder in (self.quick, self.slow):
            await decoder.end()


def _settle(job: _Job, outcome: Decoded | Exception) -> None:
    if job.answer.done():
        return
    if isinstance(outcome, Exception):
        job.answer.set_exception(outcome)
    else:
        job.answer.set_result(outcome)
