"""The handler of log lines on standard output."""

import logging
import os
import re
import sys

METRIC_LOGGER = "trialmaker.metrics"  # the logger of metric lines, the only ones that keep "accuracy" before a blank


class Console(logging.StreamHandler):  # type: ignore[type-arg]
    """A handler that writes to standard output, and drops all lines once its reader has gone (``| head``)."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without "accuracy" before white space unless it is a metric line.

        The platform searches all lines for "accuracy", blank, number, and would read a metric out of others.
        """
        text = super().format(record)
        return text if record.name == METRIC_LOGGER else re.sub(r"accuracy(?=\s)", "accuracy\N{MIDDLE DOT}", text)

    def handleError(self, record: logging.LogRecord) -> None:
        """Redirect standard output to ``/dev/null`` on a broken pipe, so that the training continues."""
        if isinstance(sys.exc_info()[1], BrokenPipeError):
            null_device = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null_device, sys.stdout.fileno())
            os.close(null_device)
        else:
            super().handleError(record)
