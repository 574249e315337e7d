"""What reaches a terminal of a text that holds control characters."""

import io
import subprocess
import sys

import pytest

from support.entry import PROJECT
from trialmaker.platform.printable_stream import PrintableStream, data_output


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("基线 · lr=0.01\n\ta line\n", "基线 · lr=0.01\n\ta line\n"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("back\rover\b\x7f", r"back\rover\x08\x7f"),
        ("\x9b2J\u202eevil\u2028", r"\x9b2J\u202eevil\u2028"),
        ("\udc80", r"\udc80"),  # of a file name that is no UTF-8
    ],
)
def test_what_is_written(text: str, written: str) -> None:
    stream = io.StringIO()
    assert PrintableStream(stream).write(text) == len(text)
    assert stream.getvalue() == written


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "written"), [(io.StringIO(), "\x1b"), (Terminal(), r"\x1b")])
def test_csv_is_unchanged_but_on_a_terminal(stream: io.StringIO, written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", PrintableStream(stream))
    print("\x1b", end="", file=data_output())
    assert stream.getvalue() == written


def test_commands_print_through_it() -> None:
    """A message on standard error and a line on standard output, each with a name that a person or a file gave."""
    done = subprocess.run(
        [sys.executable, "-m", "trialmaker", "best", "a\x1b[2J"], cwd=PROJECT, capture_output=True, text=True
    )
    assert done.returncode == 2 and r"a\x1b[2J: there is no study" in done.stderr and "\x1b" not in done.stderr
