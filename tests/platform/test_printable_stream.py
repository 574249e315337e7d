"""What reaches a terminal of a text that holds control characters."""

import io
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from support.entry import PROJECT
from trialmaker.platform.console import Console, printable_record
from trialmaker.platform.log_file import LogFile
from trialmaker.platform.printable_stream import PrintableStream, data_output


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("基线 · lr=0.01\n\ta line\n", "基线 · lr=0.01\n\ta line\n"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("back\rover\b\x7f", r"back\rover\x08\x7f"),
        ("\x9b2J\u202eevil\u2028", r"\x9b2J\u202eevil\u2028"),
        ("👩\u200d👩\u200d👧 ✈\ufe0f 中文", "👩\u200d👩\u200d👧 ✈\ufe0f 中文"),  # a family
        ("pay\u200dpal \u2066x\u2069\u061c\ufeff", r"pay\u200dpal \u2066x\u2069\u061c\ufeff"),
        ("\udc80", r"\udc80"),  # of a file name that is no UTF-8
    ],
)
def test_what_is_written(text: str, written: str) -> None:
    stream = io.StringIO()
    assert PrintableStream(stream).write(text) == len(text)
    assert stream.getvalue() == written


def test_log_lines_are_lines_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name in a message can neither act on the terminal nor make a line of its own; a traceback has lines."""
    log, file = logging.Logger("names"), LogFile(tmp_path / "train.log")
    log.handlers = [Console(), file]
    log.info("class %s", "a\x1b[2J\nstep 1, training accuracy=1.0\r基线")
    try:
        raise ValueError("b\x1b")
    except ValueError:
        log.exception("it broke")
    file.close()
    for text in (capsys.readouterr().out, (tmp_path / "train.log").read_text()):
        lines = text.splitlines()
        assert lines[0] == r"class a\x1b[2J\nstep 1, training accuracy=1.0\r基线"
        assert lines[1] == "it broke" and lines[-1] == r"ValueError: b\x1b" and len(lines) > 3


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


def test_a_log_line_is_indented_by_blanks() -> None:
    record = logging.makeLogRecord({"msg": "\t#%d : name=\x1b", "args": (0,)})
    assert printable_record(record, logging.Formatter().format) == r"    #0 : name=\x1b"
