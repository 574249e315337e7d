"""Standard output without the control characters that names, tags and messages from elsewhere may hold."""

import re
import sys
from typing import Any, TextIO

from trialmaker.errors import printable

LAYOUT = re.compile(r"([\n\t]+)")  # the only control characters that a command prints on purpose


class PrintableStream:
    r"""A text stream that writes each unprintable character, besides ``\n`` and ``\t``, as a Python escape.

    A name such as ``\x1b]0;…`` would otherwise move the cursor, retitle the terminal or type into it.

    Args:
        stream: the stream to write to.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write a text; return the number of its characters."""
        self.stream.write(printable_lines(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def printable_lines(text: str) -> str:
    """Return a text of lines, each as ``printable`` returns it."""
    return "".join(part if LAYOUT.match(part) else printable(part) for part in LAYOUT.split(text))


def data_output() -> TextIO:
    """Return the stream for CSV: standard output, with its characters unchanged unless a terminal would act on them."""
    stream = sys.stdout
    return stream.stream if isinstance(stream, PrintableStream) and not stream.isatty() else stream
