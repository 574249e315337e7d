"""The memory that requests hold together."""

import asyncio
from typing import Any

import pytest
from starlette.requests import Request

from trialmaker.serving.errors import HTTPError
from trialmaker.serving.memory_budget import IN_FLIGHT_BYTES, MemoryBudget, holding


def new_request() -> Request:
    return Request({"type": "http", "headers": []})


def test_a_large_request_makes_room_for_a_small_one_and_not_for_its_like() -> None:
    budget = MemoryBudget(1000)
    assert MemoryBudget(10**8).max_bytes == 2 * 10**8  # two of the largest, where a person allows such
    statuses: dict[str, Any] = {}

    async def hold(name: str, size: int) -> None:
        request = new_request()
        try:
            with budget.account(request):
                holding(request).add(size)
                await asyncio.sleep(0.1)
                statuses[name] = 200
        except HTTPError as error:
            statuses[name] = (error.status, error.headers)

    async def run() -> None:
        sizes = {"large": IN_FLIGHT_BYTES - 10, "like": IN_FLIGHT_BYTES - 10, "small": 1000}
        await asyncio.gather(*(hold(name, size) for name, size in sizes.items()))
        assert statuses == {"large": (503, {"Retry-After": "1"}), "like": (503, {"Retry-After": "1"}), "small": 200}
        assert (budget.size, budget.holdings) == (0, set())
        await hold("large", IN_FLIGHT_BYTES)
        assert statuses["large"] == 200

    asyncio.run(run())


def test_a_caller_who_has_gone_holds_nothing() -> None:
    budget = MemoryBudget(1000)

    async def hold() -> None:
        request = new_request()
        with budget.account(request):
            holding(request).add(5)
            await asyncio.sleep(10)

    async def run() -> None:
        task = asyncio.create_task(hold())
        await asyncio.sleep(0)
        assert budget.size == 5
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (budget.size, budget.holdings) == (0, set())

    asyncio.run(run())
