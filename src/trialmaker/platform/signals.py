"""Orderly ends of a run on SIGTERM, on Ctrl-C, and on the other signals by which a machine ends a process."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

# They end a process without a word: the terminal's hang-up, the limit on processor time, a scheduler's notice.
OTHER_SIGNALS = (signal.SIGHUP, signal.SIGXCPU, signal.SIGUSR1, signal.SIGUSR2)
BEFORE_TRAINING = "before the first step"  # where a run is until it trains
SHUTDOWN_SECONDS = 17.0  # from a signal to the end of the process, whatever hangs


class Stopped(BaseException):
    """The end of a run by a signal. Like KeyboardInterrupt it is no ``Exception``, so that no handler swallows it.

    Args:
        number: the signal's number.
        where: how far the run has come, such as "before the first step".
    """

    def __init__(self, number: int, where: str) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name} {where}")
        self.exit_code = 128 + number


class Signals:
    """A context in which SIGTERM, SIGINT and ``OTHER_SIGNALS`` raise ``Stopped`` in the main thread.

    One of ``OTHER_SIGNALS`` that is ignored at the start, as by ``nohup``, stays so.

    A second signal ends the process at once, and so does a watchdog ``SHUTDOWN_SECONDS`` after the first one.

    Attributes:
        received: the signal's number, or None.
        has_ended: whether the context has been left, and the handlers are those of before.
        where: how far the run has come, for the message.
        fail_now: called with the message before the process ends at once.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.has_ended = False
        self.fail_now: Callable[[str], None] = lambda _: None
        self.are_deferred = False
        self.previous: dict[int, Any] = {}
        self.watchdog: threading.Timer | None = None
        self.reset()

    def reset(self) -> None:
        """Prepare for the next run; raise ``Stopped`` if a signal has been received."""
        self.where = BEFORE_TRAINING
        self.are_deferred = False
        self.raise_if_received()

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():  # no other may have handlers
            others = (number for number in OTHER_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN)
            for number in (signal.SIGTERM, signal.SIGINT, *others):
                self.previous[number] = signal.signal(number, self._handle)
        return self

    def take_back(self) -> None:
        """Handle the signals again whose handlers a library has replaced, as TensorFlow does SIGTERM's."""
        for number in self.previous:
            signal.signal(number, self._handle)

    def __exit__(self, *_: object) -> None:
        self.has_ended = True
        for number, handler in self.previous.items():
            signal.signal(number, handler)
        if self.watchdog:
            self.watchdog.cancel()

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Defer ``Stopped`` to the end of the block, for code that reads ``received`` and must not be interrupted."""
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
        """Defer signals until the next run starts."""
        self.are_deferred = True

    def adopt(self, number: int = signal.SIGTERM) -> None:
        """Take a signal that another instance has received for one of this process, unless it has one of its own."""
        if self.received is None:
            self._note(number)

    def raise_if_received(self) -> None:
        """Raise ``Stopped`` if a signal has been received."""
        if self.received is not None:
            raise Stopped(self.received, self.where)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.received is not None:
            self._end_at_once()
        self._note(number)
        if not self.are_deferred:
            self.raise_if_received()

    def _note(self, number: int) -> None:
        self.received = number
        self.watchdog = threading.Timer(SHUTDOWN_SECONDS, self._end_at_once)
        self.watchdog.daemon = True
        self.watchdog.start()

    def _end_at_once(self) -> None:
        stop = Stopped(self.received or signal.SIGTERM, self.where)
        with suppress(Exception):
            self.fail_now(str(stop))
        os._exit(stop.exit_code)
