"""The handler of log lines on standard output."""

import logging
import re
import sys

METRIC_LOGGER = "trialmaker.metrics"  # the logger of metric lines, the only ones that keep "accuracy" before a blank
FILE_LOGGER = "trialmaker.file"  # the logger of lines for the log file alone


class Console(logging.StreamHandler):  # type: ignore[type-arg]
    """A handler that writes to standard output."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is written here."""
        return record.name != FILE_LOGGER and bool(super().filter(record))

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without "accuracy" before white space unless it is a metric line.

        The platform searches all lines for "accuracy", blank, number, and would read a metric out of others.
        """
        text = super().format(record)
        return text if record.name == METRIC_LOGGER else re.sub(r"accuracy(?=\s)", "accuracy\N{MIDDLE DOT}", text)
