"""Real commands that a test kills, and what of theirs runs on: it names the test's folder in its environment."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def processes_of(place: Path) -> list[int]:
    """Return the processes, but for this one, that have a path in their environment or on their command line."""
    numbers = (int(path.name) for path in Path("/proc").glob("[0-9]*"))
    return [one for one in numbers if one != os.getpid() and os.fsencode(place) in _words(one)]


def _words(process_id: int) -> bytes:
    with suppress(OSError):  # it has just ended
        return b"".join(Path(f"/proc/{process_id}/{name}").read_bytes() for name in ("environ", "cmdline"))
    return b""


@contextmanager
def command(place: Path, *words: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """Run ``python WORDS`` in a session of its own, with the test's folder in its environment; kill what is left."""
    process = subprocess.Popen(
        [sys.executable, *words],
        env=os.environ | {"TRIALMAKER_TESTED_IN": str(place)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for process_id in {process.pid, *processes_of(place)}:
            with suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()
