"""Signals to the process that runs the tests, in the midst of its own training."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path


def stopped_at(
    output: Path, text: str, number: signal.Signals = signal.SIGTERM
) -> contextlib.AbstractContextManager[None]:
    """Send this process a signal as soon as a log file of a run in an output that began inside has the text."""
    return stopped_in(output / "logs", text, number)


@contextlib.contextmanager
def stopped_in(folder: Path, text: str, number: signal.Signals = signal.SIGTERM) -> Iterator[None]:
    """The same, of a log file below a folder."""
    earlier, is_over = set(folder.glob("**/train.log")), threading.Event()

    def watch() -> None:
        while not is_over.wait(0.005):
            for log in set(folder.glob("**/train.log")) - earlier:
                if text in log.read_text():
                    os.kill(os.getpid(), number)
                    return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
