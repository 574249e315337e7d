"""When a signal may end a sweep: at once while a task runs, otherwise as soon as the trial's records are in order.

A handler that raises does so between any two instructions. Raised while Hydra composes a configuration, or while a
record is written, the exception may be replaced by another one, or be caught by a library and never seen again.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU, signal.SIGUSR1, signal.SIGUSR2)


@contextmanager
def terminable() -> Iterator[None]:
    """Have SIGTERM end the sweep as Ctrl-C does, so that the running trial is requeued, where nobody handles it."""
    unhandled = _is_main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL

    def stop(*_: object) -> None:
        raise SystemExit(143)

    if unhandled:
        signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        if unhandled:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


class Deferral:
    """A context at whose end a signal's handler is called, whichever it is, instead of when the signal arrives.

    A second signal ends the wait of the first one: what that waits for takes long. Outside the main thread, where no
    handler is called, the context does nothing.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._is_active = False
        self._handlers = ExitStack()

    def __enter__(self) -> None:
        self._is_active = True
        if not _is_main_thread():
            return
        with ExitStack() as handlers:  # puts all of them back if one is called meanwhile
            for number in SIGNALS:
                if callable(handler := signal.getsignal(number)):
                    handlers.callback(signal.signal, number, handler)
                    signal.signal(number, self._receive)
            self._handlers = handlers.pop_all()

    def __exit__(self, *_: object) -> None:
        self._is_active = False
        self._handlers.close()
        self._deliver()

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Have handlers called at once, and that of a signal that waits at the start; outside the context as ever."""
        if not self._is_active:
            yield
            return
        self.__exit__()
        try:
            yield
        finally:
            self.__enter__()

    def _receive(self, number: int, _: FrameType | None) -> None:
        if self.received is not None:
            self._handlers.close()
            self._deliver()
        self.received = number

    def _deliver(self) -> None:
        number, self.received = self.received, None
        if number is not None:
            signal.raise_signal(number)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
