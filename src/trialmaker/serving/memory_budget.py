"""The memory that all requests may hold together, each until it is answered."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from trialmaker.serving.errors import HTTPError

IN_FLIGHT_BYTES = 48_000_000  # of bodies and of what they are decoded to
BODIES = 2  # of the largest there may be, at least
SCOPE_KEY = "trialmaker.memory"


@dataclass(eq=False)
class Holding:
    """The memory of one request.

    Args:
        budget: what it is part of.
        task: the request's.
    """

    budget: "MemoryBudget"
    task: "asyncio.Task[Any] | None"
    size: int = 0
    is_evicted: bool = False

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

    @contextmanager
    def account(self, request: Request) -> Iterator[None]:
        """Within the context, ``holding`` returns what this request holds.

        Raises:
            HTTPError: 503, this request held most when there was no room for another.
        """
        holding = request.scope[SCOPE_KEY] = Holding(self, asyncio.current_task())
        self.holdings.add(holding)
        try:
            yield
        except asyncio.CancelledError:
            if not holding.is_evicted:
                raise
            raise _refusal() from None
        finally:
            self.holdings.discard(holding)
            holding.release()
            if holding.is_evicted and holding.task:
                holding.task.uncancel()

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
