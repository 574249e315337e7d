"""Log lines on standard output."""

import logging
import os
import re
import sys

METRIC_LOGGER = "trialmaker.metrics"  # the logger of metric lines, the only ones that keep "accuracy" before a blank


class Console(logging.StreamHandler):  # type: ignore[type-arg]
    """Log lines on standard output. When its reader has gone (``| head``), the training goes on in silence."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)

    def format(self, record: logging.LogRecord) -> str:
        """What is no progress must not look like it: the platform searches all lines for "accuracy", blank, number."""
        text = super().format(record)
        return text if record.name == METRIC_LOGGER else re.sub(r"accuracy(?=\s)", "accuracy\N{MIDDLE DOT}", text)

    def handleError(self, record: logging.LogRecord) -> None:
        if isinstance(sys.exc_info()[1], BrokenPipeError):
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, sys.stdout.fileno())
            os.close(silence)
        else:
            super().handleError(record)
