"""The end of what a process has started, when that process is gone: SIGKILL lets it do nothing itself.

The watchdog's process runs this file alone, without the project and Python's site: it is there within milliseconds.
"""

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SCAN_SECONDS = 0.05
PARENT_SECONDS = 1.0  # between two looks at the parent
CLEAR_SCANS = 4  # in a row without such a process: one that is being started has its environment by then
UNKILLABLE_SECONDS = 60.0  # for processes that not even SIGKILL ends, such as on a disk that hangs


@functools.cache
def stop_with_parent(parent: int) -> None:
    """Have this process receive SIGTERM once its parent is gone, however that ended.

    Args:
        parent: the process that started this one, as that one knows itself: it may be gone by now.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


class Watchdog:
    """A context in which the processes that are started have an end when this process has one.

    They are known by their environment, which their own children inherit, whatever session they are in.

    Args:
        variable: how an entry of that environment begins, such as "AI_ROOT=/tmp/x/"; nobody else may have it.
        grace_seconds: between SIGTERM and SIGKILL; 0 for SIGKILL at once.
        is_final: whether the end of the context ends them too.
    """

    def __init__(self, variable: str, *, grace_seconds: float = 0.0, is_final: bool = True) -> None:
        self.is_final = is_final
        self.command = [sys.executable, "-I", "-S", __file__, variable, str(grace_seconds)]

    def __enter__(self) -> None:
        self.process = subprocess.Popen(
            self.command,
            cwd="/",
            stdin=subprocess.PIPE,  # whose end it waits for
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # signals from a terminal are for the others
        )

    def __exit__(self, *_: object) -> None:
        if not self.is_final:
            self.process.kill()
        if self.process.stdin:
            self.process.stdin.close()
        self.process.wait()


def end_processes(variable: bytes, grace_seconds: float) -> None:
    """End the processes with a variable, until there are none."""
    start = time.monotonic()
    if grace_seconds:
        _signal_all(variable, signal.SIGTERM)
    scans = 0
    while scans < CLEAR_SCANS and time.monotonic() - start < grace_seconds + UNKILLABLE_SECONDS:
        is_over = time.monotonic() - start >= grace_seconds
        scans = 0 if _signal_all(variable, signal.SIGKILL if is_over else 0) else scans + 1
        time.sleep(SCAN_SECONDS)


def _signal_all(variable: bytes, number: int) -> int:
    """Send a signal, or none for 0; return to how many processes."""
    count = 0
    for process_id in _holders(variable):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process_id, number)
            count += 1
    return count


def _holders(variable: bytes) -> Iterator[int]:
    """Yield the processes with the variable; one that has ended and waits to be noticed has no environment."""
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if any(entry.startswith(variable) for entry in environment.read_bytes().split(b"\0")):
                yield int(environment.parent.name)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    end_processes(os.fsencode(sys.argv[1]), float(sys.argv[2]))
