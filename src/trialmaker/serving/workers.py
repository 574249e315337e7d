"""One process or several on one socket."""

import os
import resource
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from trialmaker.errors import UserError
from trialmaker.serving import settings as settings_
from trialmaker.serving import versions
from trialmaker.serving.settings import Settings

SIGNALS = (signal.SIGTERM, signal.SIGINT)
MOST_DEATHS = 100  # of workers, until the service gives up
PAUSE_SECONDS = 1.0  # before a worker that died is replaced


def main(argv: Sequence[str] | None = None) -> int:
    """``predict.py``.

    Returns:
        the exit code: 0 after SIGTERM or Ctrl-C; 2 for the person's mistake.
    """
    for number in SIGNALS:
        signal.signal(number, _leave)
    try:
        settings = settings_.read(argv)
        versions.find(settings.model_dir)  # before a port is taken
        listening = _listen(settings)
    except UserError as error:
        for mistake in error.mistakes:
            print(f"predict.py: error: {mistake}", file=sys.stderr)
        return error.exit_code
    _allow_many_connections()
    with listening:
        if settings.workers > 1:
            return _Workers(settings, listening).run()
        return _serve(settings, listening, greets=True, complain=_complain)


def _allow_many_connections() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _listen(settings: Settings) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listening = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
        listening.set_inheritable(True)
    except (OSError, OverflowError) as error:
        place = f"--host {settings.host} --port {settings.port}"
        raise UserError(f"{place}: cannot listen there: {error}; another process may, so choose another port") from None
    return listening


def _serve(settings: Settings, listening: socket.socket, *, greets: bool, complain: Callable[[str], None]) -> int:
    from trialmaker.serving import server  # after the fork, since it starts threads

    return server.run(settings, listening, greets=greets, complain=complain)


def _complain(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _leave(*_: object) -> None:
    """A signal before the server handles them."""
    raise SystemExit(0)


def _end_with(parent: int) -> None:
    """A worker whose first process is gone, however it went, ends in order."""
    while os.getppid() == parent:
        time.sleep(PAUSE_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


class _Workers:
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
                signal.signal(one, _leave)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
            code = _serve(self.settings, self.listening, greets=number == 0, complain=self._complain_once)
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
            _complain(text)

    def _watch(self) -> int:
        worst = 0
        while self.processes:
            process, status = os.wait()
            number, code = self.processes.pop(process), os.waitstatus_to_exitcode(status)
            if self.is_ending:
                continue
            self.deaths += 1
            if code == 2 or self.deaths > MOST_DEATHS:  # the model cannot be loaded, or something else is wrong
                worst = 2 if code == 2 else 1
                self._end()
            else:
                _complain(f"predict.py: worker {number} ended with {code}; another takes its place")
                time.sleep(PAUSE_SECONDS)
                self._start(number)
        return worst

    def _end(self, *_: object) -> None:
        self.is_ending = True
        self.listening.close()  # else callers would queue where nobody listens any more
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
