"""The process of one instance of a job, and requests to stop the job."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from trialmaker.platform.emulator import workspace

LEFTOVER_SECONDS = 10.0  # for the children of a job's process, after its own end


class JobProcess:
    """The training process of one instance, and its output.

    Args:
        python: the interpreter.
        arguments: the command line after ``train.py``.
        root: the instance's ``AI_ROOT``, with the code in ``src/``.
        kept: where its output lies in the end, which the printed lines name in place of the output in the root.
        prefix: of the printed lines, which tells the instances of a job apart.

    Attributes:
        log: the lines of standard output and standard error so far; they are also printed.
    """

    def __init__(self, python: Path, arguments: Sequence[str], root: Path, kept: Path, prefix: str = "") -> None:
        self.output, self.kept, self.prefix = str(root / "output"), str(kept), prefix
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
            start_new_session=True,  # Ctrl-C asks the emulator to stop the job: SIGTERM, as from the platform
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    @property
    def is_running(self) -> bool:
        """Return whether the process has not ended."""
        return self.process.poll() is None

    @property
    def exit_code(self) -> int:
        """Wait for the end of the process; return its exit code, or minus the number of the signal that killed it."""
        return self.process.wait()

    def send(self, number: int) -> None:
        """Send a signal to the process and its children."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def end_leftovers(self) -> None:
        """Kill the process if it runs, and its children ``LEFTOVER_SECONDS`` after its end; read the log to its end."""
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while not self.is_running and self._has_group() and time.monotonic() < deadline:
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
                    self.log.append(line.rstrip("\n").replace(self.output, self.kept))
                    shown = f"{self.prefix}{self.log[-1]}\n"
                    with suppress(OSError):  # standard output is closed; the training continues
                        print(shown, end="", flush=True)  # one write, since instances print at the same time


class StopRequests:
    """A context in which SIGINT (Ctrl-C), SIGTERM and SIGHUP (a closed terminal) are counted."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> "StopRequests":
        is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # as by ``nohup``
        numbers = (signal.SIGINT, signal.SIGTERM, *(() if is_ignored else (signal.SIGHUP,)))
        self.previous = {number: signal.signal(number, self._count) for number in numbers}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        """Return whether there is a request."""
        return self.count > 0

    def _count(self, *_: object) -> None:
        self.count += 1
