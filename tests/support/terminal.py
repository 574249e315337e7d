"""Commands on a terminal of 80 columns and 24 lines, and what is seen there."""

import os
import pty
import re
import subprocess
import termios
from collections.abc import Callable, Mapping, Sequence

from support.entry import PROJECT
from support.waiting import HANG_SECONDS

COLUMNS, LINES = 80, 24
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # colours, and movements of the cursor


def run_on_terminal(
    command: Sequence[str],
    environment: Mapping[str, str],
    on_output: Callable[[subprocess.Popen[bytes], str], None] = lambda *_: None,
) -> tuple[int, str]:
    """Run a command on a terminal of its own; return its exit code, and all that it wrote there.

    ``on_output`` is called with the process and with all that it has written so far.
    """
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (LINES, COLUMNS))
    variables = {"TERM": "xterm-256color", **environment}
    process = subprocess.Popen(
        command, cwd=PROJECT, env=os.environ | variables, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    seen = b""
    try:
        while part := os.read(ours, 65536):
            seen += part
            on_output(process, seen.decode(errors="replace"))
    except OSError:  # how a pseudo-terminal says that the other side is closed
        pass
    os.close(ours)
    return process.wait(timeout=HANG_SECONDS), seen.decode()
