"""Waiting for what another process or thread does, never for ever."""

import time
from collections.abc import Callable

HANG_SECONDS = 180  # more than anything here takes on a machine that does other things too: what takes longer hangs


def wait_until(holds: Callable[[], object], seconds: float = HANG_SECONDS) -> None:
    """Call `holds` until it returns something true; fail when that takes longer."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"still not so after {seconds} s"
        time.sleep(0.02)


def expect_value(read: Callable[[], object], expected: object, seconds: float = HANG_SECONDS) -> None:
    """Call `read` until it returns `expected`; fail with both when that takes longer."""
    deadline = time.monotonic() + seconds
    while (value := read()) != expected and time.monotonic() < deadline:
        time.sleep(0.02)
    assert value == expected
