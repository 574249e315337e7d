"""A log that a flood of bad requests cannot fill, and whose lines no caller can forge."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from trialmaker.errors import printable, shorten

INTERVAL_SECONDS = 60.0
MAX_KINDS = 100  # that are counted apart
KIND_CHARACTERS = 80  # of a message whose texts differ only behind them


@contextmanager
def limited(write: Callable[[str], None], seconds: float = INTERVAL_SECONDS) -> Iterator[None]:
    """Write what is logged in the context; of each kind of line one in an interval, and how many more there were.

    Args:
        write: called with one line, or with an error's traceback.
        seconds: the interval.
    """
    handler = LimitedHandler(write, seconds)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()


class LimitedHandler(logging.Handler):
    """A handler that writes the first record of a kind, then counts until the interval is over.

    A kind is a logger, a level, a message without its arguments, and the type of an exception.
    """

    def __init__(self, write: Callable[[str], None], seconds: float) -> None:
        super().__init__()
        self.write, self.seconds = write, seconds
        self.counts: dict[str, int] = {}  # of records that were not written, by kind
        self.timers: set[threading.Timer] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or count it. The caller holds the handler's lock."""
        kind = _kind(record)
        if kind not in self.counts and len(self.counts) >= MAX_KINDS:
            kind = "other lines"
        if kind in self.counts:
            self.counts[kind] += 1
            return
        self._begin_interval(kind)
        self.write(_text(record))

    def close(self) -> None:
        """Write how many records were not."""
        with self._guard():
            for timer in self.timers:
                timer.cancel()
            for kind, count in self.counts.items():
                self._write_count(kind, count)
            self.counts.clear()
        super().close()

    def _begin_interval(self, kind: str) -> None:
        self.counts[kind] = 0
        timer = threading.Timer(self.seconds, lambda: self._end_interval(kind, timer))
        timer.daemon = True
        self.timers.add(timer)
        timer.start()

    def _end_interval(self, kind: str, timer: threading.Timer) -> None:
        with self._guard():
            self.timers.discard(timer)
            count = self.counts.pop(kind, 0)
            if count:
                self._write_count(kind, count)
                self._begin_interval(kind)

    def _write_count(self, kind: str, count: int) -> None:
        if count:
            self.write(f"predict.py: {count} more within {self.seconds:g} seconds: {kind}")

    @contextmanager
    def _guard(self) -> Iterator[None]:
        self.acquire()
        try:
            yield
        finally:
            self.release()


def _kind(record: logging.LogRecord) -> str:
    error = record.exc_info[0] if record.exc_info else None
    start = shorten(printable(str(record.msg).partition("\n")[0]), KIND_CHARACTERS)
    return f"{record.levelname.lower()}: {start}" + (f" ({error.__name__})" if error else "")


def _text(record: logging.LogRecord) -> str:
    """Return a record's message on one line, and the traceback of its error on others, in printable characters."""
    text = f"predict.py: {record.levelname.lower()}: {printable(record.getMessage())}"
    if record.exc_info:
        trace = logging.Formatter().formatException(record.exc_info)
        text += "".join(f"\n    {printable(line)}" for line in trace.splitlines())
    return text
