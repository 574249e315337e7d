"""The end of a process that waits for other instances in a call that holds Python's lock: nothing in it can end it.

TensorFlow connects so, without an end, and without heed of signals. The guard's process runs this file alone.
"""

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


@contextmanager
def limited_connection(
    names: Mapping[str, str], seconds: float, failure: Path | None, *, standard_error: int = 2
) -> Iterator[None]:
    """Kill this process, with a line on standard error, if the block takes longer.

    Args:
        names: of the instances, by their addresses.
        seconds: for the block.
        failure: the file that gets the line too; None for none.
        standard_error: the descriptor that gets the line.
    """
    words = [word for pair in names.items() for word in pair]
    command = [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(seconds), str(failure or ""), *words]
    pipe = subprocess.PIPE
    guard = subprocess.Popen(command, stdin=pipe, stderr=standard_error, cwd="/", start_new_session=True)
    try:
        yield
    finally:
        if guard.stdin:
            guard.stdin.close()
        guard.wait()


def guard_process(process_id: int, seconds: float, failure: str, names: Mapping[str, str]) -> None:
    """Wait for the end of standard input; kill the process if that does not come in time."""
    if select.select([sys.stdin], [], [], seconds)[0]:
        return
    silent = [name for address, name in names.items() if not _answers(address)]
    who = f"{', '.join(silent)} cannot be reached" if silent else "an instance does not answer"
    line = f"{who}: TensorFlow has not connected the {len(names)} instances within {seconds:g} s; start the job again"
    with suppress(OSError):
        print(f"train.py: error: {line}", file=sys.stderr, flush=True)
    with suppress(OSError):
        if failure:
            Path(failure).write_text(f"{line}\n", encoding="utf-8")
    os.kill(process_id, signal.SIGKILL)


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True


if __name__ == "__main__":
    words = sys.argv[4:]
    pairs = dict(zip(words[::2], words[1::2], strict=True))
    guard_process(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], pairs)
