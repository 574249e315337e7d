"""Ending in order: what a SIGTERM of the platform, or Ctrl-C, does to a run."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Stopped(BaseException):
    """A signal ended the run. Like KeyboardInterrupt no ``Exception``: nobody may take it for a failure and go on.

    Args:
        number: of the signal.
        where: how far the run had come.
    """

    def __init__(self, number: int, where: str) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name} {where}")
        self.exit_code = 128 + number


class Signals:
    """While entered, SIGTERM and SIGINT raise ``Stopped`` in the main thread; a second one ends the process at once.

    Attributes:
        received: the signal's number, or None.
        where: for the message: how far the run has come.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.where = "before the first step"
        self.are_deferred = False
        self.previous: dict[int, Any] = {}

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():  # no other may have handlers
            for number in (signal.SIGTERM, signal.SIGINT):
                self.previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Inside, a signal is only noted, for code that asks ``received`` and must not be torn; then it counts."""
        self.are_deferred = True
        try:
            yield
        finally:
            self.are_deferred = False
        self.check()

    def check(self) -> None:
        """Raise ``Stopped`` if a signal has come."""
        if self.received is not None:
            raise Stopped(self.received, self.where)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.received is not None:
            os._exit(128 + number)
        self.received = number
        if not self.are_deferred:
            self.check()
