"""Waiting for what another process or thread does, never for ever."""

import time
from collections.abc import Callable


def wait_until(holds: Callable[[], object], seconds: float = 90) -> None:
    """Call `holds` until it returns something true; fail when that takes longer."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"still not so after {seconds} s"
        time.sleep(0.02)
