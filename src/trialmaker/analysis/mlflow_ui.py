"""MLflow's UI over a merged store, and the address of the page that compares its best runs."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from urllib.parse import quote

import psutil

from trialmaker.analysis.store.outputs import STORE_FILE
from trialmaker.analysis.store.runs import Run
from trialmaker.errors import UserError

HOST = "127.0.0.1"
FIRST_PORT, LAST_PORT = 5000, 5099
MOST_COMPARED = 10  # runs on one page
PATIENCE_SECONDS = 120.0  # until the server answers
SERVER_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "PYTHONSAFEPATH": "1",
}
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # to this machine no proxy leads


def select_for_comparison(runs: Sequence[Run]) -> list[Run]:
    """The runs worth a first look: the best of each output; of one output alone, its best. At most ten, best first.

    Args:
        runs: of one experiment and objective.
    """
    ranked = sorted((run for run in runs if run.best is not None and not run.is_study), key=lambda run: run.rank)
    first = {run.output: run for run in reversed(ranked)}
    chosen = list(first.values()) if len(first) > 1 else ranked
    return sorted(chosen, key=lambda run: run.rank)[:MOST_COMPARED]


def comparison_url(port: int, runs: Sequence[Run]) -> str:
    """The address of the page that compares them."""
    ids = json.dumps([run.run_id for run in runs])
    experiments = json.dumps(sorted({str(run.experiment_id) for run in runs}))
    return f"http://{HOST}:{port}/#/compare-runs?runs={quote(ids)}&experiments={quote(experiments)}"


def experiment_url(port: int, run: Run) -> str:
    """The address of the page of all runs of its experiment."""
    return f"http://{HOST}:{port}/#/experiments/{run.experiment_id}/runs"


def free_port(wanted: int | None) -> int:
    """The one that is wanted, or the first free one from 5000 on.

    Raises:
        UserError: it is taken, or is no port.
    """
    if wanted is not None and not 1 <= wanted <= 65535:
        raise UserError(f"--port {wanted}: must be 1 to 65535")
    reason = ""
    for port in [wanted] if wanted else range(FIRST_PORT, LAST_PORT + 1):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
                return port
            except OSError as error:
                reason = str(error.strerror).lower()
    which = f"--port {wanted}" if wanted else f"ports {FIRST_PORT} to {LAST_PORT}"
    raise UserError(f"{which}: cannot be listened on: {reason}; --port N names another")


class PortTakenError(Exception):
    """Another program was faster."""


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """Inside, signals end the process in order: Ctrl-C with 0, as the way to end a server, others with 128 and more."""
    before = {number: signal.signal(number, _leave) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _: FrameType | None) -> None:
    sys.exit(0 if number == signal.SIGINT else 128 + number)


class Server:
    """MLflow's server on a store, for as long as the context lasts. Its log is ``server.log`` beside the store."""

    def __init__(self, store: Path, port: int) -> None:
        self.store, self.log, self.port = store, store / "server.log", port
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{store / STORE_FILE}"]
        command += ["--artifacts-destination", str(store / "mlartifacts"), "--host", HOST, "--port", str(port)]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--workers", "1"],
                cwd=store,
                env=inherited | SERVER_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}  # a second Ctrl-C
        for way in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, way)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=5)
        for number, handler in before.items():
            signal.signal(number, handler)

    def wait_until_ready(self) -> None:
        """Wait until it answers, which takes MLflow seconds.

        Raises:
            PortTakenError: it ended, since another program listens on its port.
            RuntimeError: it ended, or does not answer.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            with suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                DIRECT.open(f"http://{HOST}:{self.port}/health", timeout=5).close()
                if self._listens():
                    return
            time.sleep(0.1)
        words = self.failure_message("does not answer")
        raise PortTakenError if "address already in use" in words else RuntimeError(words)

    def _listens(self) -> bool:
        """Whether it is this server that answers, and not another one on its port."""
        with suppress(psutil.Error):
            mine = psutil.Process(self.process.pid)
            for process in (mine, *mine.children(recursive=True)):
                listening = [one for one in process.net_connections("tcp") if one.status == psutil.CONN_LISTEN]
                if self.port in [one.laddr.port for one in listening]:
                    return True
        return False

    def failure_message(self, what: str) -> str:
        """What happened, and the end of its log."""
        return f"MLflow's server {what}; {self.log} ends with:\n{self.log.read_text(errors='replace')[-2000:]}"
