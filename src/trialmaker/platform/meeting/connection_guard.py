"""The end of a process that waits for other instances in a call that holds Python's lock: nothing in it can end it.

TensorFlow connects so, without an end, and without heed of signals. The guard's process runs this file alone.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

ANSWER_SECONDS = 2.0  # for an instance to accept a connection
CAUSE = "@cause@"  # in the texts of records, where the line goes


@contextmanager
def limited_connection(
    names: Mapping[str, str], seconds: float, records: Mapping[Path, str], *, standard_error: int = 2
) -> Iterator[None]:
    """Kill this process, with a line on standard error, if the block takes longer.

    Args:
        names: of the instances, by their addresses.
        seconds: for the block.
        records: the texts of files that are written then, with the line in place of ``CAUSE``.
        standard_error: the descriptor that gets the line.
    """
    given = [dict(names), {str(path): text for path, text in records.items()}]
    command = [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(seconds)]
    pipe = subprocess.PIPE
    guard = subprocess.Popen(command, stdin=pipe, stderr=standard_error, cwd="/", start_new_session=True)
    with guard:  # which closes standard input, and waits
        if guard.stdin:
            guard.stdin.write(json.dumps(given).encode() + b"\n")  # no word of the command: those are short
            guard.stdin.flush()
        yield


def guard_process(process_id: int, seconds: float) -> None:
    """Read names and records from standard input; kill the process if its end does not come in time."""
    given = FileIO(0)  # without a buffer, of which ``select`` would know nothing
    data = given.readline()
    if not data.endswith(b"\n"):
        return
    names, records = json.loads(data)
    if select.select([given], [], [], seconds)[0]:
        return
    silent = [name for address, name in names.items() if not answers(address)]
    who = f"{', '.join(silent)} cannot be reached" if silent else "an instance does not answer"
    line = f"{who}: TensorFlow has not connected the {len(names)} instances within {seconds:g} s; start the job again"
    with suppress(OSError, ValueError):
        print(f"train.py: error: {line}", file=sys.stderr, flush=True)
    for path, text in records.items():
        with suppress(OSError, ValueError):
            Path(path).write_text(text.replace(CAUSE, line), encoding="utf-8", errors="backslashreplace")
    os.kill(process_id, signal.SIGKILL)


def answers(address: str) -> bool:
    """Return whether a process accepts connections at an address."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True


if __name__ == "__main__":
    guard_process(int(sys.argv[1]), float(sys.argv[2]))
