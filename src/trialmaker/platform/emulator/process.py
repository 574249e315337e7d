"""The process of one instance of a rehearsed job, and requests to stop it."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from trialmaker.platform.emulator import workspace

LEFTOVER_SECONDS = 10.0  # for what a job's process started, after its own end


class JobProcess:
    """One instance: its log is printed, and kept."""

    def __init__(self, python: Path, arguments: Sequence[str], root: Path) -> None:
        self.log: list[str] = []
        self.process = subprocess.Popen(
            [python, "train.py", *arguments],
            cwd=root / "src",
            env=workspace.environment(root),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C is the person's "stop this job": SIGTERM, as from the platform
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    @property
    def code(self) -> int:
        return self.process.wait()

    def send(self, number: int) -> None:
        """To it and to all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def clear_away(self) -> None:
        """End what is left of it and of what it started, after a while, and read its last line."""
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while not self.runs and self._has_group() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.send(signal.SIGKILL)
        self.process.wait()
        self.reader.join(timeout=5)

    def _has_group(self) -> bool:
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def _read(self) -> None:
        if self.process.stdout:
            with self.process.stdout as lines:
                for line in lines:
                    self.log.append(line.rstrip("\n"))
                    with suppress(OSError):  # whoever read this has gone; the training goes on
                        print(self.log[-1], flush=True)


class StopRequests:
    """While entered, Ctrl-C, SIGTERM and the closing of the terminal are counted."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> "StopRequests":
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        self.previous = {number: signal.signal(number, self._add) for number in numbers}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        return self.count > 0

    def _add(self, *_: object) -> None:
        self.count += 1
