"""The connection to the tracking process, which is started, and started again when it dies. It imports no MLflow."""

import atexit
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from trialmaker.platform import paths
from trialmaker.platform.child_environment import child_environment
from trialmaker.platform.redaction import without_password
from trialmaker.tracking.places import LOG_FILE, RunPlace
from trialmaker.tracking.progress import Progress, RunProgress
from trialmaker.tracking.settings import RUN_VARIABLES, STORE_FILE

log = logging.getLogger(__name__)
# -P: a module in the current directory would be taken for one of Python's own
PROCESS = ("-P", "-m", "trialmaker.tracking.process")
MAX_DEATHS = 5  # of tracking processes in a row, each within QUICK_DEATH_SECONDS of its start
QUICK_DEATH_SECONDS = 30.0
CLOSE_SECONDS = 60.0  # for what trials have left to deliver, when the training process ends


class Connection:
    """A tracking process and its replies. MLflow's import takes it seconds, so it serves many runs, in turn.

    A process that dies is replaced at once; the new one goes on with the runs that are not delivered, since what they
    have to say lies in their journals.

    Args:
        log_file: where the process writes what is not a reply, until its first run names a file of its own.
    """

    def __init__(self, log_file: Path) -> None:
        self.progress = Progress()
        self.stores: set[str] = set()  # the tracking URIs of its runs
        self.accepted: set[tuple[str, str]] = set()  # (tracking URI, experiment) of runs that their store has taken
        self.is_open = True
        self._log_file = log_file
        self._deaths = 0
        self._lock = threading.Lock()  # of what is said to the process, and which one that is
        self._is_away = False
        self.process = self._start()
        self._reader = threading.Thread(target=self._read_all, daemon=True)
        self._reader.start()
        atexit.register(self.close)

    def follow(self, place: RunPlace, run_id: str = "") -> RunProgress:
        """Have a run's journal delivered, from now until its end.

        Args:
            place: of the journal.
            run_id: MLflow's id of the run, if it is known.
        """
        with self._lock:
            self.stores.add(place.store)
            run = self.progress.begin_run(place, run_id)
            self._tell(place)
            return run

    @property
    def is_alive(self) -> bool:
        """Return whether the connection can serve another run."""
        return self.is_open

    def close(self) -> None:
        """Wait until the process has delivered what its runs have left, unless that was given up; then it has ended.

        Calls after the first do nothing.
        """
        with self._lock:
            if not self.is_open:
                return
            self.is_open = False
            atexit.unregister(self.close)
            if any(run.is_given_up or run.away for run in self.progress.undelivered()):
                self.process.kill()
            if self.process.stdin:
                with suppress(BrokenPipeError):
                    self.process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(CLOSE_SECONDS)
        self.process.kill()
        self.process.wait()
        self._reader.join()

    def _start(self) -> "subprocess.Popen[bytes]":
        self._started = time.monotonic()
        return _start_process(self._log_file)

    def _tell(self, place: RunPlace) -> None:
        if self.process.stdin:
            with suppress(BrokenPipeError):  # it has just died; the next one is told
                self.process.stdin.write(place.to_line())
                self.process.stdin.flush()

    def _read_all(self) -> None:
        """Take the replies of the process, and of those that follow it."""
        while True:
            process = self.process
            has_bug = False
            if process.stdout:
                with process.stdout:
                    for line in process.stdout:
                        reply = self.progress.accept(line)
                        has_bug = has_bug or "bug" in reply
                        self._log_outage(reply)
            process.wait()
            with self._lock:
                if process.stdin:
                    with suppress(BrokenPipeError):
                        process.stdin.close()
                if not self.is_open:
                    return
                if has_bug or not self._may_replace():
                    self.is_open = False
                    atexit.unregister(self.close)
                    self._give_up(has_bug)
                    return
                self._replace(process)

    def _may_replace(self) -> bool:
        """Count the death of a process; return whether another one may do better."""
        is_quick = time.monotonic() - self._started < QUICK_DEATH_SECONDS
        self._deaths = self._deaths + 1 if is_quick else 1
        return self._deaths < MAX_DEATHS

    def _replace(self, dead: "subprocess.Popen[bytes]") -> None:
        runs = self.progress.undelivered()
        log.warning(f"the tracking process ended ({_cause(dead.returncode)}); another one goes on where it was")
        self.process = self._start()
        for run in runs:
            self._tell(run.place)

    def _give_up(self, has_bug: bool) -> None:
        reason = f"the tracking process cannot go on; see {self._latest_log()}"
        self.progress.end_all(reason)
        if not has_bug:
            log.warning(f"{reason}; the record is kept in the run's directory")

    def _latest_log(self) -> Path:
        runs = self.progress.undelivered()
        return runs[0].place.directory / LOG_FILE if runs else self._log_file

    def _log_outage(self, reply: dict[str, object]) -> None:
        """Say once that a store is away, and once that it is back; and what was done about one that cannot be used."""
        if "notice" in reply:
            log.warning(without_password(str(reply["notice"])))
        if "away" in reply and not self._is_away and self.is_open:
            reason = without_password(str(reply["away"]))
            log.warning(f"MLflow does not answer ({reason}); its record is kept in the run's directory until it does")
            self._is_away = True
        elif self._is_away and "back" in reply:
            log.info("MLflow answers again: it gets what was kept for it")
            self._is_away = False


class NoConnection:
    """What stands for a connection where journals are delivered from elsewhere: nothing is waited for."""

    def __init__(self) -> None:
        self.progress = Progress()
        self.accepted: set[tuple[str, str]] = set()

    def follow(self, place: RunPlace, run_id: str = "") -> RunProgress:
        """Return the progress of a run of which this process has nothing more to do."""
        run = RunProgress(place, run_id)
        run.is_done = True
        return run


_connections: list[Connection] = []  # empty, or the one of this process


def connect(place: RunPlace) -> Connection:
    """Return the connection to this process' tracking process.

    A new process is started if there is none, if it has ended, or if it holds open a store whose file was removed.
    """
    for connection in _connections:
        if place.store in connection.stores and not place.uri and not (place.output / STORE_FILE).exists():
            connection.close()
    alive = [connection for connection in _connections if connection.is_alive]
    _connections[:] = alive or [Connection(place.directory / LOG_FILE)]
    return _connections[0]


def _cause(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    return f"{name}, perhaps for want of memory" if name == "SIGKILL" else name


def _start_process(log_file: Path) -> "subprocess.Popen[bytes]":
    inherited = child_environment(without=RUN_VARIABLES)
    path = os.pathsep.join(filter(None, [str(paths.SOURCE), inherited.get("PYTHONPATH")]))
    with log_file.open("ab") as errors:
        return subprocess.Popen(
            [sys.executable, *PROCESS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=inherited | {"PYTHONPATH": path},
        )
