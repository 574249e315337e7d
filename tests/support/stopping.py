"""Signals to the process that runs the tests, in the midst of its own training."""

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def stopped_at(
    output: Path, text: str, number: signal.Signals = signal.SIGTERM
) -> contextlib.AbstractContextManager[None]:
    """Send this process a signal as soon as a log file of a run in an output that began inside has the text."""
    return stopped_in(output / "logs", text, number)


@contextlib.contextmanager
def stopped_in(folder: Path, text: str, number: signal.Signals = signal.SIGTERM) -> Iterator[None]:
    """The same, of a log file below a folder."""
    earlier, is_over, unsent = set(folder.glob("**/train.log")), threading.Event(), threading.Lock()
    make_record = logging.getLogRecordFactory()

    def send() -> None:
        if not is_over.is_set() and unsent.acquire(blocking=False):
            os.kill(os.getpid(), number)

    def make_record_and_send(*args: Any, **kwargs: Any) -> logging.LogRecord:
        """See a line of this process at once: a short training could be over before the watcher gets its turn."""
        record = make_record(*args, **kwargs)
        if text in record.getMessage():
            send()
        return record

    def watch() -> None:
        while not is_over.wait(0.005):
            for log in set(folder.glob("**/train.log")) - earlier:
                with contextlib.suppress(FileNotFoundError):  # it has just been moved
                    if text in log.read_text(errors="replace"):
                        send()
                        return

    thread = threading.Thread(target=watch)
    thread.start()
    logging.setLogRecordFactory(make_record_and_send)
    try:
        yield
    finally:
        logging.setLogRecordFactory(make_record)
        is_over.set()
        thread.join()
