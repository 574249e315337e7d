"""One process or several on one socket."""

import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Sequence

from trialmaker.errors import UserError
from trialmaker.serving import settings as settings_
from trialmaker.serving import versions
from trialmaker.serving.settings import Settings

PAUSE_SECONDS = 1.0  # before a worker that died is replaced


def main(argv: Sequence[str] | None = None) -> int:
    """``predict.py``.

    Returns:
        the exit code: 0 after SIGTERM or Ctrl-C; 2 for the person's mistake.
    """
    try:
        settings = settings_.read(argv)
        versions.find(settings.model_dir)  # before a port is taken
        listening = _listen(settings)
    except UserError as error:
        for mistake in error.mistakes:
            print(f"predict.py: error: {mistake}", file=sys.stderr)
        return error.exit_code
    with listening:
        return _Workers(settings, listening).run() if settings.workers > 1 else _serve(settings, listening)


def _listen(settings: Settings) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listening = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
        listening.set_inheritable(True)
    except (OSError, OverflowError) as error:
        place = f"--host {settings.host} --port {settings.port}"
        raise UserError(f"{place}: cannot listen there: {error}; another process may, so choose another port") from None
    return listening


def _serve(settings: Settings, listening: socket.socket, *, is_first: bool = True) -> int:
    from trialmaker.serving import server  # after the fork, since it starts threads

    return server.run(settings, listening, is_first=is_first)


class _Workers:
    """Keeps so many processes alive, and ends them in order."""

    def __init__(self, settings: Settings, listening: socket.socket) -> None:
        self.settings, self.listening = settings, listening
        self.processes: dict[int, int] = {}  # their numbers, by process
        self.is_ending = False

    def run(self) -> int:
        folder = tempfile.mkdtemp(prefix="trialmaker-metrics-")
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        try:
            signal.signal(signal.SIGTERM, self._end)
            signal.signal(signal.SIGINT, self._end)
            for number in range(self.settings.workers):
                self._start(number)
            return self._watch()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _start(self, number: int) -> None:
        if process := os.fork():
            self.processes[process] = number
            return
        code = 1
        try:
            code = _serve(self.settings, self.listening, is_first=number == 0)
        finally:
            sys.stdout.flush()
            os._exit(code)

    def _watch(self) -> int:
        worst = 0
        while self.processes:
            process, status = os.wait()
            number, code = self.processes.pop(process), os.waitstatus_to_exitcode(status)
            if code == 2:  # the model cannot be loaded
                worst = 2
                self._end()
            elif not self.is_ending:
                print(f"predict.py: worker {number} ended with {code}; another takes its place", file=sys.stderr)
                time.sleep(PAUSE_SECONDS)
                self._start(number)
        return worst

    def _end(self, *_: object) -> None:
        self.is_ending = True
        for process in self.processes:
            os.kill(process, signal.SIGTERM)
