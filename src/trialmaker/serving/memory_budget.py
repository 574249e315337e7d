"""The memory that all requests may hold together, each until it is answered."""

import asyncio
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from trialmaker.serving.errors import HTTPError

IN_FLIGHT_BYTES = 48_000_000  # of bodies and of what they are decoded to
BODIES = 2  # of the largest there may be, at least
SCOPE_KEY = "trialmaker.memory"


@dataclass(eq=False)
class Holding:
    """The memory of one request, counted within its context.

    Args:
        budget: what it is part of.
        task: the request's.
    """

    budget: "MemoryBudget"
    task: "asyncio.Task[Any] | None"
    size: int = 0
    is_evicted: bool = False

    def __enter__(self) -> None:
        self.budget.holdings.add(self)

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        """Hold nothing any more.

        Raises:
            HTTPError: 503, this request held most when there was no room for another.
        """
        self.budget.holdings.discard(self)
        self.release()
        if self.is_evicted and self.task:
            self.task.uncancel()
            if isinstance(error, asyncio.CancelledError):
                raise _refusal() from None

    def add(self, size: int) -> None:
        """Hold more bytes, or fewer where ``size`` is negative.

        Raises:
            HTTPError: 503, there is no room, and no request holds far more than this one.
        """
        self.size += size
        self.budget.size += size
        self.budget.make_room(self)

    def release(self) -> None:
        """Hold nothing any more."""
        self.budget.size -= self.size
        self.size = 0


class MemoryBudget:
    """The memory of all requests.

    Where it is used up, a request is refused; or, where it holds little, the one that holds most. So a small one is
    answered however many large ones there are, and of equal ones those that came first.

    Args:
        max_body: the largest body, in bytes.
    """

    def __init__(self, max_body: int) -> None:
        self.max_bytes = max(IN_FLIGHT_BYTES, BODIES * max_body)
        self.size = 0
        self.holdings: set[Holding] = set()
        self.loop: asyncio.AbstractEventLoop | None = None

    def account(self, request: Request) -> Holding:
        """Return a context within which ``holding`` returns what this request holds."""
        holding = request.scope[SCOPE_KEY] = Holding(self, asyncio.current_task(self._running_loop()))
        return holding

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop, of which there is one; asking costs a system call in Python 3.11."""
        self.loop = self.loop or asyncio.get_running_loop()
        return self.loop

    def make_room(self, newcomer: Holding) -> None:
        """Refuse this request, or those that hold more than twice as much, until all fit."""
        while self.size > self.max_bytes:
            largest = max({*self.holdings, newcomer}, key=lambda holding: holding.size)
            if largest.size <= 2 * newcomer.size or largest.task is None:
                raise _refusal()
            largest.is_evicted = True
            largest.release()
            largest.task.cancel()


def holding(request: Request) -> Holding:
    """Return what a request holds; of one outside ``account``, alone."""
    return request.scope.get(SCOPE_KEY) or Holding(MemoryBudget(0), None)


def _refusal() -> HTTPError:
    return HTTPError(503, "too many large requests at once; try again", Retry_After="1")
