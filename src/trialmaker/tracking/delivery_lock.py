"""The lock of those who deliver a run: one process at a time."""

import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from trialmaker.tracking.places import DELIVERY_LOCK_FILE, RunPlace

WAIT_SECONDS = 0.05  # between two attempts


class DeliveryBusy(Exception):
    """A run that another process delivers."""


@contextmanager
def delivery_lock(place: RunPlace, gone: threading.Event) -> Iterator[None]:
    """Hold the lock of those who deliver a run; a living training waits for it.

    Args:
        place: the run's.
        gone: set when no training process lives.

    Raises:
        DeliveryBusy: another process delivers it, and nobody waits for that.
    """
    with (place.directory / DELIVERY_LOCK_FILE).open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if gone.is_set():
                    raise DeliveryBusy(f"{place.directory}: another process delivers it") from None
                gone.wait(WAIT_SECONDS)
        yield
