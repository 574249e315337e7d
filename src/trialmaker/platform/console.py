"""The handler of log lines on standard output."""

import logging
import re
import sys
from collections.abc import Callable
from typing import Any

from trialmaker.errors import printable
from trialmaker.platform.printable_stream import printable_lines
from trialmaker.platform.progress_bar import above_bars

METRIC_LOGGER = "trialmaker.metrics"  # the logger of metric lines, the only ones that keep "accuracy" before a blank
FILE_LOGGER = "trialmaker.file"  # the logger of lines for the log file alone


def on_terminal(text: str) -> dict[str, str]:
    """Return the ``extra`` of a log record with another text on a terminal: a shorter one, or "" for none there."""
    return {"on_terminal": text}


def printable_record(record: logging.LogRecord, form: Callable[[logging.LogRecord], str]) -> str:
    """Return a record's text without control characters: names of classes and files may hold some.

    Args:
        record: the record; its message is one line.
        form: formats a record; the lines of a traceback follow the message.
    """
    message = record.getMessage()
    if not message.isprintable():
        text = printable(message.replace("\t", "    "))  # Hydra indents the jobs of a multirun by a tab
        record = logging.makeLogRecord({**vars(record), "msg": text, "args": ()})
    return printable_lines(form(record))


class Console(logging.StreamHandler):  # type: ignore[type-arg]
    """A handler that writes to standard output as it is at the time, above the bars of a terminal."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        """Return standard output, which a live table replaces while it is there."""
        return sys.stdout

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record's line, unless it is for files alone."""
        if sys.stdout.isatty() and getattr(record, "on_terminal", None) == "":
            return
        with above_bars():
            super().emit(record)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is written here."""
        return record.name != FILE_LOGGER and bool(super().filter(record))

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without "accuracy" before white space unless it is a metric line or on a terminal.

        The platform searches all lines for "accuracy", blank, number, and would read a metric out of others.
        """
        text = printable_record(record, super().format)
        if sys.stdout.isatty():
            return printable_lines(str(getattr(record, "on_terminal", text)))
        return text if record.name == METRIC_LOGGER else re.sub(r"accuracy(?=\s)", "accuracy\N{MIDDLE DOT}", text)
