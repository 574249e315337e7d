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
    texts = {str(path): text for path, text in records.items()}
    words = [str(os.getpid()), str(seconds), json.dumps(dict(names)), json.dumps(texts)]
    command = [sys.executable, "-I", "-S", __file__, *words]
    pipe = subprocess.PIPE
    guard = subprocess.Popen(command, stdin=pipe, stderr=standard_error, cwd="/", start_new_session=True)
    try:
        yield
    finally:
        if guard.stdin:
            guard.stdin.close()
        guard.wait()


def guard_process(process_id: int, seconds: float, names: Mapping[str, str], records: Mapping[str, str]) -> None:
    """Wait for the end of standard input; kill the process if that does not come in time."""
    if select.select([sys.stdin], [], [], seconds)[0]:
        return
    silent = [name for address, name in names.items() if not answers(address)]
    who = f"{', '.join(silent)} cannot be reached" if silent else "an instance does not answer"
    line = f"{who}: TensorFlow has not connected the {len(names)} instances within {seconds:g} s; start the job again"
    with suppress(OSError):
        print(f"train.py: error: {line}", file=sys.stderr, flush=True)
    for path, text in records.items():
        with suppress(OSError):
            Path(path).write_text(text.replace(CAUSE, line), encoding="utf-8")
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
    guard_process(int(sys.argv[1]), float(sys.argv[2]), json.loads(sys.argv[3]), json.loads(sys.argv[4]))
