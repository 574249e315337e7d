"""Several worker processes on one socket."""

import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from trialmaker.serving import stop_signals
from trialmaker.serving.settings import Settings
from trialmaker.serving.stop_signals import STOP_SIGNALS

MAX_WORKER_DEATHS = 100  # until the service gives up
RESTART_SECONDS = 1.0  # before a worker that died is replaced


def serve(settings: Settings, listener: socket.socket, *, announce: bool, report_error: Callable[[str], None]) -> int:
    """Serve from this process until a signal comes; return the exit code. For the arguments see ``server.run``."""
    from trialmaker.serving import server  # after the fork, since it starts threads

    return server.run(settings, listener, announce=announce, report_error=report_error)


def report_error(text: str) -> None:
    """Print a line on standard error at once."""
    print(text, file=sys.stderr, flush=True)


def exit_at_once(*_: object) -> None:
    """Exit with 0: the handler of signals that come before the server handles them."""
    raise SystemExit(0)


def _stop_with_parent(parent: int) -> None:
    """Have this worker stop in order once its parent is gone, however that ended."""
    while os.getppid() == parent:
        time.sleep(RESTART_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


class WorkerPool:
    """A fixed number of worker processes, which are replaced when they die and stopped in order."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self.settings, self.listener = settings, listener
        self.workers: dict[int, int] = {}  # worker numbers, by process id
        self.folder = Path(tempfile.mkdtemp(prefix="trialmaker-metrics-"))
        self.is_stopping = False
        self.deaths = 0
        self.unloadable: set[int] = set()  # workers that could not load the model when they began last

    def run(self) -> int:
        """Start the workers, and replace those that die, until a signal comes.

        Returns:
            the exit code: 0; 2 when the model cannot be loaded; 1 when too many workers died.
        """
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(self.folder)
        try:
            for number in stop_signals.heeded():
                signal.signal(number, self._stop)
            for worker in range(self.settings.workers):
                self._start(worker)
            return self._watch()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, worker: int) -> None:
        """Fork a worker, unless a signal has come; none may come between the check and the fork."""
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        if self.is_stopping:
            pass
        elif process_id := os.fork():
            self.workers[process_id] = worker
        else:
            self._work(worker)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def _work(self, worker: int) -> NoReturn:
        """Serve from the forked process, and end it."""
        code, parent = 1, os.getppid()
        try:
            for number in stop_signals.heeded():
                signal.signal(number, exit_at_once)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
            threading.Thread(target=_stop_with_parent, args=(parent,), daemon=True).start()
            code = serve(self.settings, self.listener, announce=worker == 0, report_error=self._report_error_once)
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            if os.getppid() != parent:  # it was killed, and removes nothing any more
                shutil.rmtree(self.folder, ignore_errors=True)
            os._exit(code)

    def _report_error_once(self, text: str) -> None:
        """Report an error that all workers meet, from the first one that meets it."""
        with suppress(FileExistsError):
            (self.folder / "error-reported").touch(exist_ok=False)
            report_error(text)

    def _watch(self) -> int:
        """Replace workers that die until all have ended; return the exit code."""
        exit_code = 0
        while self.workers:
            process_id, status = os.wait()
            worker, code = self.workers.pop(process_id), os.waitstatus_to_exitcode(status)
            if self.is_stopping:
                continue
            if code == 2:  # the model cannot be loaded: perhaps a broken one has come, and the others go on
                self.unloadable.add(worker)
            else:
                self.unloadable.discard(worker)
                self.deaths += 1
                report_error(f"predict.py: worker {worker} ended with {code}; another takes its place")
            if len(self.unloadable) == self.settings.workers or self.deaths > MAX_WORKER_DEATHS:
                exit_code = 2 if code == 2 else 1
                self._stop()
                continue
            time.sleep(RESTART_SECONDS)
            self._start(worker)
        return exit_code

    def _stop(self, *_: object) -> None:
        """Stop all workers in order: also the handler of signals."""
        self.is_stopping = True
        self.listener.close()  # else callers would queue where nobody listens any more
        for process_id in self.workers:
            with suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGTERM)
