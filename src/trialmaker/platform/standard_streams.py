"""Standard output and standard error that may be closed, full or without a reader."""

import errno
import io
import os
import sys
from collections.abc import Callable
from typing import Any


def open_closed() -> None:
    """Connect each standard stream that is closed (``>&-``) to ``/dev/null``.

    Else the next files that the process opens get these numbers, and whatever is printed goes into them.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, which is this one
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def guard() -> None:
    """Let a training go on when a standard stream can't be written to: a line on standard error says so, once."""
    open_closed()
    sys.stdout = _guarded(sys.stdout, 1, _report)
    sys.stderr = _guarded(sys.stderr, 2, lambda _: None)


def _report(error: OSError) -> None:
    if error.errno != errno.EPIPE:  # whose reader has seen enough, as in "| head"
        print(f"train.py: standard output: {error.strerror}; train.log in the run's directory goes on", file=sys.stderr)


def _guarded(stream: Any, number: int, report: Callable[[OSError], None]) -> io.TextIOWrapper:
    """Return a text stream on a descriptor that becomes ``/dev/null`` when it can't be written to."""
    return io.TextIOWrapper(
        io.BufferedWriter(_GuardedFile(number, report)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
    )


class _GuardedFile(io.FileIO):
    """A raw file on an open descriptor. The first error of writing is reported; from then on all is dropped."""

    def __init__(self, number: int, report: Callable[[OSError], None]) -> None:
        super().__init__(number, "w", closefd=False)
        self.report = report

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            null_device = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null_device, self.fileno())
            os.close(null_device)
            self.report(error)
            return memoryview(data).nbytes
