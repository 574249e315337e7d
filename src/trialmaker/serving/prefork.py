"""Several processes on one socket."""

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

from trialmaker.serving.settings import Settings

SIGNALS = (signal.SIGTERM, signal.SIGINT)
MAX_WORKER_DEATHS = 100  # of workers, until the service gives up
RESTART_SECONDS = 1.0  # before a worker that died is replaced


def serve(settings: Settings, listening: socket.socket, *, greets: bool, complain: Callable[[str], None]) -> int:
    from trialmaker.serving import server  # after the fork, since it starts threads

    return server.run(settings, listening, greets=greets, complain=complain)


def report_error(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def exit_at_once(*_: object) -> None:
    """A signal before the server handles them."""
    raise SystemExit(0)


def _exit_with_parent(parent: int) -> None:
    """A worker whose first process is gone, however it went, ends in order."""
    while os.getppid() == parent:
        time.sleep(RESTART_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


class WorkerPool:
    """Keeps so many processes alive, and ends them in order."""

    def __init__(self, settings: Settings, listening: socket.socket) -> None:
        self.settings, self.listening = settings, listening
        self.processes: dict[int, int] = {}  # their numbers, by process
        self.folder = Path(tempfile.mkdtemp(prefix="trialmaker-metrics-"))
        self.is_ending = False
        self.deaths = 0

    def run(self) -> int:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(self.folder)
        try:
            signal.signal(signal.SIGTERM, self._end)
            signal.signal(signal.SIGINT, self._end)
            for number in range(self.settings.workers):
                self._start(number)
            return self._watch()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, number: int) -> None:
        """Unless a signal has come; none may come between."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        if self.is_ending:
            pass
        elif process := os.fork():
            self.processes[process] = number
        else:
            self._work(number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _work(self, number: int) -> NoReturn:
        code = 1
        try:
            for one in SIGNALS:
                signal.signal(one, exit_at_once)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            threading.Thread(target=_exit_with_parent, args=(os.getppid(),), daemon=True).start()
            code = serve(self.settings, self.listening, greets=number == 0, complain=self._complain_once)
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)

    def _complain_once(self, text: str) -> None:
        """All workers have the same to say."""
        with suppress(FileExistsError):
            (self.folder / "said").touch(exist_ok=False)
            report_error(text)

    def _watch(self) -> int:
        worst = 0
        while self.processes:
            process, status = os.wait()
            number, code = self.processes.pop(process), os.waitstatus_to_exitcode(status)
            if self.is_ending:
                continue
            self.deaths += 1
            if code == 2 or self.deaths > MAX_WORKER_DEATHS:  # the model cannot be loaded, or something else is wrong
                worst = 2 if code == 2 else 1
                self._end()
            else:
                report_error(f"predict.py: worker {number} ended with {code}; another takes its place")
                time.sleep(RESTART_SECONDS)
                self._start(number)
        return worst

    def _end(self, *_: object) -> None:
        self.is_ending = True
        self.listening.close()  # else callers would queue where nobody listens any more
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
