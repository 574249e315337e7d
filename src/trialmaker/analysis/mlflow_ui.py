"""MLflow's UI over a merged store, and the addresses of its pages.

The server's settings and the addresses of pages are those of MLflow 3.17.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from urllib.parse import quote

import psutil

from trialmaker.analysis.store.runs import Run
from trialmaker.errors import UserError
from trialmaker.platform.child_environment import child_environment
from trialmaker.platform.watchdog import Watchdog
from trialmaker.tracking.run_list import RunListView, curves_address, list_address
from trialmaker.tracking.settings import STORE_FILE

HOST = "127.0.0.1"
FIRST_PORT, LAST_PORT = 5000, 5099
MAX_COMPARED_RUNS = 10  # on one page
START_TIMEOUT_SECONDS = 120.0
STOP_TIMEOUT_SECONDS = 5.0
LOG_TAIL_CHARACTERS = 2000
SERVER_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "PYTHONSAFEPATH": "1",
}
SERVER_VARIABLE = "TRIALMAKER_UI"  # by which the watchdog knows the server and its workers
EXIT_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
DIRECT_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy cannot reach this machine


def select_for_comparison(runs: Sequence[Run]) -> list[Run]:
    """Return at most 10 runs to compare at first, best first: each output's best, or the best of a single output.

    Args:
        runs: runs of one experiment and objective.
    """
    ranked = sorted((run for run in runs if run.best is not None and not run.is_study), key=lambda run: run.rank)
    best_by_output = {run.output: run for run in reversed(ranked)}
    candidates = list(best_by_output.values()) if len(best_by_output) > 1 else ranked
    return sorted(candidates, key=lambda run: run.rank)[:MAX_COMPARED_RUNS]


def home_url(port: int) -> str:
    """Return the address of the list of experiments, on the side of the UI that is for the training of models."""
    return f"http://{HOST}:{port}/#/experiments?workflowType=machine_learning"


def comparison_url(port: int, runs: Sequence[Run]) -> str:
    """Return the address of the page that compares runs."""
    ids = _quoted([run.run_id for run in runs])
    experiments = _quoted(sorted({str(run.experiment_id) for run in runs}))
    return f"http://{HOST}:{port}/#/compare-runs?runs={ids}&experiments={experiments}&workflowType=machine_learning"


def _quoted(values: Sequence[str]) -> str:
    return quote(json.dumps(values, separators=(",", ":")), safe=",")


def view_keys(runs: Sequence[Run]) -> dict[str, str]:
    """Return the key of the view of each objective of an experiment's runs, that of most runs first."""
    return RunListView(run.params for run in runs).keys()


def list_url(port: int, runs: Sequence[Run], view: str | None = None) -> str:
    """Return the address of the list of an experiment's runs, in a view or in that of most runs' objective."""
    view = view or next(iter(view_keys(runs).values()), None)
    return f"http://{HOST}:{port}/{list_address(runs[0].experiment_id, view)}"


def curves_url(port: int, runs: Sequence[Run], view: str) -> str:
    """Return the address of the curves of the best ten runs of an experiment, in a view."""
    return f"http://{HOST}:{port}/{curves_address(runs[0].experiment_id, view)}"


def open_in_browser(url: str) -> None:
    """Open an address in the person's browser, from a terminal of a desktop: not from a script, a job or over ssh."""
    is_remote = "SSH_CONNECTION" in os.environ
    has_desktop = sys.platform != "linux" or bool({"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys())
    if sys.stdout.isatty() and has_desktop and not is_remote:
        with suppress(webbrowser.Error):
            webbrowser.open(url)


def free_port(port: int | None) -> int:
    """Return ``port`` if it can be listened on; without one, the first free port from 5000 to 5099.

    Raises:
        UserError: the port is in use, or not in the range of ports.
    """
    if port is not None and not 1 <= port <= 65535:
        raise UserError(f"--port {port}: must be 1 to 65535")
    reason = ""
    for candidate in [port] if port else range(FIRST_PORT, LAST_PORT + 1):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, candidate))
                return candidate
            except OSError as error:
                reason = str(error.strerror).lower()
    ports = f"--port {port}" if port else f"ports {FIRST_PORT} to {LAST_PORT}"
    raise UserError(f"{ports}: cannot be listened on: {reason}; --port N names another")


class PortTakenError(Exception):
    """A port that another program began to listen on before the server did."""


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """Exit the process normally on a signal: with 0 on SIGINT, the usual end of a server, else with 128 + its number.

    SIGHUP that is ignored, as by ``nohup``, stays so. The former handlers are restored at the end of the
    context.
    """
    is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    heeded = [number for number in EXIT_SIGNALS if not (is_ignored and number == signal.SIGHUP)]
    handlers = {number: signal.signal(number, _exit) for number in heeded}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _exit(number: int, _: FrameType | None) -> None:
    sys.exit(0 if number == signal.SIGINT else 128 + number)


class Server:
    """MLflow's server on a merged store, which runs until the end of the context.

    Its log is ``server.log`` beside the store.

    Args:
        store: the folder of the merged store.
        port: the port to listen on.
    """

    def __init__(self, store: Path, port: int) -> None:
        self.store, self.log, self.port = store, store / "server.log", port
        command = [sys.executable, "-P", "-m", "mlflow", "server"]
        command += ["--backend-store-uri", f"sqlite:///{store / STORE_FILE}"]
        command += ["--artifacts-destination", str(store / "mlartifacts"), "--host", HOST, "--port", str(port)]
        token = secrets.token_hex(8)
        own = {SERVER_VARIABLE: token, "TMPDIR": tempfile.gettempdir()}
        self.watchdog = Watchdog(f"{SERVER_VARIABLE}={token}")
        self.watchdog.__enter__()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--workers", "1"],
                cwd=store,
                env=child_environment(without=("MLFLOW_",)) | SERVER_ENVIRONMENT | own,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        handlers = {number: signal.signal(number, signal.SIG_IGN) for number in EXIT_SIGNALS}  # a second Ctrl-C
        for stop_signal in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, stop_signal)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=STOP_TIMEOUT_SECONDS)
        self.watchdog.__exit__()
        for number, handler in handlers.items():
            signal.signal(number, handler)

    def wait_until_ready(self) -> None:
        """Wait until the server answers, which takes MLflow some seconds.

        Raises:
            PortTakenError: the server ended because another program listens on its port.
            RuntimeError: the server ended, or does not answer within 120 seconds.
        """
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            with suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                DIRECT_OPENER.open(f"http://{HOST}:{self.port}/health", timeout=5).close()
                if self._is_listening():
                    return
            time.sleep(0.1)
        message = self.failure_message("does not answer")
        raise PortTakenError if "address already in use" in message else RuntimeError(message)

    def _is_listening(self) -> bool:
        """Return whether this server listens on the port, and not another program."""
        with suppress(psutil.Error):
            server = psutil.Process(self.process.pid)
            for process in (server, *server.children(recursive=True)):
                connections = process.net_connections("tcp")
                if self.port in [one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN]:
                    return True
        return False

    def failure_message(self, failure: str) -> str:
        """Return a message with the failure and the end of the server's log."""
        tail = self.log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]
        return f"MLflow's server {failure}; {self.log} ends with:\n{tail}"
