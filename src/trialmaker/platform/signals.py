"""Ordered ends: what SIGTERM, or Ctrl-C, does to a run."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

LIMIT_SECONDS = 17.0  # from a signal to the end of the process, whatever hangs


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
    """While entered, SIGTERM and SIGINT raise ``Stopped`` in the main thread; a second one ends the process at once,
    and so does the first one when something hangs.

    Attributes:
        received: the signal's number, or None.
        where: for the message: how far the run has come.
        fail_now: called with the message when the process ends at once.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.fail_now: Callable[[str], None] = lambda _: None
        self.are_deferred = False
        self.previous: dict[int, Any] = {}
        self.watchdog: threading.Timer | None = None
        self.reset()

    def reset(self) -> None:
        """Another run begins."""
        self.where = "before the first step"
        self.are_deferred = False
        self.raise_if_received()

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():  # no other may have handlers
            for number in (signal.SIGTERM, signal.SIGINT):
                self.previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)
        if self.watchdog:
            self.watchdog.cancel()

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Inside, a signal is only noted, for code that asks ``received`` and must not be torn; then it counts."""
        self.are_deferred = True
        try:
            yield
        except Exception:
            self.raise_if_received()  # what fails after a signal fails because of it
            raise
        finally:
            self.are_deferred = False
        self.raise_if_received()

    def defer(self) -> None:
        """From here on the run is as good as done: a signal is for the next one."""
        self.are_deferred = True

    def raise_if_received(self) -> None:
        """Raise ``Stopped`` if a signal has come."""
        if self.received is not None:
            raise Stopped(self.received, self.where)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.received is not None:
            self._end_at_once()
        self.received = number
        self.watchdog = threading.Timer(LIMIT_SECONDS, self._end_at_once)
        self.watchdog.daemon = True
        self.watchdog.start()
        if not self.are_deferred:
            self.raise_if_received()

    def _end_at_once(self) -> None:
        stopped = Stopped(self.received or signal.SIGTERM, self.where)
        with suppress(Exception):
            self.fail_now(str(stopped))
        os._exit(stopped.exit_code)
