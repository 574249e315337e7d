"""The connection to the tracking process, which it starts. Light: it imports no MLflow."""

import atexit
import os
import pickle
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from trialmaker.tracking.messages import Message, Start
from trialmaker.tracking.replies import Replies
from trialmaker.tracking.settings import RUN_VARIABLES, STORE_FILE

SOURCE_DIRECTORY = Path(__file__).resolve().parents[2]


class Connection:
    """A tracking process and the pipes to it. MLflow's import takes it seconds, so it serves many runs, in turn.

    Args:
        log: where the process writes what is not a reply, until its first run names a file of its own.
    """

    def __init__(self, log: Path) -> None:
        self.process = _start_process(log)
        assert self.process.stdin and self.process.stdout  # by PIPE
        self.replies = Replies(self.process.stdout, on_failure=self.close)
        self.stores: set[str] = set()  # the tracking URIs of its runs
        self.accepted: set[tuple[str, str]] = set()  # (tracking URI, experiment) of runs that their store has taken
        self.is_open = True
        self._outbox: queue.SimpleQueue[Message | threading.Event | None] = queue.SimpleQueue()
        self._sender = threading.Thread(target=self._send_all, daemon=True)
        self._sender.start()
        atexit.register(self.close)

    def send(self, message: Message) -> None:
        """Queue a message, without waiting for the process to read it."""
        self._outbox.put(message)

    def flush(self) -> None:
        """Wait until the pipe has all messages: they arrive even if this process is killed then."""
        written = threading.Event()
        self._outbox.put(written)
        while self._sender.is_alive() and not written.wait(0.1):
            pass

    @property
    def is_alive(self) -> bool:
        """Return whether the process can serve another run."""
        return self.is_open and self.process.poll() is None

    def close(self) -> None:
        """Send no more messages, and wait until the process has ended. Calls after the first do nothing."""
        if self.is_open:
            self.is_open = False
            atexit.unregister(self.close)
            self._outbox.put(None)
            self._sender.join()
            self.process.wait()
            if self.process.stdout:
                self.process.stdout.close()

    def _send_all(self) -> None:
        pipe = self.process.stdin
        if pipe is None:
            return
        try:
            while (message := self._outbox.get()) is not None:
                if isinstance(message, threading.Event):
                    message.set()
                else:
                    pickle.dump(message, pipe)
                    pipe.flush()
        except BrokenPipeError:
            pass  # the process has ended; its last reply, or its log, says why
        with suppress(BrokenPipeError):
            pipe.close()


_connections: list[Connection] = []  # empty, or the one of this process


def connect(start: Start) -> Connection:
    """Return the connection to this process' tracking process.

    A new process is started if there is none, if it has ended, or if it holds open a store whose file was removed.
    """
    for connection in _connections:
        if start.store in connection.stores and not start.uri and not (start.output / STORE_FILE).exists():
            connection.close()
    alive = [connection for connection in _connections if connection.is_alive]
    _connections[:] = alive or [Connection(start.run_directory / "tracking.log")]
    _connections[0].stores.add(start.store)
    return _connections[0]


def _start_process(log: Path) -> "subprocess.Popen[bytes]":
    path = os.pathsep.join(filter(None, [str(SOURCE_DIRECTORY), os.environ.get("PYTHONPATH")]))
    inherited = {name: value for name, value in os.environ.items() if name not in RUN_VARIABLES}
    with log.open("wb") as errors:
        return subprocess.Popen(
            # -P: a module in the current directory would be taken for one of Python's own
            [sys.executable, "-P", "-m", "trialmaker.tracking.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=inherited | {"PYTHONPATH": path},
        )
