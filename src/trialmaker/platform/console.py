"""The handler of log lines on standard output."""

import logging
import re
import sys

METRIC_LOGGER = "trialmaker.metrics"  # the logger of metric lines, the only ones that keep "accuracy" before a blank


class Console(logging.StreamHandler):  # type: ignore[type-arg]
    """A handler that writes to standard output."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without "accuracy" before white space unless it is a metric line.

        The platform searches all lines for "accuracy", blank, number, and would read a metric out of others.
        """
        text = super().format(record)
        return text if record.name == METRIC_LOGGER else re.sub(r"accuracy(?=\s)", "accuracy\N{MIDDLE DOT}", text)
